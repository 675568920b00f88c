"""Values that are odd, as they stand in a message: of any kind, and for one field or another."""

from collections.abc import Sequence
from functools import cache

from fuzz.drafts import CANARY
from support.messages import device, tenant

_MARK = CANARY.encode()

ANY: Sequence[bytes] = (
    b"null",
    b"true",
    b"0",
    b"-0",
    b"1.5",
    b"1e999999",
    b"-1e-999999",
    b"9" * 5_000,
    b"0." + b"9" * 5_000,
    b"18446744073709551616",
    b"[]",
    b"{}",
    b'""',
    b'"' + _MARK + b'"',
    b'["' + _MARK + b'"]',
    b'{"' + _MARK + b'":"' + _MARK + b'"}',
    b'{"config_text":"' + _MARK + b'"}',
    b"[[[[[[[[{}]]]]]]]]",
    b'"' + _MARK + b'\\u0000"',
    b'"\\ud83d\\ude00' + _MARK + b'"',
    '"é\u2028\ufffd😀'.encode() + _MARK + b'"',
)
"""JSON all of it."""

BROKEN: Sequence[bytes] = (
    b"",
    b"NaN",
    b"-Infinity",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"- 1",
    b"undefined",
    b"'" + _MARK + b"'",
    b'"' + _MARK,
    b'"' + _MARK + b'\\x"',
    b'"' + _MARK + b'\\ud8"',
    b'"' + _MARK + b'\x00"',
    b'"' + _MARK + b'\n"',
    b"[" + b'"' + _MARK + b'"',
    b'{"' + _MARK + b'"}',
    b'["' + _MARK + b'",]',
)
"""Nothing of it is JSON."""

NO_UNICODE: Sequence[bytes] = (
    b'"' + _MARK + b'\\ud800"',
    b'"\\udc00\\ud800' + _MARK + b'"',
    b'"' + _MARK + b'\xff"',
    b'"' + _MARK + b'\xed\xa0\x80"',
    b'"' + _MARK + b'\xc0\x80"',
    b'"' + _MARK + b'\xf0\x9f\x98"',
    b'{"\\udfff":"' + _MARK + b'"}',
)
"""JSON as far as its grammar goes, of what is no Unicode text."""

LARGE: Sequence[bytes] = (
    b'"' + b"/ip address add comment=" * 4_000 + _MARK + b'"',
    b"[" * 20_000,
    b"[" * 20_000 + b"]" * 20_000,
    b'{"a":' * 20_000,
    b"9" * 100_000,
    b"[" + b"[]," * 5_000 + b"0]",
    b'"' + b"\\u0041" * 10_000 + _MARK + b'"',
    b'"' + b"\xff" * 10_000 + b'"',
    b"{" + b",".join(b'"unknown_%d":0' % number for number in range(10_000)) + b"}",
)
"""Large or deep ones, which are dear: to be drawn seldom."""


@cache
def of_field(name: bytes) -> Sequence[bytes]:
    """What is odd about that very field, or only looks so."""
    match name:
        case b'"device_id"':
            return _ids(str(device("r2")))
        case b'"tenant_id"':
            return _ids(str(tenant("acme")))
        case b'"sha256_hash"':
            return _digests()
        case b'"collected_at"':
            return _times()
        case b'"config_text"':
            return _texts()
        case _:
            return ANY


def _ids(uuid: str) -> Sequence[bytes]:
    return [
        b'"' + form.encode() + b'"'
        for form in (
            uuid,
            uuid.upper(),
            uuid.replace("-", ""),
            f"{{{uuid}}}",
            f"urn:uuid:{uuid}",
            f" {uuid}",
            f"{uuid}\\n",
            f"{uuid}\\u0000",
            uuid[:-1],
            f"{uuid}0",
            f"{uuid[:-1]}٣",
            f"{uuid[:-1]}g",
            f"\\u00{ord(uuid[0]):02x}{uuid[1:]}",
            "00000000-0000-0000-0000-000000000000",
            "x/../../sys/seal",
            f"{CANARY}'; DROP TABLE devices; --",
        )
    ]


def _digests() -> Sequence[bytes]:
    digest = "6c1c4206afc13a17f926eca765c92eb4e8715a6f280ad07eea031979648e1379"
    return [
        b'"' + form.encode() + b'"'
        for form in (
            digest,
            digest.upper(),
            digest[:-1],
            f"{digest}0",
            f"{digest[:-1]}g",
            f"{digest[:-1]}９",
            f"{digest[:-1]}\\n",
            f"{digest[:-1]}\\u0000",
            f"{digest[:-1]}ſ",
            f" {digest[1:]}",
            CANARY,
            "",
        )
    ]


def _times() -> Sequence[bytes]:
    return [
        b'"' + form.encode() + b'"'
        for form in (
            "2026-04-02T06:15:09Z",
            "2026-04-02T06:15:09.123456789+05:30",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59-23:59",
            "10000-01-01T00:00:00Z",
            "-2026-04-02T06:15:09Z",
            "2026-02-30T00:00:00Z",
            "2026-04-02T24:00:00Z",
            "2026-06-30T23:59:60Z",
            "2026-04-02T06:15:0٩Z",
            "2026-04-02",
            "1775110509",
            f"2026-04-02T06:15:09.{'9' * 200}Z",
            f"{CANARY}T06:15:09Z",
        )
    ]


def _texts() -> Sequence[bytes]:
    return [
        b'""',
        b'" "',
        b'"\\u0000"',
        b'"' + _MARK + b'\\u0000\\n\\t\\"\\\\"',
        b'"\\ufeff' + _MARK + b'"',
        f'"\u202e{CANARY}\u0301😀"'.encode(),
        *NO_UNICODE,
    ]
