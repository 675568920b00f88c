"""`snapshot-ingest shred`: a tenant's key is frozen, restored, or deleted for good."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import frozen

from snapshot_domain.errors import KeyMissing, SnapshotIngestError
from snapshot_domain.model import TenantId
from snapshot_domain.ports import KeyState, Records, TenantKeys, TenantRecords
from snapshot_domain.shredding import Shredding, Trial
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao, postgres_pool
from snapshot_ingest.operator.opening import LOOK_SECONDS
from snapshot_ingest.operator.pace import Pace
from snapshot_ingest.operator.shredding_arguments import Deed, ShreddingWork
from snapshot_ingest.operator.shredding_report import Report, copies_of, report_file
from snapshot_ingest.settings import Settings
from snapshot_ingest.workers_hold import longest_in_hand
from snapshot_openbao import TransitDecryptor, TransitTenantKeys
from snapshot_postgres import PostgresTenantRecords, PostgresTenantRows


class ShredError(SnapshotIngestError):
    """The tenant cannot be frozen, restored or shredded."""


@frozen
class _Reach:
    """What a shredding needs beside the key: what it erases, and the reader's trial."""

    records: TenantRecords
    trial: Trial


async def shred(settings: Settings, work: ShreddingWork) -> None:
    """Does the deed, and says what came of it on standard output and in the file for it."""
    clock = SystemClock()
    with report_file(work.report) as file:
        async with openbao("admin.openbao", settings.admin.openbao, settings, clock) as bao:
            keys = TransitTenantKeys(bao, mount=settings.openbao.mount)
            lifetime = settings.cipher.data_key_lifetime
            shredding = Shredding(keys, clock, lifetime, longest_in_hand(settings))
            if work.deed is Deed.DELETE:
                report = await _delete(settings, work.tenant_id, shredding, clock)
            else:
                report = await _set(work, keys, shredding, clock)
        for line in report.lines():
            print(line, file=sys.stdout)  # noqa: T201 - the command's output
        file.write(report)
    if report.trial is not None and report.trial.opened:
        raise ShredError(
            f"{report.trial.opened} rows still open although the key is deleted, and nothing "
            "was erased",
            expected="the reader's OpenBao to be the one whose key was deleted",
            next_step="see [reader.openbao] and [admin.openbao]",
        )


async def _set(
    work: ShreddingWork, keys: TenantKeys, shredding: Shredding, clock: SystemClock
) -> Report:
    try:
        if work.deed is Deed.RESTORE:
            await keys.restore(work.tenant_id)
            return Report(work.tenant_id, KeyState.USABLE, clock.now())
        out_of_use = await shredding.freeze(work.tenant_id)
        return Report(work.tenant_id, KeyState.FROZEN, out_of_use.since, out_of_use)
    except KeyMissing:
        pass
    raise ShredError(
        f"tenant {work.tenant_id} has no key, so there is nothing to {work.deed}",
        expected="the id of a tenant whose key was not deleted",
    )


async def _delete(
    settings: Settings, tenant_id: TenantId, shredding: Shredding, clock: SystemClock
) -> Report:
    """The key first: whatever happens then, running it again does the rest."""
    async with open_reach(settings, clock) as reach:
        await reach.records.check()
        rows = await reach.trial.rehearse(tenant_id)
        await _require_meant(tenant_id, await shredding.keys.state(tenant_id), reach, rows)
        out_of_use = await shredding.delete(tenant_id)
        _say(f"the key of tenant {tenant_id} is deleted; if this ends early, run it again")
        # Before the data keys go: so it is the tenant's key that keeps a row closed.
        with Pace("tried", rows, None, clock) as pace:
            async for looked_at in reach.trial.try_all(tenant_id):
                await pace.took(looked_at)
        erased = Records()
        if not reach.trial.opened:
            erased = await _erase(tenant_id, reach.records, clock)
        return Report(
            tenant_id,
            KeyState.GONE,
            out_of_use.since,
            out_of_use,
            reach.trial,
            erased,
            copies_of(settings.nats.stream, await reach.records.unattributed()),
        )


@asynccontextmanager
async def open_reach(settings: Settings, clock: SystemClock) -> AsyncIterator[_Reach]:
    """The operator's and the reader's logins, with time to look at the backend's whole table."""
    operator, reader = settings.operator.postgres, settings.reader.postgres
    async with (
        postgres_pool("operator.postgres", operator, command_seconds=LOOK_SECONDS) as records,
        postgres_pool("reader.postgres", reader, command_seconds=LOOK_SECONDS) as rows,
        openbao("reader.openbao", settings.reader.openbao, settings, clock) as bao,
    ):
        decryptor = TransitDecryptor(bao, mount=settings.openbao.mount)
        yield _Reach(PostgresTenantRecords(records), Trial(PostgresTenantRows(rows), decryptor))


async def _require_meant(tenant_id: TenantId, key: KeyState, reach: _Reach, rows: int) -> None:
    """A second run finds no key; a mistyped id finds nothing at all.

    A key that works opens rows, or the reader is at another OpenBao than the key: then the trial
    afterwards would prove nothing.
    """
    trial = reach.trial
    if key is KeyState.USABLE and trial.rehearsed and not trial.rehearsed_opened:
        raise ShredError(
            f"none of {trial.rehearsed} rows of tenant {tenant_id} opens although its key works, "
            "so nothing was deleted",
            expected="the reader's OpenBao to be the one whose key is to be deleted",
            next_step="see [reader.openbao] and [admin.openbao]; if they are right, the rows are "
            "damaged: freeze the key first, and delete it then",
        )
    if key is not KeyState.GONE or rows or (await reach.records.kept(tenant_id)).total:
        return
    raise ShredError(
        f"tenant {tenant_id} has no key, and nothing is stored of it",
        expected="the id of a tenant that there is or was",
    )


async def _erase(tenant_id: TenantId, records: TenantRecords, clock: SystemClock) -> Records:
    erased = Records()
    with Pace("erased", (await records.kept(tenant_id)).total, None, clock) as pace:
        async for part in records.erase(tenant_id):
            erased += part
            await pace.took(part.total)
    return erased


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - beside the command's output
