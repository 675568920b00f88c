"""The data of a bare stage: that of the load, ready before the clock runs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
import zstandard

from snapshot_ingest.bench.floors.order import BATCH, Order
from snapshot_ingest.bench.load import Load, fleet_of
from snapshot_ingest.bench.texts import Texts

LEVEL = 1
"""The level of zstd that the formats have."""


class Fields(msgspec.Struct, gc=False):
    """What is needed of a message."""

    device_id: UUID
    tenant_id: UUID
    sha256_hash: str
    config_text: str
    collected_at: datetime

    def __repr__(self) -> str:
        """Says nothing, because the fields hold content."""
        return "<Fields, sealed>"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """Says nothing either; msgspec's own would have rich list the fields."""
        return []


def bodies(order: Order) -> list[bytes]:
    """The messages' bodies."""
    texts = Texts(order.case.size_bytes, order.texts)
    load = Load(order.case, texts, fleet_of(order.case))
    return [body.reveal() for _, body in load.messages(0, order.messages)]


def messages(order: Order) -> list[Fields]:
    """The messages, decoded."""
    decoder = msgspec.json.Decoder(Fields)
    return [decoder.decode(body) for body in bodies(order)]


def texts(order: Order) -> list[bytes]:
    """The messages' texts."""
    return [fields.config_text.encode() for fields in messages(order)]


def compressed(given: Sequence[bytes]) -> list[bytes]:
    """The same in zstd."""
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    return [compressor.compress(each) for each in given]


def in_batches(count: int) -> Iterator[range]:
    """So many places, in batches."""
    for first in range(0, count, BATCH):
        yield range(first, min(first + BATCH, count))
