"""Each server is killed in the middle of ingestion, and what the stream had is stored once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from snapshot_domain.errors import Unavailable
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.stack import EmbeddedStack, ServerName
from snapshot_ingest.tally import Tally
from snapshot_nats import SnapshotPublisher
from support.messages import MORNING, device, message, tenant
from support.real_world import RealWorld, real_world
from support.waiting import until, until_true

_DEVICES = ("r1", "r2", "r3")
_VERSIONS = 100
_VERSIONS_MEANWHILE = 10
_SMALL_BATCHES = ("worker.batch_messages=5", "worker.batches_in_flight=2")
# What was in hand when NATS was killed comes again only after the consumer's ack_wait.
_AFTER_ACK_WAIT_SECONDS = 90
_DELIVERIES_A_MESSAGE_AT_MOST = 6


class _Poller:
    """Publishes one version after the other of each device, and knows what was acknowledged."""

    def __init__(self, world: RealWorld) -> None:
        self._publisher = SnapshotPublisher(world.place.client, answer_timeout=timedelta(seconds=2))
        self._subject = world.place.subject
        self.tried: set[tuple[str, str]] = set()
        self.acknowledged: set[tuple[str, str]] = set()
        self._next_version = 0

    async def publish(self, versions: int) -> None:
        """Publishes so many further versions of each device, all in flight at once."""
        first = self._next_version
        self._next_version += versions
        await asyncio.gather(
            *(
                self._publish(of, number)
                for number in range(first, self._next_version)
                for of in _DEVICES
            )
        )

    async def _publish(self, of: str, number: int) -> None:
        text = f"version {number} of {of}"
        body = message(device(of), tenant("acme"), text, MORNING + number * timedelta(hours=6))
        self.tried.add((of, text))
        try:
            await self._publisher.publish(self._subject, body)
        except Unavailable:
            return
        self.acknowledged.add((of, text))


@asynccontextmanager
async def _ingesting(world: RealWorld, tally: Tally) -> AsyncIterator[None]:
    settings = world.settings(*_SMALL_BATCHES)
    async with open_ingestion(settings, watchers=[tally]) as ingestion:
        working = asyncio.create_task(ingestion.run())
        try:
            yield
        finally:
            ingestion.stop()
            await working


@pytest.mark.parametrize("server", ["nats", "postgres", "openbao"])
async def test_what_was_acknowledged_to_the_publisher_is_stored_exactly_once(
    stack: EmbeddedStack, tmp_path: Path, server: ServerName
) -> None:
    tally = Tally()
    async with real_world(stack, tmp_path) as world:
        poller = _Poller(world)
        await poller.publish(_VERSIONS)
        async with _ingesting(world, tally):
            await until(lambda: tally.stored > 0, every_seconds=0.01)
            await stack.kill(server)
            in_the_middle = tally.stored
            await poller.publish(_VERSIONS_MEANWHILE)
            await stack.start(server)
            await until_true(lambda: _takes_messages(poller))
            await poller.publish(_VERSIONS)

            async def everything_is_settled() -> bool:
                return await world.unsettled() == 0

            await until_true(everything_is_settled, seconds=_AFTER_ACK_WAIT_SECONDS)
        assert 0 < in_the_middle < len(_DEVICES) * _VERSIONS
        stored = Counter([(of, text) for of in _DEVICES for text in await world.texts(of)])
        info = await world.place.info()
    assert set(stored.values()) == {1}
    assert poller.acknowledged <= set(stored) <= poller.tried
    assert len(poller.acknowledged) >= 2 * len(_DEVICES) * _VERSIONS
    assert tally.malformed == tally.orphaned == tally.refused == 0
    assert info.delivered is not None
    deliveries = info.delivered.consumer_seq or 0
    assert len(stored) <= deliveries <= _DELIVERIES_A_MESSAGE_AT_MOST * len(stored)


async def _takes_messages(poller: _Poller) -> bool:
    """Whether the publisher's connection is back; each try is a version of its own."""
    before = len(poller.acknowledged)
    await poller.publish(1)
    return len(poller.acknowledged) > before
