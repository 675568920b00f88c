"""`up` publishes no faster than is ingested, so that the stream never evicts what is unread."""

from collections.abc import Iterable, Iterator, Sequence

import pytest

from snapshot_domain.delivery import Ack, Delivery
from snapshot_domain.errors import Dependency, Misconfigured, Refused, Unavailable
from snapshot_domain.ports import Backlog
from snapshot_domain.secret import RawMessage
from snapshot_ingest.embedded.pacing import PacedPublisher
from snapshot_memory import ManualClock, MemoryMessageSource

BODY_BYTES = 100
WINDOW_BYTES = 64 * BODY_BYTES


class _IngestedStream(MemoryMessageSource):
    """A stream whose worker, between two looks at the backlog, settles what it has in hand.

    Then it takes so many messages in hand again.
    """

    taken_a_look = 100
    in_hand: Sequence[Delivery] = ()
    looks = 0
    raises: Exception | None = None
    raises_times = 1

    async def backlog(self) -> Backlog:
        self.looks += 1
        if self.raises is not None and self.raises_times > 0:
            self.raises_times -= 1
            raise self.raises
        await self.settle([(each, Ack()) for each in self.in_hand])
        self.in_hand = await self.fetch(self.taken_a_look, 1 << 30)
        return await super().backlog()


class _Publisher:
    """Publishes on the stream in memory, and notes how much was ever unsettled."""

    def __init__(self, stream: _IngestedStream) -> None:
        self._stream = stream
        self.subjects: list[str] = []
        self.most_unsettled_bytes = 0
        self.raises_after: int | None = None
        self.raises: Exception = Unavailable(Dependency.SOURCE, "gone")

    async def publish_all(self, messages: Iterable[tuple[str, RawMessage]]) -> int:
        window = list(messages)
        for subject, body in window:
            if len(self.subjects) == self.raises_after:
                self.raises_after = None
                raise self.raises
            self._stream.publish(subject, body)
            self.subjects.append(subject)
        unsettled_bytes = len(self._stream.attempts) * BODY_BYTES
        self.most_unsettled_bytes = max(self.most_unsettled_bytes, unsettled_bytes)
        return len(window)


class _World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.stream = _IngestedStream(self.clock)
        self.publisher = _Publisher(self.stream)

    def paced(self, unsettled_bytes_at_most: int) -> PacedPublisher:
        return PacedPublisher(
            self.publisher,
            self.stream,
            self.clock,
            unsettled_bytes_at_most=unsettled_bytes_at_most,
        )


@pytest.fixture
def world() -> _World:
    return _World()


def messages(count: int) -> Iterator[tuple[str, RawMessage]]:
    return ((f"subject.{number}", RawMessage(bytes(BODY_BYTES))) for number in range(count))


async def test_all_messages_are_published_in_their_order(world: _World) -> None:
    paced = world.paced(unsettled_bytes_at_most=WINDOW_BYTES)
    await paced.publish_all(messages(500))
    assert world.publisher.subjects == [f"subject.{number}" for number in range(500)]
    assert paced.published == 500


async def test_never_more_is_unsettled_than_the_bound_and_one_window(world: _World) -> None:
    bound = 3 * WINDOW_BYTES
    await world.paced(unsettled_bytes_at_most=bound).publish_all(messages(500))
    assert bound < world.publisher.most_unsettled_bytes <= bound + WINDOW_BYTES


async def test_with_room_for_all_it_does_not_look_at_the_backlog(world: _World) -> None:
    await world.paced(unsettled_bytes_at_most=500 * BODY_BYTES).publish_all(messages(500))
    assert world.stream.looks == 0


async def test_messages_are_made_only_when_their_turn_comes(world: _World) -> None:
    world.stream.raises = Misconfigured(Dependency.SOURCE, "denied")
    rest = messages(500)
    with pytest.raises(Misconfigured):
        await world.paced(unsettled_bytes_at_most=WINDOW_BYTES).publish_all(rest)
    subject, _ = next(rest)
    assert subject == "subject.128"


async def test_while_the_stream_is_away_it_waits_and_leaves_no_message_out(
    world: _World,
) -> None:
    world.publisher.raises_after = 100
    await world.paced(unsettled_bytes_at_most=WINDOW_BYTES).publish_all(messages(500))
    assert list(dict.fromkeys(world.publisher.subjects)) == [f"subject.{n}" for n in range(500)]
    assert world.clock.monotonic() > 0


async def test_while_the_backlog_is_not_known_nothing_more_is_published(world: _World) -> None:
    world.stream.raises = Unavailable(Dependency.SOURCE, "gone")
    world.stream.raises_times = 5
    await world.paced(unsettled_bytes_at_most=WINDOW_BYTES).publish_all(messages(500))
    assert len(world.publisher.subjects) == 500
    assert world.clock.monotonic() >= 5 * 0.5


async def test_a_message_that_the_stream_can_never_take_ends_it(world: _World) -> None:
    world.publisher.raises_after = 100
    world.publisher.raises = Refused(Dependency.SOURCE, "too large")
    paced = world.paced(unsettled_bytes_at_most=WINDOW_BYTES)
    with pytest.raises(Refused):
        await paced.publish_all(messages(500))
    assert paced.published == 64


async def test_nothing_to_publish_publishes_nothing(world: _World) -> None:
    await world.paced(unsettled_bytes_at_most=1).publish_all(messages(0))
    assert world.publisher.subjects == []
