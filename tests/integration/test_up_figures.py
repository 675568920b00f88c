"""The figures that `up` ends with are those of what was published, whatever the policy."""

from datetime import UTC, datetime
from pathlib import Path

from snapshot_ingest.simulator import Fleet, Simulation
from support.command import finished
from support.files import folder_of

_ANY_TIME = datetime(2026, 4, 2, tzinfo=UTC)
_DEVICES = 40
_SEED = 5


async def test_a_simulated_fleet_becomes_what_the_simulator_says(tmp_path: Path) -> None:
    simulation = ("--simulate", _DEVICES, "--seed", _SEED, "--rounds", 6)
    code, up = await finished(
        "up", "--ephemeral", *simulation, "--until-idle", "--json", folder=tmp_path
    )
    assert code == 0, up.stderr
    totals = Simulation(Fleet(_SEED, _DEVICES), _ANY_TIME, rounds=6).totals()
    assert totals.malformed
    assert totals.orphaned
    figures = up.summary
    assert figures["published"] == totals.published
    assert figures["malformed"] == totals.malformed
    assert figures["orphaned"] == totals.orphaned
    assert figures["stored"] + figures["unchanged"] == totals.stored + totals.unchanged
    assert (figures["refused"], figures["redelivered"], figures["backlog"]) == (0, 0, 0)


async def test_what_is_discarded_is_counted_as_what_it_was(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    simulation = ("--simulate", _DEVICES, "--seed", _SEED, "--rounds", 6)
    code, up = await finished(
        *("--set", "on_rejected=discard"),
        *("up", "--data-dir", data_dir, *simulation, "--until-idle", "--json"),
        folder=tmp_path,
    )
    assert code == 0, up.stderr
    totals = Simulation(Fleet(_SEED, _DEVICES), _ANY_TIME, rounds=6).totals()
    assert up.summary["malformed"] == totals.malformed
    assert up.summary["orphaned"] == totals.orphaned
    warnings = (data_dir / "logs" / "snapshot-ingest.log").read_text().splitlines()
    assert len(warnings) >= totals.malformed + totals.orphaned
    assert all(" WARNING " in line for line in warnings)


async def test_a_digest_that_differs_under_enforce_counts_as_refused(tmp_path: Path) -> None:
    texts = [b"hostname plain\n", b"banner \xff\xfe\n", b"banner \xe4\n", "banner ä\n".encode()]
    fleet = folder_of(tmp_path, texts)
    code, up = await finished(
        *("--set", "hash_policy=enforce"),
        *("up", "--ephemeral", "--publish", fleet, "--until-idle", "--json"),
        folder=tmp_path,
    )
    assert code == 0, up.stderr
    figures = up.summary
    assert (figures["published"], figures["stored"], figures["refused"]) == (4, 2, 2)
