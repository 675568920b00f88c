"""What a person types to say which stored texts are meant, checked."""

import math

from attrs import frozen

from snapshot_domain.model import TenantId
from snapshot_ingest.command_errors import UsageError
from snapshot_ingest.publish_paths import parse_tenant
from snapshot_ingest.settings import CipherFormat


@frozen
class Work:
    """Whose texts, how many a second at most (None: as fast as it goes), and whether for real."""

    tenant_id: TenantId | None
    texts_per_second: float | None
    dry_run: bool


def parse_work(*, tenant: str | None, rate: float | None, dry_run: bool) -> Work:
    """What the options ask for. Raises `SnapshotIngestError`."""
    if rate is not None and not 0 < rate < math.inf:
        raise UsageError("--rate is not positive", expected="texts a second, such as 500")
    return Work(parse_tenant(tenant) if tenant is not None else None, rate, dry_run)


def parse_format(text: str) -> CipherFormat:
    """The format. Raises `UsageError`."""
    if text not in set(CipherFormat):
        raise UsageError(f"--to {text!r} is no format", expected=", ".join(CipherFormat))
    return CipherFormat(text)
