"""A corpus of the nasty: what somebody might publish, and what must become of each."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from attrs import field, frozen

from fuzz.drafts import CANARY
from snapshot_domain.outcome import MalformedReason
from support.messages import device, message, tenant

MIB = 1024 * 1024

TEXT = f"/user add name=ops password={CANARY}\n"
"""The text of the good message that most of them are made of."""

_GOOD = message(device("r1"), tenant("acme"), TEXT).reveal()
_MARK = CANARY.encode()


@frozen
class Nasty:
    """A message, made only when it is needed; `due` is None where it is a snapshot all the same."""

    name: str
    make: Callable[[], bytes] = field(repr=False)
    due: MalformedReason | None = None


def _with(raw_name: bytes, raw_value: bytes) -> bytes:
    """The good message with one more member before all others, as it stands."""
    return b'{"' + raw_name + b'":' + raw_value + b"," + _GOOD[1:]


def _instead(raw_name: bytes, raw_value: bytes) -> bytes:
    """The good message in which the field has this value, because the last one counts."""
    return _GOOD[:-1] + b',"' + raw_name + b'":' + raw_value + b"}"


def _text(raw_text: bytes) -> bytes:
    return _instead(b"config_text", b'"' + _MARK + raw_text + b'"')


def _as_id(raw_id: str) -> bytes:
    return _instead(b"device_id", f'"{raw_id}"'.encode())


def _members(count: int) -> bytes:
    return b",".join(b'"unknown_%d":{"%b":[]}' % (number, _MARK) for number in range(count))


def _encoded(encoding: str) -> bytes:
    return _GOOD.decode().encode(encoding)


def _of_wrong_types() -> Iterator[Nasty]:
    for name, due in (
        ("device_id", _FIELD_TYPE),
        ("tenant_id", _FIELD_TYPE),
        ("sha256_hash", _FIELD_TYPE),
        ("config_text", _FIELD_TYPE),
        ("collected_at", None),
        ("routeros_version", None),
        ("normalization_version", None),
    ):
        for value in _OF_OTHER_TYPES:
            content = partial(_instead, name.encode(), value)
            yield Nasty(f"{name} is {value.decode()}", content, due)


_R1 = str(device("r1"))
_DIGITS = b"9" * 1_000_000
_DEEP = b"[" * 200_000
_DEEP_AND_CLOSED = _DEEP + b"]" * 200_000
_EMPTY_LISTS = b"[]," * (MIB // 3) + b"0]"
_OF_OTHER_TYPES = (b"null", b"true", b"17", b"1.5", b"[]", b"{}", b'["%b"]' % _MARK)

_NOT_JSON = MalformedReason.NOT_JSON
_NOT_UTF8 = MalformedReason.NOT_UTF8
_TOO_DEEP = MalformedReason.TOO_DEEP
_NOT_AN_OBJECT = MalformedReason.NOT_AN_OBJECT
_FIELD_MISSING = MalformedReason.FIELD_MISSING
_FIELD_TYPE = MalformedReason.FIELD_TYPE
_DEVICE_ID = MalformedReason.DEVICE_ID
_TENANT_ID = MalformedReason.TENANT_ID
_DIGEST = MalformedReason.DIGEST
_TEXT_EMPTY = MalformedReason.TEXT_EMPTY
_TEXT_NOT_UNICODE = MalformedReason.TEXT_NOT_UNICODE

_PARTS = (
    Nasty("nothing", lambda: b"", _NOT_JSON),
    Nasty("8 MiB of white space", lambda: b" \t\r\n" * 2 * MIB, _NOT_JSON),
    Nasty("a MiB of NULs", lambda: bytes(MIB), _NOT_JSON),
    Nasty("cut off in its text", lambda: _GOOD[: _GOOD.index(_MARK) + 5], _NOT_JSON),
    Nasty("cut off at its end", lambda: _GOOD[:-1], _NOT_JSON),
    Nasty("two messages", lambda: _GOOD + _GOOD, _NOT_JSON),
    Nasty("the message in a list", lambda: b"[" + _GOOD + b"]", _NOT_AN_OBJECT),
    Nasty("the message in an object", lambda: b'{"snapshot":' + _GOOD + b"}", _FIELD_MISSING),
    Nasty("the text alone", lambda: b'"' + _MARK + b'"', _NOT_AN_OBJECT),
    Nasty("the text as it is", TEXT.encode, _NOT_JSON),
)

_DEPTHS = (
    Nasty("64 MiB of [", lambda: b"[" * 64 * MIB, _TOO_DEEP),
    Nasty("deep objects", lambda: b'{"a":' * 200_000, _TOO_DEEP),
    Nasty("deep, in an unknown field", lambda: _with(b"x", _DEEP_AND_CLOSED), _TOO_DEEP),
    Nasty("deep, as the text", lambda: _instead(b"config_text", _DEEP_AND_CLOSED), _TOO_DEEP),
    Nasty("deep, and no UTF-8", lambda: _with(b"x", b'["\xff",' + _DEEP), _TOO_DEEP),
)

_NUMBERS = (
    Nasty("1e999999", lambda: _with(b"x", b"1e999999")),
    Nasty("-1e-999999", lambda: _with(b"x", b"-1e-999999")),
    Nasty("a million digits", lambda: _with(b"x", _DIGITS)),
    Nasty("a fraction of a million digits", lambda: _with(b"x", b"0." + _DIGITS)),
    Nasty("an exponent of a million digits", lambda: _with(b"x", b"1e" + _DIGITS)),
    Nasty("a million digits, read slowly", lambda: _with(b"x", b'["\\ud800",' + _DIGITS + b"]")),
    Nasty("a million digits as the time", lambda: _instead(b"collected_at", _DIGITS)),
    Nasty("a million digits as the text", lambda: _instead(b"config_text", _DIGITS), _FIELD_TYPE),
    Nasty("a million noughts", lambda: _with(b"x", b"0" * 1_000_000), _NOT_JSON),
    Nasty("NaN", lambda: _with(b"x", b"NaN"), _NOT_JSON),
)

_MEMBERS = (
    Nasty("10,000 unknown fields", lambda: b"{" + _members(10_000) + b"," + _GOOD[1:]),
    Nasty(
        "10,000 unknown fields, read slowly",
        lambda: b'{"\\ud800":1,' + _members(10_000) + b"," + _GOOD[1:],
    ),
    Nasty("a text 50,000 times", lambda: b"{" + b'"config_text":"x",' * 50_000 + _GOOD[1:]),
    Nasty("lists without end as the time", lambda: _instead(b"collected_at", b"[" + _EMPTY_LISTS)),
    Nasty("lists without end, slowly", lambda: _with(b"x", b'["\\ud800",' + _EMPTY_LISTS)),
    Nasty(
        "objects without end as an id",
        lambda: _instead(b"device_id", b"[" + _EMPTY_LISTS.replace(b"[]", b"{}")),
        _FIELD_TYPE,
    ),
    Nasty("an id twice, wrong at last", lambda: _instead(b"tenant_id", b'"acme"'), _TENANT_ID),
    Nasty("an id twice, right at last", lambda: _with(b"tenant_id", b'"acme"')),
    Nasty("names in capitals", lambda: _GOOD.replace(b"config_", b"CONFIG_"), _FIELD_MISSING),
    Nasty("an escape in a name", lambda: _GOOD.replace(b"config_", b"\\u0063onfig_")),
    Nasty("a NUL in a name", lambda: _GOOD.replace(b"_text", b"_text\\u0000"), _FIELD_MISSING),
    Nasty("a name of a MiB", lambda: _with(b"x" * MIB, b"1")),
)

_ENCODINGS = (
    Nasty("a byte order mark", lambda: _encoded("utf-8-sig"), _NOT_JSON),
    Nasty("UTF-16", lambda: _encoded("utf-16"), _NOT_UTF8),
    Nasty("UTF-16 without a mark", lambda: _encoded("utf-16-be"), _NOT_JSON),
    Nasty("UTF-32", lambda: _encoded("utf-32"), _NOT_UTF8),
    Nasty("UTF-32 without a mark", lambda: _encoded("utf-32-le"), _NOT_JSON),
    Nasty("a MiB of 0xFF", lambda: b"\xff" * MIB, _NOT_UTF8),
    Nasty("bytes that are no UTF-8", lambda: _text(b"\xff\xfe"), _NOT_UTF8),
    Nasty("bytes that are no UTF-8, elsewhere", lambda: _with(b"x", b'"\xff"')),
    Nasty("encoded surrogates", lambda: _text(b"\xed\xa0\xbd\xed\xb8\x80"), _NOT_UTF8),
    Nasty("an overlong slash", lambda: _text(b"\xc0\xaf"), _NOT_UTF8),
    Nasty("a lone surrogate", lambda: _text(b"\\ud800"), _TEXT_NOT_UNICODE),
    Nasty("surrogates the wrong way round", lambda: _text(b"\\ude00\\ud83d"), _TEXT_NOT_UNICODE),
    Nasty("a lone surrogate, elsewhere", lambda: _with(b"\\udfff", b'"\\ud800"')),
    Nasty("a surrogate pair", lambda: _text(b"\\ud83d\\ude00")),
    Nasty("a raw NUL in the text", lambda: _text(b"\x00"), _NOT_JSON),
    Nasty("an escaped NUL in the text", lambda: _text(b"\\u0000")),
    Nasty("a raw line break in the text", lambda: _text(b"\n"), _NOT_JSON),
    Nasty("escaped control characters", lambda: _text(b"\\u0001\\u001b[2J\\u007f\\b\\f")),
    Nasty("right to left, and a byte order mark", lambda: _text("\u202e\ufeff\u2028".encode())),
)

_FIELDS = (
    *_of_wrong_types(),
    Nasty("no text at all", lambda: _instead(b"config_text", b'""'), _TEXT_EMPTY),
    Nasty("an id of a MiB", lambda: _as_id(_R1 * (MIB // 36)), _DEVICE_ID),
    Nasty("a digest of a MiB", lambda: _instead(b"sha256_hash", b'"%b"' % (b"0" * MIB)), _DIGEST),
    Nasty("a time of a MiB", lambda: _instead(b"collected_at", b'"%b"' % (b"2" * MIB))),
    Nasty("an id in capitals", lambda: _as_id(_R1.upper())),
    Nasty("an id with an escape", lambda: _as_id(f"\\u{ord(_R1[0]):04x}{_R1[1:]}")),
    Nasty("an id in braces", lambda: _as_id(f"{{{_R1}}}"), _DEVICE_ID),
    Nasty("an id without hyphens", lambda: _as_id(_R1.replace("-", "")), _DEVICE_ID),
    Nasty("an id with an Arabic digit", lambda: _as_id(f"{_R1[:-1]}٣"), _DEVICE_ID),
    Nasty("an id that is a path", lambda: _as_id("x/../../sys/seal"), _DEVICE_ID),
    Nasty("an id that is SQL", lambda: _as_id(f"{CANARY}'; DROP TABLE devices; --"), _DEVICE_ID),
    Nasty("the year 0", lambda: _instead(b"collected_at", b'"0000-01-01T00:00:00Z"')),
    Nasty("the year 9999", lambda: _instead(b"collected_at", b'"9999-12-31T23:59:59-23:59"')),
    Nasty("the 30th of February", lambda: _instead(b"collected_at", b'"2026-02-30T00:00:00Z"')),
)

_LARGE = (
    Nasty("8 MiB of text", lambda: _text(b"/ip address add comment=x\\n" * (8 * MIB // 27))),
    Nasty("8 MiB of escapes", lambda: _text(b"\\u0041" * (8 * MIB // 6))),
    Nasty("8 MiB of emoji", lambda: _text("😀".encode() * (2 * MIB))),
    Nasty("8 MiB of quotation marks", lambda: _text(b'\\"' * (4 * MIB))),
)

NASTY: Sequence[Nasty] = (
    *_PARTS,
    *_DEPTHS,
    *_NUMBERS,
    *_MEMBERS,
    *_ENCODINGS,
    *_FIELDS,
    *_LARGE,
)
