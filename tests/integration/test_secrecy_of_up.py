"""A secret goes through `up` in every way that a message can take, and is found nowhere."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import asyncpg
import nats
import pytest
from attrs import frozen

from snapshot_conformance.secret_canary import SecretCanary
from snapshot_conformance.secret_canary_files import files_below, files_with
from snapshot_conformance.secret_canary_report import reported
from support.command import finished, running
from support.files import folder_of
from support.http import fetched, metric
from support.messages import MORNING, device, message, subject_of, tenant
from support.nats_server import own_nats_server, place_on
from support.secret_places import files_of, places_of_up
from support.waiting import until_true

_SETTLED_SECONDS = 60


@frozen
class Ingested:
    """An `up` that has ingested the canary, still running."""

    canary: SecretCanary
    folder: Path
    data_dir: Path
    stack: dict[str, Any]

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"


def _messages(canary: SecretCanary) -> Iterator[tuple[str, bytes]]:
    """One for each way that a message can take, with its outcome's name."""
    secret = f"/ppp secret add password={canary.text}"
    known, owner = device("known"), tenant("secrecy")
    ways: dict[str, dict[str, object]] = {
        "an id that is content": {"device_id": canary.text},
        "a tenant that is content": {"tenant_id": f"x/../../{canary.text}"},
        "a digest that is content": {"sha256_hash": canary.text},
        "a text of the wrong type": {"config_text": [canary.text]},
        "a digest that differs": {"sha256_hash": "a" * 64},
        "a time that is content": {"collected_at": canary.text},
        "a good one": {},
    }
    for name, overrides in ways.items():
        yield name, message(known, owner, secret, MORNING, **overrides).reveal()
    yield "an orphan", message(device("nobody's"), owner, secret).reveal()
    yield "a foreign tenant's", message(known, tenant("other"), secret).reveal()
    yield "without a key", message(device("keyless"), tenant("keyless"), secret).reveal()
    yield "no JSON", b"{" + secret.encode()
    yield "a list", json.dumps([secret]).encode()
    yield "a text", json.dumps(secret).encode()
    yield "deep", b"[" * 2_000 + canary.text.encode()
    yield "no UTF-8", b"\xff" + secret.encode()
    yield (
        "half a character",
        message(known, owner, secret, config_text=secret + "\ud800").reveal(),
    )


@pytest.fixture(scope="module")
async def ingested(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ingested]:
    canary = SecretCanary()
    folder = tmp_path_factory.mktemp("secrecy")
    data_dir = folder / "data"
    loud = ("--log-level", "DEBUG", "--set", "hash_policy=enforce")
    async with running(*loud, "up", "--data-dir", data_dir, folder=folder) as up:
        stack = await up.stack(data_dir)
        await _make_postgres_talkative(stack)
        await _publish_files(folder, data_dir, canary)
        await _register(stack, data_dir)
        await _publish_while_openbao_hangs(stack, [body for _, body in _messages(canary)])
        await _publish_while_the_database_breaks(stack, canary)
        await _until_settled(stack)
        async with _admin(stack) as connection:
            await connection.execute("CHECKPOINT")
        await _look_at_it(folder, data_dir, stack)
        yield Ingested(canary, folder, data_dir, stack)


async def test_it_took_every_way(ingested: Ingested) -> None:
    async with _admin(ingested.stack) as connection:
        reasons = {
            row["reason"]: row["count"]
            for row in await connection.fetch(
                "SELECT reason, count(*) FROM snapshot_ingest.quarantine GROUP BY reason"
            )
        }
        stored = await connection.fetchval("SELECT count(*) FROM router_config_snapshots")
    assert reasons == {"malformed": 10, "hash_mismatch": 1, "orphan": 2, "key_missing": 1}
    assert stored >= 3
    url = ingested.stack["http_url"]
    assert await metric(url, "snapshot_ingest_redeliveries_total") > 0


async def test_it_is_in_no_place_and_would_be_found_in_each(ingested: Ingested) -> None:
    """All that an installation writes, each place with its controls; `make secrecy` shows it."""
    assert " DEBUG " in (ingested.logs / "snapshot-ingest.log").read_text("utf-8")
    before = set(files_below([ingested.data_dir]))
    places = places_of_up(ingested.folder, ingested.data_dir, ingested.stack)
    assert before <= {path for place in places for path in files_of(place)}
    report = await reported(ingested.canary, places)
    print(f"\n{report}", flush=True)  # noqa: T201 - the proof, for whoever asks for it
    assert report.is_proof, str(report)


async def test_what_waits_in_a_store_that_is_not_encrypted_is_found_there(tmp_path: Path) -> None:
    """Apart from the others: there, plaintext is on disk until its stream forgets it."""
    control = SecretCanary()
    async with own_nats_server(tmp_path) as server, place_on(server.access) as place:
        await place.publish(control.text.encode())
        assert files_with(control, [tmp_path / "store"])


@asynccontextmanager
async def _admin(stack: dict[str, Any]) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(stack["postgres_admin_dsn"], timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def _make_postgres_talkative(stack: dict[str, Any]) -> None:
    """As badly configured as an installation can be: every statement with its values."""
    async with _admin(stack) as connection:
        for setting in (
            "log_statement = 'all'",
            "log_parameter_max_length = -1",
            "log_parameter_max_length_on_error = -1",
            "log_min_messages = 'debug1'",
        ):
            await connection.execute(f"ALTER SYSTEM SET {setting}")
        await connection.execute("SELECT pg_reload_conf()")


async def _publish_files(folder: Path, data_dir: Path, canary: SecretCanary) -> None:
    """A device's first snapshot, an unchanged one, and a changed one, by the command."""
    config = ("--config", data_dir / "snapshot-ingest.toml", "--log-level", "DEBUG")
    for text in (canary.text, canary.text, f"changed {canary.text}"):
        fleet = folder_of(folder, [text.encode()])
        code, publishing = await finished(*config, "publish", fleet, "--register", folder=folder)
        assert code == 0, publishing.stderr
        assert not canary.is_in(publishing.stderr)
        assert not canary.is_in(publishing.stdout)


async def _look_at_it(folder: Path, data_dir: Path, stack: dict[str, Any]) -> None:
    """The commands that tell what is there; what they print is searched with all other output."""
    async with _admin(stack) as connection:
        kept = await connection.fetch("SELECT id FROM snapshot_ingest.quarantine")
    config = ("--config", data_dir / "snapshot-ingest.toml", "--log-level", "DEBUG")
    for command in (
        ("status", "--json"),
        ("config", "show"),
        ("quarantine", "list", "--json"),
        *(("quarantine", "show", str(row["id"])) for row in kept[:3]),
    ):
        code, looking = await finished(*config, *command, folder=folder)
        assert code == 0, looking.stderr


async def _register(stack: dict[str, Any], data_dir: Path) -> None:
    """`known` with its tenant's key, and `keyless`, whose tenant has none."""
    async with _admin(stack) as connection:
        for of, owner in (("known", "secrecy"), ("keyless", "keyless")):
            await connection.execute("INSERT INTO tenants VALUES ($1, $2)", tenant(owner), owner)
            await connection.execute(
                "INSERT INTO devices VALUES ($1, $2, 'r', '192.0.2.1')", device(of), tenant(owner)
            )
    code, provisioned = await finished(
        *("--config", data_dir / "snapshot-ingest.toml"),
        *("provision", "--tenant", tenant("secrecy")),
        folder=data_dir.parent,
    )
    assert code == 0, provisioned.stderr


async def _publish_while_openbao_hangs(stack: dict[str, Any], bodies: list[bytes]) -> None:
    os.kill(stack["pids"]["openbao"], SIGSTOP)
    try:
        await _publish(stack, bodies)
        await until_true(lambda: _has_errors(stack, "encrypt_unavailable"))
    finally:
        os.kill(stack["pids"]["openbao"], SIGCONT)


async def _publish_while_the_database_breaks(stack: dict[str, Any], canary: SecretCanary) -> None:
    """The table is locked until the worker's statement fails, and its connections are cut."""
    body = message(device("known"), tenant("secrecy"), f"once more {canary.text}").reveal()
    async with _admin(stack) as connection, connection.transaction():
        await connection.execute("LOCK TABLE router_config_snapshots IN ACCESS EXCLUSIVE MODE")
        await _publish(stack, [body])

        async def is_waiting() -> bool:
            return bool(
                await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
            )

        await until_true(is_waiting)
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        await until_true(lambda: _has_errors(stack, "db_error"))


async def _publish(stack: dict[str, Any], bodies: list[bytes]) -> None:
    client = await nats.connect(stack["nats_url"])
    try:
        for body in bodies:
            await client.jetstream().publish(subject_of(device("known")), body)
    finally:
        await client.close()


async def _has_errors(stack: dict[str, Any], error_type: str) -> bool:
    metrics = (await fetched(f"{stack['http_url']}/metrics")).text
    line = f'config_snapshot_errors_total{{error_type="{error_type}"}} '
    (value,) = [each.removeprefix(line) for each in metrics.splitlines() if each.startswith(line)]
    return float(value) > 0


async def _until_settled(stack: dict[str, Any]) -> None:
    client = await nats.connect(stack["nats_url"])

    async def is_settled() -> bool:
        info = await client.jetstream().consumer_info("DEVICE_EVENTS", "config_snapshot_ingest")
        return not info.num_pending and not info.num_ack_pending

    try:
        await until_true(is_settled, seconds=_SETTLED_SECONDS)
    finally:
        await client.close()
