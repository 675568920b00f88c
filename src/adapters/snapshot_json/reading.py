"""From a message's bytes to its unchecked fields, whatever the bytes are.

msgspec reads what a poller sends. It refuses some JSON that the grammar allows: a lone
surrogate, a number beyond 64 bits, or a byte that is no UTF-8, even in a field that nobody
reads. No snapshot is lost for that: what msgspec refuses is read again, slowly, with the
standard library.
"""

import json
from typing import Any, NoReturn

import msgspec

from snapshot_domain.outcome import MalformedReason


class Fields(msgspec.Struct, gc=False):
    """A message's fields as they came: UNSET where absent, and of any type.

    The garbage collector need not follow them, because JSON makes no cycles.
    """

    device_id: object = msgspec.UNSET
    tenant_id: object = msgspec.UNSET
    config_text: object = msgspec.UNSET
    sha256_hash: object = msgspec.UNSET
    collected_at: object = msgspec.UNSET

    def __repr__(self) -> str:
        """Says nothing, because the fields hold content."""
        return "<Fields, sealed>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Says nothing either; msgspec's own would have rich list the fields."""
        return []


_decoder = msgspec.json.Decoder(Fields)


def fields_of(content: bytes) -> Fields | MalformedReason:
    """The fields of the one JSON object in the content, or why it is none.

    Of a name that comes twice the last counts, as in Go. Text may hold surrogates: a lone one
    that was escaped in the JSON, or one for each byte that is no UTF-8.
    """
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    except RecursionError:
        return MalformedReason.TOO_DEEP
    return _fields_read_slowly(content)


def is_utf8(content: bytes) -> bool:
    """Whether all of the content is UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fields_read_slowly(content: bytes) -> Fields | MalformedReason:
    try:
        read = json.loads(
            content.decode(errors="surrogateescape"),
            parse_int=_some_number,
            parse_float=_some_number,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        return MalformedReason.TOO_DEEP
    except ValueError:
        return MalformedReason.NOT_JSON if is_utf8(content) else MalformedReason.NOT_UTF8
    if not isinstance(read, dict):
        return MalformedReason.NOT_AN_OBJECT
    return Fields(**{name: read[name] for name in Fields.__struct_fields__ if name in read})


def _some_number(_: str) -> float:
    """Stands for any number: none is needed, and the digits of some would be too many."""
    return 0.0


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")
