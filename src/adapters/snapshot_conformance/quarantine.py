"""The contract of Quarantine, for any adapter to subclass."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol
from uuid import uuid4

import pytest
from attrs import evolve

from snapshot_domain.delivery import Origin
from snapshot_domain.model import Ciphertext, DeviceId, TenantId
from snapshot_domain.ports import Quarantine, QuarantinedMessage, QuarantineReason

RECEIVED = datetime(2026, 4, 2, 6, 15, 9, 250_000, tzinfo=UTC)


class QuarantineWorld(Protocol):
    """A Quarantine under test, and a look at what it keeps that goes around it."""

    @property
    def quarantine(self) -> Quarantine:
        """The adapter under test."""
        ...

    async def kept(self, stream: str) -> Sequence[QuarantinedMessage]:
        """What is kept of this stream, in the order of (stream's creation, sequence)."""
        ...


_numbers = count(1)


def rejected(stream: str, sequence: int) -> QuarantinedMessage:
    """A rejected message; no two of them have the same ciphertext."""
    return QuarantinedMessage(
        origin=Origin(stream, RECEIVED - timedelta(days=30), sequence),
        subject="config.snapshot.create.6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55",
        received_at=RECEIVED,
        reason=QuarantineReason.ORPHAN,
        detail="device_unknown",
        waiting=True,
        device_id=DeviceId(uuid4()),
        tenant_id=TenantId(uuid4()),
        size_bytes=16_384,
        ciphertext=Ciphertext(f"si1q:wrapped|{next(_numbers)}"),
    )


class QuarantineContract:
    """Subclass it and give it a `world`."""

    @pytest.fixture
    async def world(self) -> QuarantineWorld:
        """The adapter under test and what is around it; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the world")

    @pytest.fixture
    def stream(self) -> str:
        """A stream of this test's own."""
        return f"STREAM_{uuid4().hex}"

    async def test_messages_are_kept_as_they_are(self, world: QuarantineWorld, stream: str) -> None:
        messages = [rejected(stream, sequence) for sequence in (1, 2, 3)]
        await world.quarantine.keep(messages)
        assert list(await world.kept(stream)) == messages

    @pytest.mark.parametrize("reason", list(QuarantineReason))
    async def test_every_reason_can_be_kept(
        self, world: QuarantineWorld, stream: str, reason: QuarantineReason
    ) -> None:
        message = evolve(rejected(stream, 1), reason=reason, waiting=False)
        await world.quarantine.keep([message])
        assert list(await world.kept(stream)) == [message]

    async def test_a_message_that_named_no_device_is_kept(
        self, world: QuarantineWorld, stream: str
    ) -> None:
        message = evolve(rejected(stream, 1), device_id=None, tenant_id=None)
        await world.quarantine.keep([message])
        assert list(await world.kept(stream)) == [message]

    async def test_the_first_delivery_of_a_message_is_the_one_that_is_kept(
        self, world: QuarantineWorld, stream: str
    ) -> None:
        first, again = rejected(stream, 1), rejected(stream, 1)
        await world.quarantine.keep([first])
        await world.quarantine.keep([again, rejected(stream, 2)])
        kept = await world.kept(stream)
        assert [message.origin.sequence for message in kept] == [1, 2]
        assert kept[0] == first

    async def test_a_message_twice_in_one_call_is_kept_once(
        self, world: QuarantineWorld, stream: str
    ) -> None:
        await world.quarantine.keep([rejected(stream, 1), rejected(stream, 1)])
        assert len(await world.kept(stream)) == 1

    async def test_a_stream_that_was_made_again_counts_anew(
        self, world: QuarantineWorld, stream: str
    ) -> None:
        before = rejected(stream, 1)
        after = evolve(before, origin=evolve(before.origin, stream_created_at=RECEIVED))
        await world.quarantine.keep([before])
        await world.quarantine.keep([after])
        assert list(await world.kept(stream)) == [before, after]

    async def test_a_message_under_the_former_creation_time_of_its_stream_is_kept(
        self, world: QuarantineWorld, stream: str
    ) -> None:
        before = rejected(stream, 1)
        after = evolve(rejected(stream, 1), received_at=RECEIVED + timedelta(seconds=1))
        await world.quarantine.keep([before])
        await world.quarantine.keep([after])
        assert sorted(await world.kept(stream), key=lambda kept: kept.received_at) == [
            before,
            after,
        ]

    async def test_several_workers_may_keep_the_same_messages_at_once(
        self, world: QuarantineWorld, stream: str
    ) -> None:
        sequences = list(range(1, 21))
        orders = [sequences, sequences[::-1], sequences[10:] + sequences[:10]]
        await asyncio.gather(
            *(world.quarantine.keep([rejected(stream, n) for n in order]) for order in orders)
        )
        assert [message.origin.sequence for message in await world.kept(stream)] == sequences

    async def test_nothing_to_keep_keeps_nothing(self, world: QuarantineWorld, stream: str) -> None:
        await world.quarantine.keep([])
        assert list(await world.kept(stream)) == []
