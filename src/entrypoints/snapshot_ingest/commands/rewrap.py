"""`snapshot-ingest rewrap`: everything under the newest version of each tenant's key."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from attrs import frozen

from snapshot_domain.errors import KeyMissing, SnapshotIngestError
from snapshot_domain.model import TenantId
from snapshot_domain.ports import StoredTexts
from snapshot_domain.rotation import OldestVersion, Rotation
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao
from snapshot_ingest.operator.arguments import Work
from snapshot_ingest.operator.opening import open_stored_texts, tenants_of
from snapshot_ingest.operator.pace import Pace
from snapshot_ingest.settings import Settings
from snapshot_ingest.workers_hold import longest_in_hand
from snapshot_openbao import TransitRewrapper


class RewrapError(SnapshotIngestError):
    """Something could not be rewrapped."""


@frozen
class _Found:
    """What there is of one tenant: its oldest version, and how much is under older ones."""

    oldest: OldestVersion
    behind: int


async def rewrap(settings: Settings, work: Work, *, as_json: bool) -> None:
    """Rewraps what is under older versions, and says for each tenant the oldest still in use."""
    clock = SystemClock()
    async with (
        open_stored_texts(settings) as texts,
        openbao("operator.openbao", settings.operator.openbao, settings, clock) as bao,
    ):
        rewrapper = TransitRewrapper(bao, mount=settings.openbao.mount)
        rotation = Rotation(texts, rewrapper, clock, longest_in_hand(settings))
        tenants = await tenants_of(work, texts)
        before, without_key = await _look(rotation, texts, tenants)
        if not work.dry_run:
            await _rewrap_all(rotation, before, work, clock)
        after, _ = (before, []) if work.dry_run else await _look(rotation, texts, list(before))
    _print(rotation, after, without_key, as_json=as_json)
    if rotation.rewritten.fault is not None:
        raise RewrapError(
            f"{rotation.rewritten.left} texts stay under their old version, the last of them "
            f"because: {rotation.rewritten.fault}",
            next_step="raise no min_decryption_version beyond what is shown above",
        )


async def _look(
    rotation: Rotation, texts: StoredTexts, tenants: Sequence[TenantId]
) -> tuple[Mapping[TenantId, _Found], list[TenantId]]:
    """What there is of each tenant, and those that have no key."""
    found: dict[TenantId, _Found] = {}
    without_key = []
    for tenant_id in tenants:
        try:
            oldest = await rotation.oldest(tenant_id)
        except KeyMissing:
            without_key.append(tenant_id)
            continue
        in_use = await texts.versions(tenant_id)
        behind = sum(items for version, items in in_use.items() if version != oldest.newest)
        found[tenant_id] = _Found(oldest, behind)
    return found, without_key


async def _rewrap_all(
    rotation: Rotation, found: Mapping[TenantId, _Found], work: Work, clock: SystemClock
) -> None:
    total = sum(each.behind for each in found.values())
    with Pace("rewrapped", total, work.texts_per_second, clock) as pace:
        for tenant_id, each in found.items():
            if each.behind:
                async for looked_at in rotation.rewrap(tenant_id):
                    await pace.took(looked_at)


def _print(
    rotation: Rotation,
    found: Mapping[TenantId, _Found],
    without_key: Sequence[TenantId],
    *,
    as_json: bool,
) -> None:
    if as_json:
        _say(json.dumps(_report(rotation, found, without_key)))
        return
    for each in found.values():
        _say(_line(each.oldest, each.behind))
    for tenant_id in without_key:
        _say(f"tenant {tenant_id}: it has no key, so nothing of it opens")
    done = rotation.rewritten
    _say(f"rewrapped {done.replaced}, left {done.left}, changed meanwhile {done.changed_meanwhile}")


def _line(oldest: OldestVersion, behind: int) -> str:
    if oldest.version is None:
        return f"tenant {oldest.tenant_id}: nothing is under its key"
    line = (
        f"tenant {oldest.tenant_id}: version {oldest.version} is the oldest in use, "
        f"{oldest.newest} the newest, {behind} behind"
    )
    if oldest.is_certain:
        return line
    return f"{line}; a worker may still write older ones until {_time(oldest.certain_from)}"


def _report(
    rotation: Rotation, found: Mapping[TenantId, _Found], without_key: Sequence[TenantId]
) -> Mapping[str, object]:
    return {
        "rewrapped": rotation.rewritten.replaced,
        "left": rotation.rewritten.left,
        "changed_meanwhile": rotation.rewritten.changed_meanwhile,
        "tenants": [
            {
                "tenant": str(each.oldest.tenant_id),
                "oldest_in_use": each.oldest.version,
                "newest": each.oldest.newest,
                "behind": each.behind,
                "certain": each.oldest.is_certain,
                "certain_from": _time(each.oldest.certain_from),
            }
            for each in found.values()
        ],
        "without_key": [str(tenant_id) for tenant_id in without_key],
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _say(line: str) -> None:
    print(line, file=sys.stdout)  # noqa: T201 - the command's output
