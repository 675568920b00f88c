"""From a seed and an index to one input: the same on every run, and independent of all others."""

from random import Random

from fuzz.drafts import draft_of
from fuzz.mutations import OF_BYTES, OF_DRAFT

_GOOD_SHARE = 0.2
_BYTES_SHARE = 0.35
_MUTATIONS_AT_MOST = 3
_INDEX_BITS = 64


def input_of(seed: int, index: int) -> bytes:
    """The input of that index in the run of that seed."""
    return drawn(Random((seed << _INDEX_BITS) + index))


def drawn(draw: Random) -> bytes:
    """A message that is good, or spoilt in one to three ways."""
    draft = draft_of(draw)
    kind = draw.random()
    if kind < _GOOD_SHARE:
        return draft.written()
    if kind < _GOOD_SHARE + _BYTES_SHARE:
        return _with_bytes_spoilt(draft.written(), draw)
    for _ in range(draw.randint(1, _MUTATIONS_AT_MOST)):
        draw.choice(OF_DRAFT)(draft, draw)
    content = draft.written()
    return _with_bytes_spoilt(content, draw) if draw.random() < 0.1 else content


def _with_bytes_spoilt(content: bytes, draw: Random) -> bytes:
    for _ in range(draw.randint(1, _MUTATIONS_AT_MOST)):
        content = draw.choice(OF_BYTES)(content, draw)
    return content
