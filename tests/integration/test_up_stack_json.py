"""`up` writes `stack.json` and `snapshot-ingest.toml`: with them anybody can join."""

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import nats
import pytest
from attrs import frozen

from snapshot_ingest.stack.process import is_running
from snapshot_openbao import SecretFile
from support.command import finished, processes_of, running
from support.http import fetched, is_ready

_APPROLES = ("ingest_approle", "reader_approle", "operator_approle", "admin_approle")


@frozen
class Up:
    """An `up` that waits for others to publish."""

    data_dir: Path
    stack: dict[str, Any]

    @property
    def config(self) -> Path:
        return self.data_dir / "snapshot-ingest.toml"


@pytest.fixture(scope="module")
async def up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    async with running("up", "--data-dir", folder / "data", folder=folder) as command:
        yield Up(folder / "data", await command.stack(folder / "data"))


async def test_it_has_exactly_the_fields_that_clients_need(up: Up) -> None:
    assert set(up.stack) == {
        "nats_url",
        "nats_credentials",
        "postgres_dsn",
        "postgres_admin_dsn",
        "openbao_url",
        "http_url",
        "pids",
        *_APPROLES,
    }
    assert up.stack["nats_credentials"] is None
    assert set(up.stack["pids"]) == {"nats", "postgres", "openbao"}
    for role in _APPROLES:
        assert set(up.stack[role]) == {"role_id", "secret_id_file"}


async def test_its_process_ids_are_those_of_the_servers(up: Up) -> None:
    assert all(map(is_running, up.stack["pids"].values()))
    assert set(up.stack["pids"].values()) <= set(processes_of(up.data_dir))


async def test_only_their_owner_may_read_what_is_written(up: Up) -> None:
    secrets = [Path(up.stack[role]["secret_id_file"]) for role in _APPROLES]
    passwords = list((up.data_dir / "secrets").glob("*.password"))
    assert passwords
    for path in (up.data_dir / "stack.json", up.config, *secrets, *passwords):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_nats_has_the_stream_and_the_consumer(up: Up) -> None:
    client = await nats.connect(up.stack["nats_url"])
    try:
        info = await client.jetstream().consumer_info("DEVICE_EVENTS", "config_snapshot_ingest")
        assert info.config.filter_subject == "config.snapshot.>"
    finally:
        await client.close()


async def test_the_ingest_role_is_no_superuser_and_stores_through_our_schema_alone(up: Up) -> None:
    connection = await asyncpg.connect(up.stack["postgres_dsn"], timeout=10)
    try:
        assert not await connection.fetchval("SELECT usesuper FROM pg_user WHERE usename = user")
        assert await connection.fetch("SELECT * FROM snapshot_ingest.owners('{}')") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE router_config_snapshots SET config_text = ''")
    finally:
        await connection.close()


async def test_the_admin_dsn_is_the_superusers(up: Up) -> None:
    connection = await asyncpg.connect(up.stack["postgres_admin_dsn"], timeout=10)
    try:
        assert await connection.fetchval("SELECT usesuper FROM pg_user WHERE usename = user")
    finally:
        await connection.close()


async def test_each_approle_may_do_its_own_job_and_not_anothers(up: Up) -> None:
    key = f"tenant_{uuid4()}"
    ingest, reader, _, admin = [await _token(up, role) for role in _APPROLES]
    body = {"plaintext": "c25hcHNob3Q="}
    assert await _status(up, ingest, f"keys/{key}", {"type": "aes256-gcm96"}) == 403
    assert await _status(up, admin, f"keys/{key}", {"type": "aes256-gcm96"}) == 200
    assert await _status(up, reader, f"encrypt/{key}", body) == 403
    answer = await _post(up, ingest, f"encrypt/{key}", body)
    sealed = {"ciphertext": answer.json()["data"]["ciphertext"]}
    assert await _status(up, ingest, f"decrypt/{key}", sealed) == 403
    opened = await _post(up, reader, f"decrypt/{key}", sealed)
    assert opened.json()["data"]["plaintext"] == body["plaintext"]


async def test_a_missing_key_is_never_made_by_encrypting(up: Up) -> None:
    admin = await _token(up, "admin_approle")
    ingest = await _token(up, "ingest_approle")
    key = f"tenant_{uuid4()}"
    assert await _status(up, ingest, f"encrypt/{key}", {"plaintext": ""}) in (400, 403, 404)
    async with httpx.AsyncClient(trust_env=False) as client:
        found = await client.get(
            f"{up.stack['openbao_url']}/v1/transit/keys/{key}", headers={"X-Vault-Token": admin}
        )
    assert found.status_code in (403, 404)


async def test_metrics_health_and_readiness_answer(up: Up) -> None:
    url = up.stack["http_url"]
    assert (await fetched(f"{url}/healthz")).text == "alive\n"
    assert await is_ready(url)
    assert (await fetched(f"{url}/readyz")).json() == {"ready": True, "faults": {}}
    metrics = (await fetched(f"{url}/metrics")).text
    for name in (
        "config_snapshot_ingested_total",
        "config_snapshot_dedup_skipped_total",
        "config_snapshot_errors_total",
        "config_snapshot_ingestion_duration_seconds",
        "snapshot_ingest_backlog_pending_messages",
    ):
        assert f"# TYPE {name}" in metrics


async def test_status_provision_and_migrate_work_with_the_settings_file(
    up: Up, tmp_path: Path
) -> None:
    config = ("--config", up.config)
    tenant = str(uuid4())
    code, provisioned = await finished(*config, "provision", "--tenant", tenant, folder=tmp_path)
    assert code == 0, provisioned.stderr
    ingest = await _token(up, "ingest_approle")
    assert await _status(up, ingest, f"encrypt/tenant_{tenant}", {"plaintext": ""}) == 200
    code, migrated = await finished(*config, "migrate", folder=tmp_path)
    assert (code, migrated.stdout) == (0, b"nothing to do: the schema is up to date\n")
    code, status = await finished(*config, "status", "--json", folder=tmp_path)
    assert code == 0, status.stderr
    assert json.loads(status.stdout) == {
        "backlog": 0,
        "unsettled": 0,
        "oldest": None,
        "stored": 0,
        "devices": 0,
        "quarantined": 0,
    }


async def _token(up: Up, role: str) -> str:
    found = up.stack[role]
    body = {
        "role_id": found["role_id"],
        "secret_id": SecretFile(Path(found["secret_id_file"])).read(),
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{up.stack['openbao_url']}/v1/auth/approle/login", json=body)
    token: str = answer.raise_for_status().json()["auth"]["client_token"]
    return token


async def _post(up: Up, token: str, path: str, body: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(
            f"{up.stack['openbao_url']}/v1/transit/{path}",
            headers={"X-Vault-Token": token},
            json=body,
        )


async def _status(up: Up, token: str, path: str, body: dict[str, str]) -> int:
    return (await _post(up, token, path, body)).status_code
