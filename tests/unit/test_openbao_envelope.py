"""The formats that are sealed in the process, and the data keys behind them."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import zstandard
from attrs import evolve
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from snapshot_domain.errors import Dependency, KeyMissing, Unavailable
from snapshot_domain.model import (
    Ciphertext,
    DataKeyId,
    DeviceId,
    Digest,
    TenantId,
    WrappedKey,
    configuration_aad,
)
from snapshot_domain.ports import CipherItem, TenantKey
from snapshot_domain.secret import Configuration, Secret
from snapshot_memory import MemoryCipher, MemoryKeyring
from snapshot_openbao import DataKeyLimits, EnvelopeCipher
from snapshot_openbao.compression import compress, compress_all, decompress
from snapshot_openbao.data_keys import DataKeys
from snapshot_openbao.envelope_format import (
    DataKey,
    Sealer,
    labelled,
    new_secret,
    unlabelled,
    unseal,
)
from snapshot_openbao.errors import Problem
from snapshot_openbao.formats import opening_of
from snapshot_openbao.threads import Threads
from support.clock import MovableClock
from support.faults import FaultyCipher, Gate
from support.waiting import until

TENANT, DEVICE = TenantId(uuid4()), DeviceId(uuid4())
TEXT = Configuration(b"/system identity\nset name=shed-ap-03\n")
BOUND_TO = configuration_aad(TENANT, DEVICE, Digest.of(TEXT))
NAMED = "6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"
DOWN = Unavailable(Dependency.CIPHER, "it is down")


def _data_key() -> DataKey:
    return DataKey(WrappedKey(DataKeyId(uuid4()), TENANT, "vault:v1:AAAA"), new_secret())


@given(st.binary(max_size=300))
def test_what_is_sealed_opens_with_its_key_where_it_belongs(body: bytes) -> None:
    key = _data_key()
    opened = unseal(key.secret, Sealer(key).seal(Secret(body), BOUND_TO), BOUND_TO)
    assert isinstance(opened, Secret)
    assert opened.reveal() == body


def test_the_text_is_written_as_the_grammar_says() -> None:
    key = _data_key()
    ciphertext = Sealer(key).seal(Secret(b"body"), BOUND_TO)
    prefix, key_id, box = ciphertext.text.split(":")
    assert (prefix, key_id) == ("si1e", str(key.wrapped.key_id))
    assert (ciphertext.format, ciphertext.data_key_id) == ("envelope", key.wrapped.key_id)
    assert ciphertext.wrapped_key == key.wrapped
    sealed = b64decode(box, validate=True)
    aad = f"si1e|{BOUND_TO}|{key_id}".encode("ascii")
    assert AESGCM(key.secret.reveal()).decrypt(sealed[:12], sealed[12:], aad) == b"body"


@pytest.mark.parametrize(
    "moved",
    [
        configuration_aad(TenantId(uuid4()), DEVICE, Digest.of(TEXT)),
        configuration_aad(TENANT, DeviceId(uuid4()), Digest.of(TEXT)),
        configuration_aad(TENANT, DEVICE, Digest("a" * 64)),
        "",
    ],
    ids=["tenant", "device", "digest", "nothing"],
)
def test_a_row_that_was_moved_does_not_open(moved: str) -> None:
    key = _data_key()
    assert unseal(key.secret, Sealer(key).seal(TEXT, BOUND_TO), moved) is Problem.NOT_AUTHENTIC


def test_a_text_that_names_another_data_key_does_not_open() -> None:
    key = _data_key()
    ciphertext = Sealer(key).seal(TEXT, BOUND_TO)
    renamed = ciphertext.text.replace(str(key.wrapped.key_id), str(uuid4()))
    assert unseal(key.secret, Ciphertext(renamed), BOUND_TO) is Problem.NOT_AUTHENTIC


@pytest.mark.parametrize("text", ["si1e:", f"si1e:{NAMED}:", f"si1e:{NAMED}:AA", "si1e:x:AAAA"])
def test_what_is_no_envelope_is_no_ciphertext(text: str) -> None:
    assert unseal(new_secret(), Ciphertext(text), BOUND_TO) is Problem.NO_CIPHERTEXT


def test_without_its_own_data_key_beside_it_nothing_is_sent_to_be_opened() -> None:
    ciphertext = Sealer(_data_key()).seal(TEXT, BOUND_TO)
    assert opening_of(evolve(ciphertext, wrapped_key=None)) is Problem.DATA_KEY_UNKNOWN
    anothers = evolve(ciphertext, wrapped_key=_data_key().wrapped)
    assert opening_of(anothers) is Problem.DATA_KEY_UNKNOWN


@given(st.binary(max_size=2_000))
def test_what_was_compressed_comes_back(plaintext: bytes) -> None:
    assert decompress(compress(Secret(plaintext))) == plaintext


@given(st.lists(st.binary(max_size=2_000), max_size=8))
def test_what_was_compressed_together_comes_back_in_its_order(plaintexts: list[bytes]) -> None:
    frames = compress_all([Secret(each) for each in plaintexts])
    assert [decompress(frame) for frame in frames] == plaintexts


def test_a_bomb_is_refused_before_it_is_large() -> None:
    bomb = compress(Secret(bytes(2_000_000)))
    assert decompress(bomb, max_bytes=1_999_999) is Problem.NOT_COMPRESSED
    assert decompress(bomb, max_bytes=2_000_000) == bytes(2_000_000)


def test_a_frame_that_does_not_say_its_size_is_refused() -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    assert decompress(Secret(compressor.compress(b"text"))) is Problem.NOT_COMPRESSED


@given(st.binary(min_size=1, max_size=2_000), st.data())
def test_a_frame_that_lost_its_end_is_refused(plaintext: bytes, data: st.DataObject) -> None:
    frame = compress(Secret(plaintext)).reveal()
    length = data.draw(st.integers(0, len(frame) - 1))
    assert decompress(Secret(frame[:length])) is Problem.NOT_COMPRESSED


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"text",
        compress(Secret(b"")).reveal() + b"more",
        b"\x28\xb5\x2f\xfd",
        b"\x28\xb5\x2f\xfd\xff\xff",
    ],
)
def test_what_is_not_compressed_is_refused(odd: bytes) -> None:
    assert decompress(Secret(odd)) is Problem.NOT_COMPRESSED


class _World:
    """Data keys over a cipher in memory, whose calls are counted."""

    def __init__(self, limits: DataKeyLimits | None = None) -> None:
        self.keyring = MemoryKeyring()
        self.keyring.create(TenantKey(TENANT))
        self.clock = MovableClock()
        self.wrapper = FaultyCipher(MemoryCipher(self.keyring))
        self.keys = DataKeys(self.wrapper, self.clock, limits)

    async def take(self, uses: int = 1) -> DataKey:
        """A key for TENANT."""
        key = (await self.keys.take({TENANT: uses}))[TENANT]
        assert isinstance(key, DataKey)
        return key


async def test_a_tenant_keeps_its_data_key_for_its_lifetime_and_no_longer() -> None:
    world = _World(DataKeyLimits(lifetime=timedelta(minutes=15)))
    first = await world.take()
    world.clock.advance(15 * 60 - 1)
    assert await world.take() is first
    world.clock.advance(1)
    second = await world.take()
    assert second.wrapped.key_id != first.wrapped.key_id
    assert second.secret.reveal() != first.secret.reveal()
    assert len(world.wrapper.asked) == 2


async def test_a_data_key_is_given_up_after_its_number_of_uses() -> None:
    world = _World(DataKeyLimits(uses=10))
    first = await world.take(6)
    assert await world.take(4) is first
    assert await world.take(1) is not first


async def test_more_uses_at_once_than_a_key_may_have_get_a_key_of_their_own() -> None:
    world = _World(DataKeyLimits(uses=10))
    first = await world.take(500)
    assert await world.take(1) is not first


async def test_many_who_need_a_key_at_once_share_one() -> None:
    world = _World()
    taken = await asyncio.gather(*(world.take() for _ in range(20)))
    assert len({key.wrapped.key_id for key in taken}) == 1
    assert len(world.wrapper.asked) == 1


async def test_every_tenant_has_a_key_of_its_own_wrapped_by_its_own() -> None:
    world = _World()
    other = TenantId(uuid4())
    world.keyring.create(TenantKey(other))
    taken = await world.keys.take({TENANT: 1, other: 1})
    assert [item.key for item in world.wrapper.asked] == [TenantKey(TENANT), TenantKey(other)]
    mine, others = taken[TENANT], taken[other]
    assert isinstance(mine, DataKey)
    assert isinstance(others, DataKey)
    assert (mine.wrapped.tenant_id, others.wrapped.tenant_id) == (TENANT, other)
    assert mine.secret.reveal() != others.secret.reveal()


async def test_a_tenant_without_a_key_costs_no_other_its_own() -> None:
    world = _World()
    taken = await world.keys.take({TenantId(uuid4()): 1, TENANT: 1})
    assert [type(answer) for answer in taken.values()] in (
        [KeyMissing, DataKey],
        [DataKey, KeyMissing],
    )
    assert isinstance(taken[TENANT], DataKey)


async def test_a_key_dies_by_the_time_of_day_too() -> None:
    world = _World()
    first = await world.take()
    world.clock.sleep_machine(16 * 60)
    assert await world.take() is not first


async def test_many_who_need_a_key_that_cannot_be_made_ask_for_it_once() -> None:
    world = _World()
    world.wrapper.gate = Gate()
    world.wrapper.fault_for = lambda _: DOWN
    taking = [asyncio.create_task(world.keys.take({TENANT: 1})) for _ in range(20)]
    await world.wrapper.gate.reached.wait()
    world.wrapper.gate.opened.set()
    answers = await asyncio.gather(*taking)
    assert [dict(answer) for answer in answers] == [{TENANT: DOWN}] * 20
    assert len(world.wrapper.asked) == 1


async def test_a_data_key_is_wrapped_with_a_label_that_says_whose_it_is() -> None:
    world = _World()
    key = await world.take()
    (item,) = world.wrapper.asked
    unwrapped = unlabelled(item.plaintext, key.wrapped)
    assert isinstance(unwrapped, Secret)
    assert unwrapped.reveal() == key.secret.reveal()
    anothers = evolve(key.wrapped, key_id=DataKeyId(uuid4()))
    assert unlabelled(item.plaintext, anothers) is Problem.NOT_AUTHENTIC
    assert unlabelled(key.secret, key.wrapped) is Problem.NOT_AUTHENTIC


@pytest.mark.parametrize("prefix", ["", "si1z:"])
async def test_a_data_key_in_the_place_of_a_text_is_not_shown(prefix: str) -> None:
    key = labelled(new_secret(), TENANT, DataKeyId(uuid4()))
    opening = opening_of(Ciphertext(f"{prefix}vault:v1:AAAA"))
    assert not isinstance(opening, Problem)
    by_transit = compress(key) if prefix else key
    assert opening.finish(by_transit, BOUND_TO) is Problem.NOT_AUTHENTIC


async def test_a_key_that_is_past_its_time_leaves_memory_though_nobody_asks() -> None:
    world = _World(DataKeyLimits(lifetime=timedelta(milliseconds=20)))
    await world.take()
    world.clock.advance(1)
    await until(lambda: len(world.keys) == 0, every_seconds=0.01)


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    threads = Threads(2)
    yield threads
    await threads.aclose(5)


def _item(tenant_id: TenantId = TENANT) -> CipherItem:
    return CipherItem(TenantKey(tenant_id), TEXT, BOUND_TO)


async def test_what_warm_keys_can_do_goes_on_while_the_cipher_is_away(threads: Threads) -> None:
    world = _World()
    cold = TenantId(uuid4())
    world.keyring.create(TenantKey(cold))
    down = FaultyCipher(world.wrapper)
    cipher = EnvelopeCipher(down, threads, world.clock)
    (first,) = await cipher.encrypt([_item()])
    down.fault_for = lambda _: DOWN
    warm, fault = await cipher.encrypt([_item(), _item(cold)])
    assert isinstance(first, Ciphertext)
    assert isinstance(warm, Ciphertext)
    assert warm.wrapped_key == first.wrapped_key
    assert isinstance(fault, Unavailable)


async def test_a_large_batch_stays_in_its_order(threads: Threads) -> None:
    world = _World()
    cipher = EnvelopeCipher(world.wrapper, threads, world.clock)
    texts = [f"text {number}".encode() for number in range(173)]
    items = [CipherItem(TenantKey(TENANT), Configuration(text), BOUND_TO) for text in texts]
    answers = await cipher.encrypt(items)
    key = await cipher._keys.take({TENANT: 1})
    data_key = key[TENANT]
    assert isinstance(data_key, DataKey)
    opened = []
    for answer in answers:
        assert isinstance(answer, Ciphertext)
        body = unseal(data_key.secret, answer, BOUND_TO)
        assert isinstance(body, Secret)
        opened.append(decompress(body))
    assert opened == texts


def test_neither_a_key_nor_what_it_wraps_is_shown() -> None:
    key = _data_key()
    shown = f"{key} {key!r} {Sealer(key).seal(TEXT, BOUND_TO)!r}"
    assert "vault:" not in shown
    assert "shed-ap" not in shown
    assert key.secret.reveal().hex() not in shown
