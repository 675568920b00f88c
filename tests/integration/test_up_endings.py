"""However `up` is stopped, its figures add up and nothing is left running."""

import os
from pathlib import Path
from signal import SIGINT, SIGSTOP, SIGTERM, Signals
from typing import Any

import pytest

from snapshot_ingest.stack.process import is_running
from support.command import RunningCommand, processes_of, running
from support.files import small_fleet
from support.http import metric
from support.waiting import until, until_true

_OUTCOMES = ("stored", "unchanged", "malformed", "orphaned", "refused", "backlog")
_INTERRUPTED = 130


def _adds_up(figures: dict[str, Any]) -> bool:
    """Whether what was published is all accounted for."""
    return (
        bool(figures["published"] == sum(figures[each] for each in _OUTCOMES))
        and min(figures.values()) >= 0
    )


async def _stopped_while_publishing(up: RunningCommand, data_dir: Path) -> None:
    url = (await up.stack(data_dir))["http_url"]

    async def is_ingesting() -> bool:
        return await metric(url, "config_snapshot_ingested_total") > 0

    await until_true(is_ingesting)
    assert str(data_dir) in up.stderr


@pytest.mark.parametrize(
    ("signal", "whole_group"),
    [(SIGINT, True), (SIGTERM, False)],
    ids=["ctrl-c at a terminal", "a service manager's SIGTERM"],
)
async def test_a_stop_while_it_publishes_ends_in_order(
    tmp_path: Path, signal: Signals, *, whole_group: bool
) -> None:
    data_dir = tmp_path / "data"
    much = ("--simulate", 3_000)
    async with running("up", "--data-dir", data_dir, *much, "--json", folder=tmp_path) as up:
        await _stopped_while_publishing(up, data_dir)
        assert len(processes_of(data_dir)) > 3
        (up.signal_group if whole_group else up.signal)(signal)
        assert await up.ended() == 0, up.stderr
        assert "Traceback" not in up.stderr
    assert _adds_up(up.summary)
    assert 0 < up.summary["stored"] < 3_000
    assert processes_of(data_dir) == []


async def test_a_stop_while_the_servers_start_ends_in_order(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    fleet = small_fleet(tmp_path, 3)
    async with running(
        "up", "--data-dir", data_dir, "--publish", fleet, "--json", folder=tmp_path
    ) as up:
        await until((data_dir / "stack.lock").exists, every_seconds=0.01)
        up.signal_group(SIGINT)
        assert await up.ended() == 0, up.stderr
    assert _adds_up(up.summary)
    assert processes_of(data_dir) == []


async def test_an_ephemeral_one_leaves_no_file_behind(tmp_path: Path) -> None:
    async with running("up", "--ephemeral", folder=tmp_path) as up:
        await until(lambda: "connect with" in up.stderr, seconds=60, every_seconds=0.05)
        root = Path(up.stderr.partition("connect with ")[2].strip()).parents[1]
        assert (root / "stack" / "stack.json").exists()
        up.signal_group(SIGINT)
        assert await up.ended() == 0, up.stderr
    assert not root.exists()
    assert processes_of(root) == []
    assert b"published" in up.stdout


async def test_a_second_ctrl_c_does_not_wait_for_the_rest_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "data"
    async with running("up", "--data-dir", data_dir, folder=tmp_path) as up:
        stack = await up.stack(data_dir)
        # It takes its time to end: the first signal waits for it.
        os.kill(stack["pids"]["openbao"], SIGSTOP)
        up.signal_group(SIGINT)
        await until(lambda: not is_running(stack["pids"]["nats"]), every_seconds=0.05)
        assert not up.has_ended
        up.signal_group(SIGINT)
        assert await up.ended(seconds=10) == _INTERRUPTED
        assert "Traceback" not in up.stderr
    assert processes_of(data_dir) == []
