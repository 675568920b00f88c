"""What a batch costs, without a clock: calls of the ports, copies of a text, allocations."""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import chain
from random import Random
from uuid import uuid4

import pytest

from snapshot_domain.model import Ciphertext, DataKeyId, TenantId, WrappedKey
from snapshot_domain.outcome import Stored, Unchanged
from snapshot_domain.ports import CipherItem
from snapshot_domain.secret import Secret
from snapshot_json import JsonSnapshotDecoder
from snapshot_openbao.batches import ENCRYPT
from snapshot_openbao.compression import compress_all
from snapshot_openbao.envelope_format import DataKey, Sealer, new_secret
from support.calls import calls_of
from support.memory_world import MemoryWorld
from support.messages import MORNING, device, message, tenant

_MANY = 100
HOUR = timedelta(hours=1)
_MIB = 1024 * 1024
_BLOCKS_A_MESSAGE = 21
"""A third above what it was when this was written: what grows beyond it, grew."""


@pytest.fixture
def world() -> MemoryWorld:
    world = MemoryWorld()
    for number in range(_MANY):
        world.directory.register(device(f"many-{number}"), tenant("acme"))
    return world


def _publish_all(world: MemoryWorld, text: str, *, hour: int) -> None:
    for number in range(_MANY):
        world.publish(text, of=f"many-{number}", at=MORNING + hour * HOUR)


async def test_a_batch_asks_each_port_once_however_many_messages_it_has(
    world: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports: dict[type, tuple[str, ...]] = {
        type(world.directory): ("owners",),
        type(world.repository): ("unchanged", "store"),
        type(world.use_case.cipher): ("encrypt",),
        type(world.source): ("settle",),
        type(world.listener): ("stored",),
    }
    said = [calls_of(monkeypatch, port, *names) for port, names in ports.items()]
    _publish_all(world, "first", hour=0)
    assert {type(outcome) for outcome in await world.ingest()} == {Stored}
    once = ["encrypt", "owners", "settle", "store", "stored", "unchanged"]
    assert sorted(chain(*said)) == once
    _publish_all(world, "first", hour=1)
    assert {type(outcome) for outcome in await world.ingest()} == {Unchanged}
    assert sorted(chain(*said)) == sorted([*once, "owners", "settle", "store", "unchanged"])


def test_decoding_copies_a_text_twice_and_no_more() -> None:
    body = message(device("r1"), tenant("acme"), "x" * _MIB)
    decoder = JsonSnapshotDecoder()
    decoder.decode(body)
    # As text, and as the bytes that are kept.
    assert 1.9 * _MIB < _peak_bytes(lambda: decoder.decode(body)) < 2.1 * _MIB


def test_an_item_of_a_request_takes_its_own_size_and_a_small_piece() -> None:
    secret = Secret(bytes(_MIB))
    own_bytes = ENCRYPT.entry_bytes(secret)
    peak_bytes = _peak_bytes(lambda: ENCRYPT.write_entry(secret, bytearray()))
    assert own_bytes <= peak_bytes < 2 * own_bytes  # a growing array may be moved once


def test_sealing_copies_a_compressed_text_a_few_times_and_never_the_text() -> None:
    text = Secret(Random(1).randbytes(_MIB // 8).hex().encode() * 4)
    key = DataKey(WrappedKey(DataKeyId(uuid4()), TenantId(uuid4()), "vault:v1:AA"), new_secret())
    sealer = Sealer(key)
    sealed_bytes = len(sealer.seal(compress_all([text])[0], "bound").text)
    assert sealed_bytes < text.size_bytes / 2
    peak_bytes = _peak_bytes(lambda: sealer.seal(compress_all([text])[0], "bound"))
    assert sealed_bytes < peak_bytes < 5 * sealed_bytes


async def test_what_a_batch_leaves_in_hand_is_few_objects_a_message(world: MemoryWorld) -> None:
    _publish_all(world, "first", hour=0)
    await world.ingest()
    held: list[int] = []

    class Counting:
        """Counts what there is when the cipher is asked: then most of a batch is in memory."""

        async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[Ciphertext]:
            held.append(sys.getallocatedblocks())
            return [Ciphertext("vault:v1:AA") for _ in items]

        async def check(self) -> None:
            return

    world.with_cipher(Counting())
    _publish_all(world, "second", hour=1)
    deliveries = await world.source.fetch(_MANY, _MIB)
    gc.collect()
    before = sys.getallocatedblocks()
    await world.use_case.ingest(deliveries)
    assert (held[0] - before) / _MANY < _BLOCKS_A_MESSAGE


def _peak_bytes(work: Callable[[], object]) -> int:
    """How much more than before was held at once while the work was done."""
    gc.collect()
    tracemalloc.start()
    try:
        began = tracemalloc.get_traced_memory()[0]
        work()
        return tracemalloc.get_traced_memory()[1] - began
    finally:
        tracemalloc.stop()
