"""The ways to spoil a message: its members, how it is written, and its very bytes."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

from fuzz.drafts import CANARY, Draft, draft_of
from fuzz.odd_values import ANY, BROKEN, LARGE, NO_UNICODE, of_field

OfDraft: TypeAlias = Callable[[Draft, Random], None]
OfBytes: TypeAlias = Callable[[bytes, Random], bytes]

_LARGE_SHARE = 0.006
_INTERESTING = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\", b'"', b"'", b"{", b"}", b"[", b"]",
    b",", b":", b"\n", b"\\u0000", b"\\ud800", b"\\u", b"null", b"NaN", b"1e999999", b"9" * 400,
    b"/*", b"//", b" ", b"config_text", CANARY.encode(),
)  # fmt: skip
_NEEDED = (b'"device_id"', b'"tenant_id"', b'"sha256_hash"', b'"config_text"', b'"collected_at"')


def _value(draw: Random) -> bytes:
    """Any odd value; a large one seldom."""
    if draw.random() < _LARGE_SHARE:
        return draw.choice(LARGE)
    return draw.choice(draw.choice((ANY, ANY, BROKEN, NO_UNICODE)))


def _drop(draft: Draft, draw: Random) -> None:
    if draft.members:
        del draft.members[draw.randrange(len(draft.members))]


def _replace_by_anything(draft: Draft, draw: Random) -> None:
    draft.replace(draw.choice(_NEEDED), _value(draw))


def _replace_by_another_form(draft: Draft, draw: Random) -> None:
    name = draw.choice(_NEEDED)
    draft.replace(name, draw.choice(of_field(name)))


def _add_again(draft: Draft, draw: Random) -> None:
    """A name that comes twice: the last one counts."""
    name = draw.choice(_NEEDED)
    value = draw.choice(of_field(name)) if draw.random() < 0.7 else _value(draw)
    draft.members.insert(draw.randrange(len(draft.members) + 1), (name, value))


def _add_unknown(draft: Draft, draw: Random) -> None:
    name = b'"' + draw.choice((b"vendor", b"", b"__class__", b"\\u0000", CANARY.encode())) + b'"'
    draft.members.insert(draw.randrange(len(draft.members) + 1), (name, _value(draw)))


def _rename(draft: Draft, draw: Random) -> None:
    """Another case is another name; an escape in it is not."""
    if not draft.members:
        return
    place = draw.randrange(len(draft.members))
    name, value = draft.members[place]
    escaped = b'"\\u00%02x%b' % (name[1], name[2:]) if len(name) > 2 else name
    draft.members[place] = (draw.choice((name.upper(), name.title(), escaped, b'" "')), value)


def _shuffle(draft: Draft, draw: Random) -> None:
    draw.shuffle(draft.members)


def _cut_off(content: bytes, draw: Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _flip(content: bytes, draw: Random) -> bytes:
    if not content:
        return content
    place = draw.randrange(len(content))
    return (
        content[:place] + bytes((content[place] ^ 1 << draw.randrange(8),)) + content[place + 1 :]
    )


def _insert(content: bytes, draw: Random) -> bytes:
    place = draw.randrange(len(content) + 1)
    return content[:place] + draw.choice(_INTERESTING) + content[place:]


def _overwrite(content: bytes, draw: Random) -> bytes:
    place, piece = draw.randrange(len(content) + 1), draw.choice(_INTERESTING)
    return content[:place] + piece + content[place + len(piece) :]


def _delete(content: bytes, draw: Random) -> bytes:
    place = draw.randrange(len(content) + 1)
    return content[:place] + content[place + draw.randrange(1, 40) :]


def _repeat(content: bytes, draw: Random) -> bytes:
    place = draw.randrange(len(content) + 1)
    piece = content[place : place + draw.randrange(1, 200)]
    return content[:place] + piece * draw.randrange(2, 5) + content[place:]


def _splice(content: bytes, draw: Random) -> bytes:
    other = draft_of(draw).written()
    return _cut_off(content, draw) + other[draw.randrange(len(other)) :]


def _wrap(content: bytes, draw: Random) -> bytes:
    before, after = draw.choice(
        ((b"[", b"]"), (b'{"snapshot":', b"}"), (b"", b"{}"), (b"{}", b""), (b" \n\t", b"\r\n "))
    )
    return before + content + after


def _encode(content: bytes, draw: Random) -> bytes:
    text = content.decode(errors="replace")
    encoding = draw.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7", "latin-1"))
    return text.encode(encoding, errors="replace")


def _instead(_: bytes, draw: Random) -> bytes:
    """Nothing of the message at all."""
    return draw.choice((_value(draw), b" \n", b"\x00" * 16, draw.randbytes(draw.randrange(64))))


OF_DRAFT: Sequence[OfDraft] = (
    _drop,
    _replace_by_anything,
    _replace_by_another_form,
    _replace_by_another_form,
    _add_again,
    _add_unknown,
    _rename,
    _shuffle,
)
OF_BYTES: Sequence[OfBytes] = (
    _cut_off,
    _flip,
    _insert,
    _overwrite,
    _delete,
    _repeat,
    _splice,
    _wrap,
    _encode,
    _instead,
)
