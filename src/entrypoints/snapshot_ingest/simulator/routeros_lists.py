"""The long lists of simulated routers: made of pieces that many routers share.

So do a provider's routers, which get the same address lists; and a list is quick to make.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from random import Random

from snapshot_ingest.simulator.chance import chance
from snapshot_ingest.simulator.values import WORDS, hex_digits, mac_address, network

_MAX_BYTES = 190_000

_BLOCK_LINES = 12
_BLOCK_BYTES = 1_000  # about what a block of that many lines takes
_BLOCKS = 256


def lists_of(seed: int, draw: Random, room_bytes: float) -> str:
    """Sections with together about so many bytes of lists, none where there is no room."""
    block_count = int(min(max(room_bytes, 0), _MAX_BYTES) / _BLOCK_BYTES)
    blocks = _blocks(seed)
    chosen = sorted(draw.sample(range(_BLOCKS), block_count))
    parts: list[str] = []
    for kind, group in groupby((blocks[number] for number in chosen), key=itemgetter(0)):
        header, _ = _LIST_SECTIONS[kind]
        parts.append(header)
        parts.extend(text for _, text in group)
    return "".join(parts)


@lru_cache(maxsize=2)
def _blocks(seed: int) -> Sequence[tuple[int, str]]:
    """The pieces of the long lists, a quarter of them for each section, with its number."""
    draw = chance(seed, "blocks")
    per_kind = _BLOCKS // len(_LIST_SECTIONS)
    return [
        (kind, "".join(line(draw) for _ in range(_BLOCK_LINES)))
        for kind, (_, line) in enumerate(_LIST_SECTIONS)
        for _ in range(per_kind)
    ]


def _address_list_entry(draw: Random) -> str:
    source = f"feed-{hex_digits(draw, 16)}"
    return f"add address={network(draw)} comment={source} list=blocked-{hex_digits(draw, 8)}\n"


def _lease(draw: Random) -> str:
    return (
        f"add address=10.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(256)} "
        f"comment={draw.choice(WORDS)}-{hex_digits(draw, 6)} "
        f"mac-address={mac_address(draw)} server=lan\n"
    )


def _static_name(draw: Random) -> str:
    host = f"{draw.choice(WORDS)}-{hex_digits(draw, 8)}.{draw.choice(WORDS)}.example"
    return f"add address=10.{draw.randrange(256)}.{draw.randrange(256)}.9 name={host} ttl=1h\n"


def _queue(draw: Random) -> str:
    limit = draw.choice((10, 20, 50, 100))
    return (
        f"add max-limit={limit}M/{limit}M name={draw.choice(WORDS)}-{hex_digits(draw, 10)} "
        f"target=10.{draw.randrange(256)}.{draw.randrange(256)}.0/24\n"
    )


_LIST_SECTIONS: Sequence[tuple[str, Callable[[Random], str]]] = (
    ("/queue simple\n", _queue),
    ("/ip dhcp-server lease\n", _lease),
    ("/ip dns static\n", _static_name),
    ("/ip firewall address-list\n", _address_list_entry),
)
