"""JetStreamSource keeps the contracts of MessageSource and FloorSource, on a real server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio

from snapshot_conformance.floor_source import FloorSourceContract, FloorSourceHarness
from snapshot_conformance.message_source import (
    MessageSourceContract,
    MessageSourceHarness,
    RawState,
)
from snapshot_domain.secret import RawMessage
from snapshot_ingest.stack import EmbeddedStack
from snapshot_nats import ConsumerNeeds, JetStreamSource
from support.nats_server import Place, place_on
from support.nats_users import NatsAccess

ACK_WAIT = timedelta(seconds=2)


class _JetStreamHarness:
    """A stream and consumer of its own, looked at with plain nats-py."""

    def __init__(self, place: Place) -> None:
        self.source = place.source(ConsumerNeeds(ack_wait=ACK_WAIT))
        self.subject = place.subject
        self.ack_wait = ACK_WAIT
        self._place = place

    async def publish(self, subject: str, body: RawMessage) -> int:
        return (await self._place.jetstream.publish(subject, body.reveal())).seq

    async def state(self) -> RawState:
        info = await self._place.info()
        return RawState(info.num_pending or 0, info.num_ack_pending or 0)

    async def pass_time(self, by: timedelta) -> None:
        await asyncio.sleep(by.total_seconds())  # the server has no clock that a test could move

    async def another_source(self) -> JetStreamSource:
        return self._place.source(ConsumerNeeds(ack_wait=ACK_WAIT))


class TestJetStreamSource(MessageSourceContract):
    """The contract, on the embedded stack's server."""

    @pytest_asyncio.fixture(loop_scope="session")
    async def harness(self, stack: EmbeddedStack) -> AsyncIterator[MessageSourceHarness]:
        needs = ConsumerNeeds(ack_wait=ACK_WAIT)
        async with place_on(NatsAccess.of(stack.addresses), needs=needs) as place:
            yield _JetStreamHarness(place)


class _FloorHarness:
    """The same for the floor."""

    def __init__(self, place: Place) -> None:
        self.source = place.source()
        self._place = place

    async def publish(self, body: RawMessage) -> int:
        return (await self._place.jetstream.publish(self._place.subject, body.reveal())).seq


class TestJetStreamFloorSource(FloorSourceContract):
    """The contract, on the embedded stack's server."""

    @pytest_asyncio.fixture(loop_scope="session")
    async def harness(self, stack: EmbeddedStack) -> AsyncIterator[FloorSourceHarness]:
        async with place_on(NatsAccess.of(stack.addresses)) as place:
            yield _FloorHarness(place)
