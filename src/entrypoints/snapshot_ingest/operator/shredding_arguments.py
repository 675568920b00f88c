"""What a person types to freeze, restore or shred a tenant, checked."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from attrs import frozen

from snapshot_domain.model import TenantId
from snapshot_ingest.command_errors import UsageError


class Deed(StrEnum):
    """What is to become of the tenant's key."""

    FREEZE = "freeze"
    RESTORE = "restore"
    DELETE = "delete"


@frozen
class ShreddingWork:
    """Whose key, what becomes of it, and the file for the report."""

    tenant_id: TenantId
    deed: Deed
    report: Path | None


def parse_shredding(
    tenant: str,
    *,
    restore: bool,
    forever: bool,
    confirm: str | None,
    report: Path | None,
    ask: Callable[[], str | None],
) -> ShreddingWork:
    """What the options ask for. Raises `UsageError`.

    Deleting a key takes its tenant's id a second time: `confirm`, or what a person answers to
    `ask`, which is None where there is nobody.
    """
    tenant_id = _tenant_of(tenant)
    if restore and forever:
        raise UsageError("--restore and --forever are both given", expected="one of them")
    if confirm is not None and not forever:
        raise UsageError("--confirm confirms nothing", expected="--forever beside it")
    if not forever:
        return ShreddingWork(tenant_id, Deed.RESTORE if restore else Deed.FREEZE, report)
    typed = ask() if confirm is None else confirm
    if typed is None:
        raise UsageError(
            "--forever cannot be undone, and nobody is here to confirm it",
            expected="--confirm and the tenant's id",
        )
    if typed.strip() != str(tenant_id):
        raise UsageError("what was typed is not the tenant's id", expected="the same id once more")
    return ShreddingWork(tenant_id, Deed.DELETE, report)


def _tenant_of(text: str) -> TenantId:
    """In the one form that ids have in a message: a misread one must not name another key."""
    try:
        tenant_id = UUID(text)
    except ValueError:
        tenant_id = None
    if tenant_id is None or str(tenant_id) != text:
        raise UsageError(
            f"TENANT {text!r} is no UUID",
            expected="one like c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192",
        )
    return TenantId(tenant_id)
