"""A backlog of large configurations, each a text of its own, with the secrets of many routers."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from functools import cache
from itertools import islice

from nats.js.api import StreamConfig

from snapshot_domain.secret import RawMessage
from snapshot_ingest.poller import PolledFile, PolledText, message_of
from snapshot_ingest.simulator.routeros import export_of
from support.messages import MORNING, device, tenant
from support.real_world import RealWorld

_SEED = 11
_DEVICES = 20
_TENANTS = ("acme", "zeta", "umbra", "vesta")
_PUBLISHED_AT_ONCE = 4
_UNBOUNDED = -1


class Kind(StrEnum):
    """What becomes of the messages."""

    CHANGED = "changed"
    MALFORMED = "malformed"


async def publish(
    world: RealWorld, messages: int, body_bytes: int, kind: Kind = Kind.CHANGED
) -> None:
    """Registers the devices, and puts the messages on a stream that takes any number."""
    for number in range(_DEVICES):
        await world.register(_device(number), _tenant(number))
    stream = await world.place.jetstream.stream_info(world.place.stream)
    unbounded: StreamConfig = stream.config.evolve(max_bytes=_UNBOUNDED)
    await world.place.jetstream.update_stream(unbounded)
    bodies = large_messages(messages, body_bytes)
    end = -1 if kind is Kind.MALFORMED else None
    while batch := list(islice(bodies, _PUBLISHED_AT_ONCE)):
        await asyncio.gather(*(world.place.publish(body.reveal()[:end]) for body in batch))


def large_messages(messages: int, body_bytes: int) -> Iterator[RawMessage]:
    """So many messages of just below that size, all of them changed."""
    for number in range(messages):
        header = f"# software id = QQ11-ZZ22, version {number}\n"
        polled = PolledFile(
            device_id=device(_device(number)),
            tenant_id=tenant(_tenant(number)),
            collected_at=MORNING + timedelta(seconds=number),
            text=PolledText(header.encode() + _exports(body_bytes)),
            path="made up",
        )
        _, message = message_of(polled)
        yield message


@cache
def _exports(body_bytes: int) -> bytes:
    """Many routers' exports in one, so that the message stays below the size.

    One comment is no ASCII, as happens: Python then keeps the text with two bytes a character.
    """
    text = '/interface ethernet\nset ether1 comment="Büro – 3. OG"\n'.encode()
    number = 0
    while len(text) < body_bytes:
        text += export_of(_SEED, number, 0).reveal()
        number += 1
    escaped_bytes = len(json.dumps(text.decode(), ensure_ascii=False).encode())
    kept = text[: body_bytes * len(text) // escaped_bytes * 99 // 100]
    return kept[: kept.rindex(b"\n") + 1]


def _device(number: int) -> str:
    return f"large-{number % _DEVICES}"


def _tenant(number: int) -> str:
    return _TENANTS[number % len(_TENANTS)]
