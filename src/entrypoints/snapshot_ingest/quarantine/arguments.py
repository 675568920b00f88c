"""What a person types to choose messages of the quarantine, checked."""

import re
from collections.abc import Sequence
from uuid import UUID

from snapshot_domain.model import DeviceId, TenantId
from snapshot_domain.ports import QuarantineId, QuarantineReason, QuarantineSelection
from snapshot_ingest.command_errors import UsageError

# As many digits as surely fit into PostgreSQL's bigint.
_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def parse_ids(texts: Sequence[str]) -> list[QuarantineId]:
    """The ids, each once, in their order. Raises `UsageError`."""
    return list(dict.fromkeys(map(_parse_id, texts)))


def parse_selection(
    *, reason: str | None, tenant: str | None, device: str | None, waiting: bool | None
) -> QuarantineSelection:
    """What the options ask for. Raises `UsageError`."""
    return QuarantineSelection(
        reason=_parse_reason(reason) if reason is not None else None,
        tenant_id=TenantId(_parse_uuid("--tenant", tenant)) if tenant is not None else None,
        device_id=DeviceId(_parse_uuid("--device", device)) if device is not None else None,
        waiting=waiting,
    )


def parse_chosen(
    texts: Sequence[str], selection: QuarantineSelection, *, everything: bool
) -> list[QuarantineId] | QuarantineSelection:
    """The ids, or the selection, or everything: exactly one of them. Raises `UsageError`."""
    has_options = selection != QuarantineSelection()
    if sum((bool(texts), has_options, everything)) != 1:
        raise UsageError(
            "it is not clear which messages are meant",
            expected="ids, or options such as --reason, or --all; one of the three",
        )
    return parse_ids(texts) if texts else selection


def _parse_id(text: str) -> QuarantineId:
    if not _ID.fullmatch(text):
        raise UsageError(
            f"{text!r} is no id of a quarantined message",
            expected="a number that `snapshot-ingest quarantine list` shows",
        )
    return QuarantineId(int(text))


def _parse_reason(text: str) -> QuarantineReason:
    if text not in set(QuarantineReason):
        raise UsageError(f"--reason {text!r} is not known", expected=", ".join(QuarantineReason))
    return QuarantineReason(text)


def _parse_uuid(option: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        pass
    raise UsageError(
        f"{option} {text!r} is no UUID", expected="one like c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192"
    )
