"""`snapshot-ingest digest migrate`: the plain digests that are stored become keyed."""

from collections.abc import Mapping

from snapshot_domain.digest_migration import DigestMigration
from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.model import TenantId
from snapshot_domain.ports import DigestRecords
from snapshot_domain.rewriting import Rewritten
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.composition import configuration_cipher, keyed_digests
from snapshot_ingest.connections import openbao, postgres_pool
from snapshot_ingest.operator.arguments import Work
from snapshot_ingest.operator.counts import print_counts
from snapshot_ingest.operator.opening import open_digest_records
from snapshot_ingest.operator.pace import Pace
from snapshot_ingest.settings import CipherFormat, DigestKind, Settings, SettingsError
from snapshot_openbao import TransitDecryptor


class DigestMigrationError(SnapshotIngestError):
    """Some digests could not be made keyed."""


async def digest_migrate(settings: Settings, work: Work, *, as_json: bool) -> None:
    """Makes digests keyed and swaps them as the operator; a text that is bound goes along.

    The first run makes the key, if no worker did, and from then on nobody stores plain digests.
    """
    if settings.digest is not DigestKind.KEYED:
        raise SettingsError(
            "digests are to stay plain, and only keyed ones can be migrated to",
            expected='digest = "keyed"',
            next_step="set that for every worker first, and start them again",
        )
    async with open_digest_records(settings) as records:
        tenants = [work.tenant_id] if work.tenant_id is not None else await records.tenants()
        counts = {tenant_id: await records.count_plain(tenant_id) for tenant_id in tenants}
        done = Rewritten() if work.dry_run else await _migrate(settings, records, counts, work)
        plain = sum([await records.count_plain(tenant_id) for tenant_id in tenants])
    _print(done, plain, as_json=as_json)
    if plain and not work.dry_run:
        why = f", the last one because: {done.fault}" if done.fault is not None else ""
        raise DigestMigrationError(
            f"{plain} digests are still plain{why}", next_step="run it again"
        )


async def _migrate(
    settings: Settings, records: DigestRecords, counts: Mapping[TenantId, int], work: Work
) -> Rewritten:
    clock, mount = SystemClock(), settings.openbao.mount
    async with (
        postgres_pool("postgres", settings.postgres) as pool,
        openbao("reader.openbao", settings.reader.openbao, settings, clock) as reader,
        openbao("openbao", settings.openbao, settings, clock) as ingest,
    ):
        migration = DigestMigration(
            records,
            await keyed_digests(settings, pool, ingest, clock).key(),
            TransitDecryptor(reader, mount=mount),
            configuration_cipher(settings, CipherFormat.ENVELOPE, ingest, clock),
        )
        with Pace("migrated", sum(counts.values()), work.texts_per_second, clock) as pace:
            for tenant_id, count in counts.items():
                if count:
                    async for looked_at in migration.migrate(tenant_id):
                        await pace.took(looked_at)
    return migration.rewritten


def _print(done: Rewritten, plain: int, *, as_json: bool) -> None:
    counts = {
        "migrated": done.replaced,
        "left": done.left,
        "changed_meanwhile": done.changed_meanwhile,
        "plain": plain,
    }
    print_counts(counts, as_json=as_json)
