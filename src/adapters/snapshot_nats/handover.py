"""Handing a stream over from one consumer to another: a push consumer to a pull one, or back."""

from datetime import datetime, timedelta
from uuid import uuid4

from attrs import evolve, frozen
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy, StreamInfo
from nats.js.errors import NotFoundError

from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_domain.ports import AckFloors, Floor, first_unsettled
from snapshot_nats.client import SafeClient
from snapshot_nats.consumer import (
    FROM_THE_START,
    ConsumerNeeds,
    find_consumer,
    is_of_our_making,
    require,
)
from snapshot_nats.errors import NATS_FAULTS, ask, fault_of, is_another_consumer
from snapshot_nats.floor import floor_name, floor_of
from snapshot_nats.recreation import Recreation, start_of

DEFAULT_PUSH_INBOX = "_INBOX"

_UNLIMITED = -1
_KEEPING_TRIES = 5
_ANSWER_TIMEOUT = timedelta(seconds=5)


@frozen(kw_only=True)
class Standing:
    """What JetStream says of a consumer at one moment.

    It `is_listened_to` while a subscriber is bound to a push consumer, or a pull waits at another.
    `unsettled` messages were delivered, and neither acknowledged nor given up; each of them is
    delivered again after `ack_wait`, to whoever listens. `stream_begins_at` is the stream's first
    message, seen after the consumer was (that of the floor is seen before). `doubts` say why its
    floor may stand above messages that nobody acknowledged.
    """

    is_push: bool
    is_listened_to: bool
    floor: Floor
    unsettled: int
    ack_wait: timedelta
    stream_begins_at: int
    doubts: tuple[str, ...] = ()

    def is_same_as(self, earlier: "Standing") -> bool:
        """Whether nothing was delivered since, and it was not made again."""
        return self._deliveries == earlier._deliveries

    def has_stirred_since(self, earlier: "Standing", rest: "Standing") -> bool:
        """Whether somebody was delivered something since, or settled something.

        What the stream discards counts as settled, too: that takes the floor no further than to
        the stream's first message. The consumer takes note of it a moment later, so it counts
        whatever was discarded since `rest`, which is `earlier` or before it.
        """
        if not self.is_same_as(earlier):
            return True
        if (self.unsettled, self.floor.sequence) == (earlier.unsettled, earlier.floor.sequence):
            return False
        is_discarded = (
            self.stream_begins_at > rest.stream_begins_at
            and self.floor.sequence < self.stream_begins_at
        )
        return not is_discarded

    @property
    def _deliveries(self) -> tuple[object, ...]:
        floor = self.floor
        created = floor.stream_created_at, floor.consumer_created_at
        return (self.is_push, *created, floor.deliveries)


@frozen
class Handover:
    """The former subscriber's push consumer and ours, on one stream; often of one name.

    Whatever is made begins after the floor that is kept for ours, so that may stop between any
    two of these methods, and go on later. Each raises `Unavailable` when a server does not
    answer, and `Misconfigured` when it refuses.
    """

    client: SafeClient
    floors: AckFloors
    stream: str
    former: str
    ours: str
    needs: ConsumerNeeds
    answer_timeout: timedelta = _ANSWER_TIMEOUT

    async def look(self, name: str, at: datetime) -> Standing | None:
        """How the consumer of that name stands, which is `at` to the caller; None without one."""
        before = await self._stream_info()
        jetstream = self.client.jetstream(timeout=self._timeout_s)
        info = await find_consumer(jetstream, self.stream, name)
        if info is None:
            return None
        after = await self._stream_info()
        floor = floor_of(before, info, after, at)
        # Under our name, whoever it is of: where we begin is asked there.
        floor = evolve(floor, consumer=self._floor_key)
        return _standing(info, floor, after.state.first_seq, self.needs)

    async def source_of_stream(self) -> str | None:
        """The stream that this one takes its messages from; None where they are published on it."""
        sources = (await self._stream_info()).config.sources
        return sources[0].name if sources else None

    async def start(self) -> int | None:
        """Where a consumer would begin by the kept floor; None if none of this stream is kept."""
        floor = await self.floors.load(self.stream, self._floor_key)
        info = await self._stream_info()
        if floor is None or not floor.holds_of(info.created, info.state.last_seq):
            return None
        return first_unsettled(floor, info.created, info.state.last_seq)

    async def keep_floor(self, name: str, seen: Standing, at: datetime) -> None:
        """Keeps how far the consumer is; raises `Unavailable` if it was used since."""
        for _ in range(_KEEPING_TRIES):
            known = await self.floors.load(self.stream, self._floor_key)
            standing = await self._unused(name, seen, at)
            if await self.floors.keep(standing.floor, known):
                return
        raise Unavailable(
            Dependency.SOURCE,
            "somebody else keeps the ack floor at the same time",
            next_step="stop the other one, and run it again",
        )

    async def remove(self, name: str, seen: Standing, at: datetime) -> None:
        """Deletes the consumer; raises `Unavailable` if it was used since.

        To be called only after its floor was kept: that goes with it.
        """
        await self._unused(name, seen, at)
        await self._delete(name)

    async def make_pull(self) -> int:
        """Makes our consumer, as a worker does; returns the first sequence that it may deliver.

        One that somebody made meanwhile will do, unless it would pass over something.
        """
        info = await self._recreation().make(self.client)
        require(self.ours, self.needs, info.config)
        return start_of(info)

    async def make_push(self, inbox: str = DEFAULT_PUSH_INBOX) -> int:
        """Makes the former subscriber's consumer, as nats-py's `subscribe` does; returns its start.

        It delivers to a new subject below `inbox`, which whoever subscribes by its name finds out.
        """
        start, stream = await self._recreation().start(self.client)
        config = _push_config(self.needs, self.former, start, stream.created, inbox)
        try:
            await self.client.jetstream(timeout=self._timeout_s).add_consumer(self.stream, config)
        except NATS_FAULTS as error:
            is_taken = is_another_consumer(error)
            fault = fault_of(error, f"making the consumer {self.former}")
        else:
            return start
        if is_taken:
            raise Misconfigured(
                Dependency.SOURCE,
                f"another consumer {self.former} was made meanwhile",
                expected="that no worker and no other subscriber is running",
                next_step="stop it, and run this again",
            )
        raise fault

    async def _delete(self, name: str) -> None:
        try:
            await self.client.jetstream(timeout=self._timeout_s).delete_consumer(self.stream, name)
        except NotFoundError:
            return
        except NATS_FAULTS as error:
            fault = fault_of(error, f"deleting the consumer {name}")
        else:
            return
        raise fault

    async def _unused(self, name: str, seen: Standing, at: datetime) -> Standing:
        standing = await self.look(name, at)
        if standing is None or standing.is_listened_to or not standing.is_same_as(seen):
            raise Unavailable(
                Dependency.SOURCE,
                f"somebody has used the consumer {name} meanwhile, and it was left as it is",
                expected="that whoever listened to it stays stopped",
                next_step="stop it, and run this again",
            )
        return standing

    async def _stream_info(self) -> StreamInfo:
        jetstream = self.client.jetstream(timeout=self._timeout_s)
        return await ask(jetstream.stream_info(self.stream), "looking at the stream")

    def _recreation(self) -> Recreation:
        return Recreation(
            floors=self.floors,
            stream=self.stream,
            durable=self.ours,
            needs=self.needs,
            answer_timeout=self.answer_timeout,
        )

    @property
    def _floor_key(self) -> str:
        return floor_name(self.ours, self.needs.filter_subject)

    @property
    def _timeout_s(self) -> float:
        return self.answer_timeout.total_seconds()


def _standing(
    info: ConsumerInfo, floor: Floor, stream_begins_at: int, needs: ConsumerNeeds
) -> Standing:
    config = info.config
    return Standing(
        is_push=bool(config.deliver_subject),
        is_listened_to=bool(info.push_bound or info.num_waiting),
        floor=floor,
        unsettled=info.num_ack_pending or 0,
        ack_wait=timedelta(seconds=max([config.ack_wait or 0.0, *(config.backoff or ())])),
        stream_begins_at=stream_begins_at,
        doubts=tuple(_doubts(config, needs)),
    )


def _doubts(config: ConsumerConfig, needs: ConsumerNeeds) -> list[str]:
    filters = config.filter_subjects or [config.filter_subject or ""]
    checks = (
        (
            config.ack_policy != AckPolicy.EXPLICIT,
            "its ack policy is not explicit",
        ),
        (
            filters != [needs.filter_subject],
            f"its filter is {', '.join(filters) or 'none'}, and not {needs.filter_subject}",
        ),
        (
            config.max_deliver not in (None, _UNLIMITED),
            f"it gives a message up after {config.max_deliver} deliveries",
        ),
        (
            not _is_start_trusted(config),
            "it did not begin at the stream's start",
        ),
    )
    return [words for is_doubtful, words in checks if is_doubtful]


def _is_start_trusted(config: ConsumerConfig) -> bool:
    """Nobody knows why another's push consumer begins in the middle; a pull one may be ours."""
    if config.deliver_policy == DeliverPolicy.BY_START_SEQUENCE and config.deliver_subject:
        return is_of_our_making(config)
    return config.deliver_policy in FROM_THE_START


def _push_config(
    needs: ConsumerNeeds, durable: str, start: int, stream_created_at: datetime | None, inbox: str
) -> ConsumerConfig:
    """Where ours begins, and all else as nats-py and the server choose it for a subscriber."""
    return needs.config(durable, start, stream_created_at).evolve(
        deliver_subject=f"{inbox}.{uuid4().hex}", max_ack_pending=None
    )
