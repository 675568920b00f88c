"""A tenant with stored snapshots, and `shred` at the command line."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

from snapshot_domain.ports import KeyState
from snapshot_postgres import connected
from support.installation import Ended, Fleet, Installation
from support.messages import MORNING
from support.openbao import RawOpenBao

_HOUR = timedelta(hours=1)


async def store(
    installation: Installation, fleet: Fleet, texts: int, chosen: str = "transit"
) -> None:
    """A registered device with so many texts, each a change."""
    await installation.register(fleet)
    bodies = [fleet.body(f"text {n}", MORNING + n * _HOUR) for n in range(texts)]
    await installation.in_format(chosen).ingest(fleet, *bodies)


async def insert_foreign_row(installation: Installation, fleet: Fleet, text: str) -> None:
    """A row as the former subscriber wrote it: no run of ours is behind it."""
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        await admin.execute(
            "INSERT INTO router_config_snapshots (device_id, tenant_id, config_text, sha256_hash)"
            " VALUES ($1, $2, $3, 'no digest')",
            fleet.device,
            fleet.tenant,
            text,
        )


async def count(installation: Installation, what: str, fleet: Fleet) -> int:
    """How many rows of that table are the tenant's."""
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        found: int = await admin.fetchval(
            f"SELECT count(*) FROM {what} WHERE tenant_id = $1", fleet.tenant
        )
    return found


async def shred(installation: Installation, fleet: Fleet, *arguments: object) -> Ended:
    """Runs `snapshot-ingest shred` for the tenant."""
    return await installation.command("shred", fleet.tenant, *arguments)


async def shred_forever(installation: Installation, fleet: Fleet) -> dict[str, Any]:
    """The report of a shredding that went well."""
    file = installation.folder / f"{uuid4()}.json"
    ended = await shred(
        installation, fleet, "--forever", "--confirm", fleet.tenant, "--report", file
    )
    assert ended.code == 0, ended.err
    report: dict[str, Any] = json.loads(file.read_text())
    return report


async def key_state(raw: RawOpenBao, fleet: Fleet) -> KeyState:
    """The key, looked at around the adapter."""
    answer = await raw.request("GET", f"transit/keys/tenant_{fleet.tenant}")
    if answer.status_code == 404:
        return KeyState.GONE
    frozen = answer.raise_for_status().json()["data"]["soft_deleted"]
    return KeyState.FROZEN if frozen else KeyState.USABLE
