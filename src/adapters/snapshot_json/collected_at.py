"""Reads the time at which a snapshot was collected, in RFC 3339."""

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]"
    r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)

_MAX_CHARACTERS = 128
"""A longer one is not read: fractions may be long, but nobody sends this."""


def collected_at_of(value: object) -> datetime | None:
    """The time in UTC, a fraction of a second cut to microseconds; None if it is unreadable.

    Unreadable is also what no `datetime` can hold: a leap second, the year 0, and an offset
    that leads out of the years 1 to 9999.
    """
    if not isinstance(value, str) or len(value) > _MAX_CHARACTERS:
        return None
    if not _RFC3339.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
