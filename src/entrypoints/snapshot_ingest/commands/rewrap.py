"""`snapshot-ingest rewrap`: everything under the newest version of each tenant's key."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from snapshot_domain.errors import KeyMissing, SnapshotIngestError
from snapshot_domain.model import TenantId
from snapshot_domain.ports import Clock
from snapshot_domain.rotation import OldestVersion, Rotation
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao
from snapshot_ingest.operator.arguments import Work
from snapshot_ingest.operator.opening import open_stored_texts, tenants_of
from snapshot_ingest.operator.pace import Pace
from snapshot_ingest.settings import Settings
from snapshot_ingest.workers_hold import longest_in_hand
from snapshot_openbao import TransitRewrapper

# Counting the rows of others looks at the whole table, once a tenant.
_COUNTED_TENANTS = 10


class RewrapError(SnapshotIngestError):
    """Something could not be rewrapped."""


async def rewrap(settings: Settings, work: Work, *, as_json: bool) -> None:
    """Rewraps what is under older versions, and says for each tenant the oldest still in use."""
    clock = SystemClock()
    async with (
        open_stored_texts(settings) as texts,
        openbao("operator.openbao", settings.operator.openbao, settings, clock) as bao,
    ):
        rewrapper = TransitRewrapper(bao, mount=settings.openbao.mount)
        rotation = Rotation(texts, rewrapper, longest_in_hand(settings))
        tenants = await tenants_of(work, texts)
        if not work.dry_run:
            await rewrap_all(rotation, await _look(rotation, tenants), work, clock)
        found = await _look(rotation, tenants, count_others=len(tenants) <= _COUNTED_TENANTS)
    _print(rotation, found, [each for each in tenants if each not in found], as_json=as_json)
    _fail_if_unfinished(rotation, found, work)


async def _look(
    rotation: Rotation, tenants: Sequence[TenantId], *, count_others: bool = False
) -> Mapping[TenantId, OldestVersion]:
    """What there is of each tenant that has a key."""
    found: dict[TenantId, OldestVersion] = {}
    for tenant_id in tenants:
        with suppress(KeyMissing):
            found[tenant_id] = await rotation.oldest(tenant_id, count_others=count_others)
    return found


def _fail_if_unfinished(
    rotation: Rotation, found: Mapping[TenantId, OldestVersion], work: Work
) -> None:
    fault, behind = rotation.rewritten.fault, sum(each.behind for each in found.values())
    if work.dry_run or (fault is None and not behind):
        return
    why = f", the last one because: {fault}" if fault is not None else ""
    raise RewrapError(
        f"{max(behind, rotation.rewritten.left)} texts or data keys stay under an older version"
        f"{why}",
        next_step="run it again; raise no min_decryption_version beyond what is shown above",
    )


async def rewrap_all(
    rotation: Rotation, found: Mapping[TenantId, OldestVersion], work: Work, clock: Clock
) -> None:
    """Rewraps each tenant that is behind; one that is shredded meanwhile has no key any more."""
    total = sum(each.behind for each in found.values())
    with Pace("rewrapped", total, work.texts_per_second, clock) as pace:
        for tenant_id, each in found.items():
            if not each.behind:
                continue
            with suppress(KeyMissing):
                async for looked_at in rotation.rewrap(tenant_id):
                    await pace.took(looked_at)


def _print(
    rotation: Rotation,
    found: Mapping[TenantId, OldestVersion],
    without_key: Sequence[TenantId],
    *,
    as_json: bool,
) -> None:
    if as_json:
        _say(json.dumps(_report(rotation, found, without_key)))
        return
    for each in found.values():
        _say(_line(each))
    for tenant_id in without_key:
        _say(f"tenant {tenant_id}: it has no key, so nothing of it opens")
    done = rotation.rewritten
    _say(f"rewrapped {done.replaced}, left {done.left}, changed meanwhile {done.changed_meanwhile}")


def _line(oldest: OldestVersion) -> str:
    known = (
        "nothing of ours is under its key"
        if oldest.version is None
        else f"version {oldest.version} is the oldest in use, {oldest.newest} the newest, "
        f"{oldest.behind} behind"
    )
    line = f"tenant {oldest.tenant_id}: {known}"
    if oldest.asked_at <= oldest.certain_from:
        line += f"; a worker may still write older ones until {_time(oldest.certain_from)}"
    if oldest.rows_of_others is None:
        line += "; rows that others wrote were not counted, see --tenant"
    elif oldest.rows_of_others:
        line += f"; {oldest.rows_of_others} rows that others wrote may be under any version"
    return line


def _report(
    rotation: Rotation,
    found: Mapping[TenantId, OldestVersion],
    without_key: Sequence[TenantId],
) -> Mapping[str, object]:
    return {
        "rewrapped": rotation.rewritten.replaced,
        "left": rotation.rewritten.left,
        "changed_meanwhile": rotation.rewritten.changed_meanwhile,
        "tenants": [
            {
                "tenant": str(each.tenant_id),
                "oldest_in_use": each.version,
                "newest": each.newest,
                "behind": each.behind,
                "rows_of_others": each.rows_of_others,
                "certain": each.is_certain,
                "certain_from": _time(each.certain_from),
            }
            for each in found.values()
        ],
        "without_key": [str(tenant_id) for tenant_id in without_key],
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _say(line: str) -> None:
    print(line, file=sys.stdout)  # noqa: T201 - the command's output
