"""How a quarantined message looks on a screen: what is known of it without opening it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from snapshot_domain.ports import QuarantineEntry

_COLUMNS = ("id", "received", "reason", "detail", "waiting", "bytes", "device", "tenant")


def as_json(entry: QuarantineEntry) -> dict[str, str | int | bool | None]:
    """All of it, by name; times are RFC 3339 in UTC."""
    return {
        "id": entry.entry_id,
        "state": entry.state.value,
        "received": _time(entry.received_at),
        "reason": entry.reason.value,
        "detail": entry.detail,
        "waiting": entry.waiting,
        "bytes": entry.size_bytes,
        "device": str(entry.device_id) if entry.device_id else None,
        "tenant": str(entry.tenant_id) if entry.tenant_id else None,
        "subject": entry.subject,
        "stream": entry.origin.stream,
        "stream_created": _time(entry.origin.stream_created_at),
        "sequence": entry.origin.sequence,
    }


def details(entry: QuarantineEntry) -> Iterator[str]:
    """A line for each fact."""
    facts = as_json(entry)
    width = max(map(len, facts))
    for name, value in facts.items():
        yield f"{name.replace('_', ' '):<{width}}  {_shown(value)}"


def lines(entries: Sequence[QuarantineEntry]) -> Iterator[str]:
    """A heading, and a line for each message, in columns."""
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for entry in entries:
        facts = as_json(entry)
        rows.append(tuple(_shown(facts[name]) for name in _COLUMNS))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _shown(value: object) -> str:
    """A publisher chose the subject: whatever could steer a terminal is written out."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).encode("unicode_escape").decode("ascii")


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
