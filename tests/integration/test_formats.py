"""Every format that can be chosen, from the stream to the row and back, on the real servers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from snapshot_domain.errors import Refused
from snapshot_domain.model import SnapshotId, configuration_aad
from snapshot_domain.outcome import DependencyUnavailable, Outcome, Stored, Unchanged
from snapshot_domain.ports import DecryptorItem, TenantKey
from snapshot_domain.ports.decryptor import DecryptorAnswer
from snapshot_domain.secret import Secret
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import Address, OpenBao, TransitDecryptor
from snapshot_postgres import PostgresSnapshotReader
from support.messages import MORNING, device, tenant
from support.openbao import login_of
from support.real_world import RealUseCase, RealWorld, real_world, use_case_of

HOUR = timedelta(hours=1)
FORMATS = ["transit", "compressed", "envelope"]
TEXT = "/system identity\nset name=shed-ap-03\n" * 50


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as world:
        yield world


@pytest.fixture
async def decryptor(stack: EmbeddedStack) -> AsyncIterator[TransitDecryptor]:
    """A decryptor as the reader's role."""
    address, login = Address(stack.addresses.openbao_url), login_of(stack.addresses.reader_approle)
    async with OpenBao(address, login, SystemClock()) as reader:
        yield TransitDecryptor(reader)


async def _opened(
    world: RealWorld, decryptor: TransitDecryptor, snapshot_id: SnapshotId
) -> DecryptorAnswer:
    stored = await PostgresSnapshotReader(world.postgres.pool).snapshot(snapshot_id)
    assert stored is not None
    aad = configuration_aad(stored.tenant_id, stored.device_id, stored.digest)
    item = DecryptorItem(TenantKey(stored.tenant_id), stored.ciphertext, aad)
    (answer,) = await decryptor.decrypt([item])
    return answer


async def _texts(world: RealWorld, decryptor: TransitDecryptor, of: str) -> list[str]:
    """The device's timeline: the text of each run, in order."""
    texts = []
    for run in await world.postgres.runs(device(of)):
        opened = await _opened(world, decryptor, run.snapshot_id)
        assert isinstance(opened, Secret), opened
        texts.append(opened.reveal().decode())
    return texts


async def _formats(world: RealWorld, of: str = "r1") -> list[str]:
    rows = await world.postgres.admin.fetch(
        "SELECT format FROM snapshot_ingest.snapshots WHERE device_id = $1"
        " ORDER BY collected_at, sequence",
        device(of),
    )
    return [row["format"] for row in rows]


@pytest.mark.parametrize("chosen", FORMATS)
async def test_in_every_format_what_was_stored_reads_back_and_late_ones_split(
    world: RealWorld, decryptor: TransitDecryptor, chosen: str
) -> None:
    await world.publish(TEXT, at=MORNING)
    await world.publish(TEXT, at=MORNING + 2 * HOUR)
    await world.publish("late", at=MORNING + HOUR)
    async with use_case_of(world.settings(f"cipher.format={chosen}")) as ingestion:
        outcomes = await ingestion.ingest()
    assert len(outcomes) == 3
    assert await _texts(world, decryptor, "r1") == [TEXT, "late", TEXT]
    assert await _formats(world) == [chosen] * 3


async def test_switching_the_format_strands_no_row_and_stores_nothing_again(
    world: RealWorld, decryptor: TransitDecryptor
) -> None:
    for number, chosen in enumerate([*FORMATS, "transit"]):
        at = MORNING + number * 2 * HOUR
        await world.publish(f"{TEXT}{number}", at=at)
        async with use_case_of(world.settings(f"cipher.format={chosen}")) as ingestion:
            (stored,) = await ingestion.ingest()
            assert isinstance(stored, Stored)
    await world.publish(f"{TEXT}3", at=MORNING + 12 * HOUR)
    async with use_case_of(world.settings("cipher.format=envelope")) as ingestion:
        assert await ingestion.ingest() == [Unchanged()]
    assert await _texts(world, decryptor, "r1") == [f"{TEXT}{number}" for number in range(4)]
    assert await _formats(world) == [*FORMATS, "transit"]


async def test_a_data_key_is_kept_once_with_the_first_row_that_uses_it(world: RealWorld) -> None:
    for number in range(20):
        await world.publish(f"text {number}", of=f"r{number % 3 + 1}", at=MORNING + number * HOUR)
    await world.publish("of zeta", of="z1", owner="zeta")
    async with use_case_of(world.settings("cipher.format=envelope")) as ingestion:
        await ingestion.ingest()
        await world.publish("one more", at=MORNING + 99 * HOUR)
        await ingestion.ingest()
    keys = await world.postgres.admin.fetch("SELECT * FROM snapshot_ingest.data_keys")
    assert {row["tenant_id"] for row in keys} == {tenant("acme"), tenant("zeta")}
    named = await world.postgres.admin.fetch(
        "SELECT DISTINCT split_part(config_text, ':', 2)::uuid AS id FROM router_config_snapshots"
    )
    assert {row["id"] for row in named} == {row["data_key_id"] for row in keys}
    assert len(keys) == 2


async def test_a_row_that_somebody_moved_to_another_device_does_not_open(
    world: RealWorld, decryptor: TransitDecryptor
) -> None:
    await world.publish(TEXT, of="r1")
    async with use_case_of(world.settings("cipher.format=envelope")) as ingestion:
        (stored,) = await ingestion.ingest()
    assert isinstance(stored, Stored)
    await world.postgres.admin.execute(
        "UPDATE snapshot_ingest.snapshots SET device_id = $1", device("r2")
    )
    assert isinstance(await _opened(world, decryptor, stored.snapshot_id), Refused)


async def test_a_row_whose_data_key_is_gone_says_so(
    world: RealWorld, decryptor: TransitDecryptor
) -> None:
    await world.publish(TEXT)
    async with use_case_of(world.settings("cipher.format=envelope")) as ingestion:
        (stored,) = await ingestion.ingest()
    assert isinstance(stored, Stored)
    await world.postgres.admin.execute(
        "UPDATE snapshot_ingest.data_keys SET data_key_id = $1", uuid4()
    )
    fault = await _opened(world, decryptor, stored.snapshot_id)
    assert isinstance(fault, Refused)
    assert "data key" in str(fault)


async def test_with_warm_keys_ingestion_goes_on_while_openbao_is_down(
    world: RealWorld, stack: EmbeddedStack, decryptor: TransitDecryptor
) -> None:
    await world.publish("before", at=MORNING)
    async with use_case_of(world.settings("cipher.format=envelope")) as ingestion:
        await ingestion.ingest()
        await stack.kill("openbao")
        try:
            await world.publish("during", at=MORNING + HOUR)
            await world.publish("cold", of="z1", owner="zeta")
            outcomes: list[Outcome] = []
            for _ in range(2):
                outcomes += await ingestion.ingest()
                if len(outcomes) == 2:
                    break
        finally:
            await stack.start("openbao")
    kinds = {type(outcome) for outcome in outcomes}
    assert kinds == {Stored, DependencyUnavailable}
    assert await _texts(world, decryptor, "r1") == ["before", "during"]


async def test_many_workers_that_store_the_same_new_keys_at_once_do_not_block_each_other(
    world: RealWorld, decryptor: TransitDecryptor
) -> None:
    for number in range(60):
        name, owner = (f"r{number % 3 + 1}", "acme") if number % 2 else ("z1", "zeta")
        await world.publish(f"text {number}", of=name, owner=owner, at=MORNING + number * HOUR)
    settings = world.settings("cipher.format=envelope", "worker.batch_messages=7")
    async with use_case_of(settings) as one, use_case_of(settings) as another:

        async def drain(ingestion: RealUseCase) -> None:
            while await world.unsettled():
                if found := await ingestion.source.fetch(7, 1 << 20):
                    await ingestion.use_case.ingest(found)

        await asyncio.gather(drain(one), drain(another))
    assert len(await _texts(world, decryptor, "z1")) == 30
