"""JetStreamSource: a MessageSource over one durable pull consumer of NATS JetStream."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve
from nats.aio.msg import Msg

from snapshot_domain.delivery import Ack, Delivery, Discard, Origin, Retry, Settlement
from snapshot_domain.errors import Dependency, DependencyError, Misconfigured, Unavailable
from snapshot_domain.ports import AckFloors, Backlog, Floor
from snapshot_domain.secret import RawMessage
from snapshot_nats.binding import Binding, SourceSettings
from snapshot_nats.client import SafeClient
from snapshot_nats.connection import ConnectionSettings, end_connection
from snapshot_nats.consumer import require
from snapshot_nats.errors import NATS_FAULTS, ask, forbidden, unanswered
from snapshot_nats.floor import floor_name, floor_of
from snapshot_nats.inbox import Inbox
from snapshot_nats.message import ACK_PREFIX
from snapshot_nats.pull import End, Pull, nanoseconds

_log = logging.getLogger(__name__)

_NO_WAIT = timedelta(0)
_AS_ASKED = (End.COMPLETE, End.NOTHING_MORE, End.TOO_LARGE)


class JetStreamSource:
    """A MessageSource that heals by itself: see `snapshot_domain.ports.MessageSource`.

    It connects on first use, and looks at stream and consumer again whenever the connection was
    restored or the consumer answered oddly. Receipts outlive connections: what was fetched over
    one can be settled over the next. With `floors`, a consumer that was deleted is made again
    from the floor that is kept of it.
    """

    def __init__(
        self,
        connection: ConnectionSettings,
        settings: SourceSettings | None = None,
        floors: AckFloors | None = None,
    ) -> None:
        self._settings = settings or SourceSettings()
        self._inbox = Inbox(self._deliver)
        self._binding = Binding(connection, self._settings, self._inbox, floors)
        self._next_subject = (
            f"$JS.API.CONSUMER.MSG.NEXT.{self._settings.stream}.{self._settings.durable}"
        )
        self._is_fetching = False
        self._last_delivery = 0

    async def open(self) -> None:
        """Connects, and looks whether stream and consumer are as needed. Fetching does so too.

        Raises `Unavailable`, or `Misconfigured` with each difference.
        """
        await self._binding.check()

    async def close(self) -> None:
        """Gives back what arrived and was not fetched, and ends the connection; never raises.

        To be called when no fetch is under way and everything fetched is settled.
        """
        client = await self._binding.close()
        if client is None:
            return
        if client.is_connected:
            await self._give_back(client)
        await end_connection(client, self._settings.answer_timeout)

    async def fetch(self, max_messages: int, max_bytes: int) -> Sequence[Delivery]:
        """See MessageSource. What a cancelled fetch asked for, the next one returns."""
        if self._is_fetching:
            raise RuntimeError("a fetch is under way already; one fetcher feeds all batches")
        self._is_fetching = True
        try:
            if not self._inbox.count:
                await self._pull_batch(await self._binding.bound(), max_messages, max_bytes)
            return self._inbox.take(max_messages, max_bytes)
        finally:
            self._is_fetching = False

    async def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """See MessageSource. One round trip for all."""
        if settlements:
            client = self._binding.connected()
            with client.denials.of(ACK_PREFIX, awaits_answers=False) as denied:
                await ask(self._send_settlements(client, settlements), "settling")
            # The flush is answered although a settlement was denied, and after that was said.
            if denied.done():
                raise forbidden(denied.result())

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """See MessageSource."""
        if deliveries:
            client = self._binding.connected()
            await ask(self._send_extensions(client, deliveries), "extending")

    async def backlog(self) -> Backlog:
        """See MessageSource."""
        client = await self._binding.bound()
        info = await self._binding.consumer_info(client)
        backlog = Backlog(
            pending=info.num_pending or 0,
            unsettled=info.num_ack_pending or 0,
            redelivered=info.num_redelivered or 0,
            oldest_at=None,
        )
        if backlog.is_empty or info.ack_floor is None:
            return backlog
        oldest_at = await self._binding.received_at(client, info.ack_floor.stream_seq + 1)
        return evolve(backlog, oldest_at=oldest_at)

    @property
    def floor_key(self) -> tuple[str, str]:
        """See FloorSource."""
        settings = self._settings
        return settings.stream, floor_name(settings.durable, settings.needs.filter_subject)

    async def floor(self, at: datetime) -> Floor:
        """See FloorSource. What a consumer says that is not as needed, is not believed."""
        client = await self._binding.bound()
        before = await self._binding.stream_info(client)
        consumer = await self._binding.consumer_info(client)
        after = await self._binding.stream_info(client)
        try:
            require(self._settings.durable, self._settings.needs, consumer.config)
            return floor_of(before, consumer, after, at)
        except DependencyError:
            self._binding.loosen()  # then the next fetch meets the same, and intake pauses
            raise

    async def check(self) -> None:
        """See MessageSource. Asks the server; being connected proves nothing."""
        await self._binding.check()

    async def _pull_batch(self, client: SafeClient, max_messages: int, max_bytes: int) -> None:
        """Pulls what is there; if there is nothing, waits for one message, then takes the rest.

        So latency is low when little comes, and batches grow with the backlog.
        """
        end = await self._pull(client, Pull(max_messages, max_bytes))
        if end is End.TOO_LARGE and not self._inbox.count:
            end = await self._pull(client, Pull(1))
        if end is End.NOTHING_MORE and not self._inbox.count:
            end = await self._pull(client, Pull(1, wait=self._settings.patience))
            room = max_messages - self._inbox.count
            room_bytes = max_bytes - self._inbox.size_bytes
            if end is End.COMPLETE and room > 0 and room_bytes > 0:
                end = await self._pull(client, Pull(room, room_bytes))
        if end not in _AS_ASKED:
            self._binding.loosen()
            if not self._inbox.count:
                await self._explain(end)

    async def _pull(self, client: SafeClient, pull: Pull) -> End:
        deadline = self._settings.answer_timeout + pull.expires
        return await ask(
            self._inbox.pull(client, self._next_subject, pull, deadline), "asking for messages"
        )

    async def _explain(self, end: End) -> None:
        """Raises what the end of a fruitless pull means; returns if another try will do."""
        if end is End.OVER_LIMIT:
            raise Misconfigured(
                Dependency.SOURCE,
                f"the consumer {self._settings.durable} forbids pulls as large as ours",
                expected="no limit on batch, bytes or expiry below what is configured here",
                next_step="raise the consumer's limits, or configure smaller batches",
            )
        if end is End.NO_ANSWER:
            raise unanswered("asking for messages")
        if end in (End.LOOK_AGAIN, End.NOBODY) and await self._binding.check():
            return
        if end is not End.LOOK_AGAIN:
            raise Unavailable(
                Dependency.SOURCE,
                f"a pull ended with: {end.name.lower().replace('_', ' ')}",
                next_step="it passes by itself, for instance when a leader is elected",
            )

    def _deliver(self, msg: Msg) -> Delivery:
        created_at = self._binding.stream_created_at
        if created_at is None:
            raise ValueError("a message arrived before its stream was looked at")
        metadata = msg.metadata
        if metadata.sequence.consumer <= self._last_delivery:
            # It counts anew: stream and consumer were made again, and must be looked at again.
            self._binding.loosen()
        self._last_delivery = metadata.sequence.consumer
        return Delivery(
            body=RawMessage(msg.data),
            origin=Origin(metadata.stream, created_at, metadata.sequence.stream),
            subject=msg.subject,
            received_at=metadata.timestamp,
            attempt=metadata.num_delivered,
            receipt=msg.reply,
        )

    async def _send_settlements(
        self, client: SafeClient, settlements: Sequence[tuple[Delivery, Settlement]]
    ) -> None:
        for delivery, settlement in settlements:
            await client.publish(str(delivery.receipt), encode(settlement))
        await self._round_trip(client)

    async def _send_extensions(self, client: SafeClient, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            await client.publish(str(delivery.receipt), Msg.Ack.Progress)

    async def _round_trip(self, client: SafeClient) -> None:
        await client.flush(self._settings.answer_timeout.total_seconds())

    async def _give_back(self, client: SafeClient) -> None:
        await self._inbox.close(self._settings.answer_timeout)
        try:
            for delivery in self._inbox.take(self._inbox.count, self._inbox.size_bytes):
                await client.publish(str(delivery.receipt), encode(Retry(_NO_WAIT)))
            await self._round_trip(client)
        except NATS_FAULTS as error:
            _log.warning("unfetched messages were not given back: %s", type(error).__name__)


def encode(settlement: Settlement) -> bytes:
    """The settlement as JetStream reads it: a retry always says its delay, unless it is at once."""
    match settlement:
        case Ack():
            return Msg.Ack.Ack
        case Discard():
            return Msg.Ack.Term
        case Retry(after):
            if after <= _NO_WAIT:
                return Msg.Ack.Nak
            return Msg.Ack.Nak + b' {"delay": %d}' % nanoseconds(after)
