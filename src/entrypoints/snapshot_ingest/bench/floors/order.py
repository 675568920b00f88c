"""Which bare stage is wanted, on which data, and what it took."""

import json
from enum import StrEnum
from pathlib import Path

from attrs import asdict, frozen

from snapshot_ingest.bench.case import Case, Contender
from snapshot_ingest.bench.contenders.access import Access


class Floor(StrEnum):
    """A stage by itself, with the raw libraries: less than it nobody can take."""

    FETCH_ACK = "fetch and ack"
    DECODE = "decode"
    ZSTD = "zstd"
    TRANSIT = "Transit batches"
    TRANSIT_COMPRESSED = "Transit batches, compressed"
    AES_GCM = "AES-GCM, compressed"
    STORE_TRANSIT = "store transit"
    STORE_COMPRESSED = "store compressed"
    STORE_ENVELOPE = "store envelope"


FLOORS_OF = {
    Contender.TRANSIT: (Floor.FETCH_ACK, Floor.DECODE, Floor.TRANSIT, Floor.STORE_TRANSIT),
    Contender.COMPRESSED: (
        Floor.FETCH_ACK,
        Floor.DECODE,
        Floor.ZSTD,
        Floor.TRANSIT_COMPRESSED,
        Floor.STORE_COMPRESSED,
    ),
    Contender.ENVELOPE: (
        Floor.FETCH_ACK,
        Floor.DECODE,
        Floor.ZSTD,
        Floor.AES_GCM,
        Floor.STORE_ENVELOPE,
    ),
}
"""The stages that a format consists of."""

STORING = (Floor.STORE_TRANSIT, Floor.STORE_COMPRESSED, Floor.STORE_ENVELOPE)
BATCH = 200
"""Messages that go together, as the worker's default has it."""


@frozen
class Order:
    """What a floor's process is told, on its standard input: nothing secret is an argument."""

    floor: Floor
    case: Case
    texts: Path | None
    messages: int
    seconds: float
    access: Access

    def encode(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def decode(cls, line: str) -> "Order":
        """What `encode` made the line of."""
        given = json.loads(line)
        given["floor"] = Floor(given["floor"])
        given["case"] = Case(**given["case"])
        given["texts"] = given["texts"] and Path(given["texts"])
        given["access"] = Access.of(given["access"])
        return cls(**given)


@frozen
class Taken:
    """What so many messages took; the processor time is that of the floor's own process."""

    messages: int
    seconds: float
    cpu_seconds: float

    def encode(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, line: str) -> "Taken":
        """What `encode` made the line of."""
        return cls(**json.loads(line))
