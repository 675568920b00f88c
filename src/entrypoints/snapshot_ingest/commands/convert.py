"""`snapshot-ingest convert`: stored texts in another format."""

from snapshot_domain.conversion import Conversion
from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.model import TenantId
from snapshot_domain.ports import StoredTexts
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.composition import configuration_cipher
from snapshot_ingest.connections import openbao
from snapshot_ingest.operator.arguments import Work
from snapshot_ingest.operator.counts import print_counts
from snapshot_ingest.operator.opening import open_stored_texts, tenants_of
from snapshot_ingest.operator.pace import Pace
from snapshot_ingest.settings import CipherFormat, Settings
from snapshot_openbao import TransitDecryptor


class ConvertError(SnapshotIngestError):
    """Something could not be converted."""


async def convert(settings: Settings, chosen: CipherFormat, work: Work, *, as_json: bool) -> None:
    """Opens with the reader's login, encrypts with the ingest role's, swaps as the operator."""
    clock, mount = SystemClock(), settings.openbao.mount
    async with (
        open_stored_texts(settings) as texts,
        openbao("reader.openbao", settings.reader.openbao, settings, clock) as reader,
        openbao("openbao", settings.openbao, settings, clock) as ingest,
    ):
        cipher = configuration_cipher(settings, chosen, ingest, clock)
        conversion = Conversion(texts, TransitDecryptor(reader, mount=mount), cipher, chosen)
        counts = {
            tenant_id: await texts.count_in_other_formats(tenant_id, chosen)
            for tenant_id in await tenants_of(work, texts)
        }
        total = sum(counts.values())
        if not work.dry_run:
            with Pace("converted", total, work.texts_per_second, clock) as pace:
                for tenant_id, count in counts.items():
                    if count:
                        async for looked_at in conversion.convert(tenant_id):
                            await pace.took(looked_at)
        left = await _left(texts, list(counts), chosen)
    _print(conversion, left, as_json=as_json)
    if left and not work.dry_run:
        fault = conversion.rewritten.fault
        why = f", the last one because: {fault}" if fault is not None else ""
        raise ConvertError(f"{left} texts keep another format{why}", next_step="run it again")


async def _left(texts: StoredTexts, tenants: list[TenantId], chosen: CipherFormat) -> int:
    return sum([await texts.count_in_other_formats(tenant_id, chosen) for tenant_id in tenants])


def _print(conversion: Conversion, left: int, *, as_json: bool) -> None:
    done = conversion.rewritten
    counts = {
        "converted": done.replaced,
        "left": done.left,
        "changed_meanwhile": done.changed_meanwhile,
        "in_other_formats": left,
    }
    print_counts(counts, as_json=as_json)
