"""Keyed digests: what they are made of, their key, and a use case that stores nothing else."""

import asyncio
import hashlib
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from attrs import evolve

from snapshot_domain.digests import DigestKey, KeyedDigests, PlainDigests
from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_domain.intake import Intake
from snapshot_domain.model import Ciphertext, Digest, DigestKeyId, TenantId, WrappedDigestKey
from snapshot_domain.outcome import (
    AlreadyStored,
    DependencyMisconfigured,
    DigestMismatched,
    Stored,
    Unchanged,
)
from snapshot_domain.policy import HashPolicy, IngestPolicy
from snapshot_domain.ports import CipherItem, OwnKey
from snapshot_domain.secret import Secret
from snapshot_memory import MemoryCipher, MemoryDecryptor, MemoryDigestKeys, MemoryKeyring
from support.faults import FaultyCipher
from support.memory_world import MemoryWorld
from support.messages import MORNING, tenant

HOUR = timedelta(hours=1)
PLAIN = Digest("ab" * 32)
TENANT = TenantId(UUID("c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192"))


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


def digest_key() -> DigestKey:
    return DigestKey(DigestKeyId(uuid4()), Secret(bytes(range(32))))


def digests_of(world: MemoryWorld) -> list[str]:
    return [row.digest.hex for row in world.repository.rows.values()]


async def stays_closed(intake: Intake) -> None:
    """However often it is probed."""
    opening = asyncio.create_task(intake.until_open())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not opening.done()
    opening.cancel()


def plain(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_keyed_digest_is_what_openssl_makes_of_tenant_and_plain_digest() -> None:
    # printf '%s|%s' TENANT DIGEST | openssl dgst -sha256 -mac HMAC -macopt hexkey:KEY
    expected = "15bbf781cc679d9711905e30d88ec42ead5bdc2c7037379a230b90b2edef6a82"
    assert digest_key().of(TENANT, PLAIN).hex == expected


def test_two_tenants_with_the_same_text_do_not_show_it() -> None:
    key = digest_key()
    assert key.of(tenant("acme"), PLAIN) != key.of(tenant("zeta"), PLAIN)


def test_a_digest_key_shows_nothing_of_itself() -> None:
    shown = repr(digest_key())
    assert "sealed" in shown
    assert bytes(range(32)).hex() not in shown


async def test_the_key_is_made_once_and_is_the_same_for_whoever_comes_later(
    world: MemoryWorld,
) -> None:
    first, second = world.with_keyed_digests(), world.with_keyed_digests()
    assert await first.key() is await first.key()
    assert (await first.key()).of(TENANT, PLAIN) == (await second.key()).of(TENANT, PLAIN)
    assert (await first.key()).key_id == (await second.key()).key_id


async def test_nothing_but_keyed_digests_is_stored(world: MemoryWorld) -> None:
    world.with_keyed_digests()
    world.publish("secret", at=MORNING)
    world.publish("secret", at=MORNING + HOUR)
    assert [type(outcome) for outcome in await world.ingest()] == [Stored, Unchanged]
    [stored] = digests_of(world)
    assert stored != plain("secret")
    assert await world.texts() == ["secret"]


async def test_what_was_stored_with_a_plain_digest_is_known_again(world: MemoryWorld) -> None:
    world.publish("one", at=MORNING)
    await world.ingest()
    world.with_keyed_digests()
    world.publish("one", at=MORNING + HOUR)
    assert await world.ingest() == [Unchanged()]
    assert digests_of(world) == [plain("one")]


async def test_a_redelivery_of_what_was_stored_with_a_plain_digest_is_already_stored(
    world: MemoryWorld,
) -> None:
    world.publish("one")
    deliveries = await world.source.fetch(1, 1 << 20)
    await world.use_case.ingest(deliveries)
    world.with_keyed_digests()
    assert await world.use_case.ingest(deliveries) == [AlreadyStored()]


async def test_the_pollers_digest_is_compared_before_it_is_keyed(world: MemoryWorld) -> None:
    world.with_policy(IngestPolicy(hash_policy=HashPolicy.ENFORCE))
    world.with_keyed_digests()
    world.publish("right")
    world.publish("wrong", of="r2", sha256_hash=plain("another"))
    assert [type(outcome) for outcome in await world.ingest()] == [Stored, DigestMismatched]


async def test_a_worker_with_plain_digests_stores_nothing_beside_a_key(
    world: MemoryWorld,
) -> None:
    plain_use_case = evolve(
        world.use_case, digests=PlainDigests(MemoryDigestKeys(world.repository))
    )
    await world.with_keyed_digests().key()
    world.use_case = plain_use_case
    world.publish("one")
    intake = world.intake()
    outcomes = await world.ingest()
    assert [type(outcome) for outcome in outcomes] == [DependencyMisconfigured]
    intake.note(outcomes, 1)
    assert 'digest = "keyed"' in intake.faults[Dependency.REPOSITORY]
    await stays_closed(intake)
    assert digests_of(world) == []


async def test_without_its_key_nothing_is_fetched_until_an_operator_acts(
    world: MemoryWorld,
) -> None:
    await world.with_keyed_digests().key()
    kept = world.repository.digest_key
    assert kept is not None
    world.repository.digest_key = evolve(kept, text="vault:v1:AAAA")
    world.with_keyed_digests()
    world.publish("one")
    intake = world.intake()
    intake.note(await world.ingest(), 1)
    assert "the kept digest key does not open" in intake.faults[Dependency.CIPHER]
    await stays_closed(intake)
    world.repository.digest_key = kept
    await asyncio.wait_for(intake.until_open(), timeout=10)
    assert digests_of(world) == []


async def test_a_key_that_cannot_be_made_is_no_key(world: MemoryWorld) -> None:
    down = Unavailable(Dependency.CIPHER, "sealed")
    cipher = FaultyCipher(MemoryCipher(world.keyring), lambda _: down)
    keys = MemoryDigestKeys(world.repository)
    digests = KeyedDigests(keys, cipher, MemoryDecryptor(world.keyring))
    with pytest.raises(Unavailable, match="sealed"):
        await digests.key()
    assert await keys.kept() is None


async def test_a_key_that_does_not_open_is_not_kept(world: MemoryWorld) -> None:
    keys = MemoryDigestKeys(world.repository)
    elsewhere = MemoryKeyring()
    elsewhere.create(OwnKey.DIGEST)
    digests = KeyedDigests(keys, MemoryCipher(elsewhere), MemoryDecryptor(world.keyring))
    with pytest.raises(Misconfigured, match="does not open"):
        await digests.key()
    assert await keys.kept() is None


async def test_a_key_that_is_not_the_kept_one_any_more_is_let_go_of(world: MemoryWorld) -> None:
    digests = world.with_keyed_digests()
    former = await digests.key()
    world.repository.digest_key = None
    other = world.with_keyed_digests()
    await other.check()
    await digests.check()
    assert (await digests.key()).key_id == (await other.key()).key_id != former.key_id


async def test_listeners_are_not_told_the_plain_digest(world: MemoryWorld) -> None:
    world.with_keyed_digests()
    world.publish("secret")
    await world.ingest()
    [notice] = world.listener.notices
    assert notice.key.keying is None
    assert plain("secret") not in repr(notice)


@pytest.mark.parametrize("length", [0, 31, 33])
async def test_a_key_of_another_length_is_refused(world: MemoryWorld, length: int) -> None:
    cipher = MemoryCipher(world.keyring)
    [sealed] = await cipher.encrypt([CipherItem(OwnKey.DIGEST, Secret(bytes(length)))])
    assert isinstance(sealed, Ciphertext)
    keys = MemoryDigestKeys(world.repository)
    await keys.keep(WrappedDigestKey(DigestKeyId(uuid4()), sealed.text))
    with pytest.raises(Misconfigured, match="does not open"):
        await KeyedDigests(keys, cipher, MemoryDecryptor(world.keyring)).key()


async def test_without_our_own_key_an_operator_is_told(world: MemoryWorld) -> None:
    world.keyring.delete(OwnKey.DIGEST)
    with pytest.raises(Misconfigured, match="run `snapshot-ingest provision`"):
        await world.with_keyed_digests().key()
