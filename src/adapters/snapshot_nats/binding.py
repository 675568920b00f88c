"""The tie between a source and its consumer: a live connection, and a look at what is there."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import NoReturn

from attrs import field, frozen
from nats.js.api import ConsumerInfo, StreamInfo
from nats.js.errors import NotFoundError

from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_domain.ports import AckFloors
from snapshot_nats.client import SafeClient
from snapshot_nats.connection import ConnectionSettings, connect, end_connection
from snapshot_nats.consumer import (
    DEFAULT_DURABLE,
    ConsumerNeeds,
    find_consumer,
    is_of_another_stream,
    passes_over_messages,
    require,
)
from snapshot_nats.denials import SubjectDenied
from snapshot_nats.errors import NATS_FAULTS, PROVISION, ask, made_again
from snapshot_nats.inbox import Inbox
from snapshot_nats.recreation import Recreation, start_of
from snapshot_nats.refusals import misconfigured
from snapshot_nats.stream import DEFAULT_STREAM

_log = logging.getLogger(__name__)

_READ_TIMEOUT = timedelta(seconds=1)
_READ_AGAIN_SECONDS = 60.0


@frozen
class SourceSettings:
    """Which consumer of which stream, and how long to wait for it.

    `patience` is how long a fetch waits for a first message, `answer_timeout` how long
    the server may take to answer.
    """

    stream: str = DEFAULT_STREAM
    durable: str = DEFAULT_DURABLE
    needs: ConsumerNeeds = field(factory=ConsumerNeeds)
    patience: timedelta = timedelta(seconds=2)
    answer_timeout: timedelta = timedelta(seconds=5)


class Binding:
    """Connects on first use, and knows when stream and consumer must be looked at again.

    That is due at first, when the connection was lost, and when somebody says `loosen`. A client
    that the server closed for good is replaced; the inbox moves to the new one. With `floors`, a
    consumer that is missing is made again.
    """

    def __init__(
        self,
        connection: ConnectionSettings,
        settings: SourceSettings,
        inbox: Inbox,
        floors: AckFloors | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._inbox = inbox
        self._recreation = None if floors is None else _recreation(floors, settings)
        self._client: SafeClient | None = None
        self._looking = asyncio.Lock()
        self._is_fresh = False
        self._is_closed = False
        self._reads_from = float("-inf")
        self.stream_created_at: datetime | None = None

    async def bound(self) -> SafeClient:
        """A connected client, after a look at stream and consumer if that is due."""
        if not self._is_fresh or self._is_deaf:
            await self.check()
        return self.connected()

    def connected(self) -> SafeClient:
        """The client, if it is connected: publishing otherwise would only seem to succeed."""
        if self._client is None or not self._client.is_connected:
            if self._client is not None and self._client.refusal is not None:
                raise misconfigured(self._client.refusal)
            raise Unavailable(
                Dependency.SOURCE,
                "not connected to NATS",
                next_step="it reconnects by itself; see whether the server is up",
            )
        return self._client

    def loosen(self) -> None:
        """Makes the next use look at stream and consumer again."""
        self._is_fresh = False

    async def check(self) -> bool:
        """Looks at stream and consumer now; returns whether the consumer was made again.

        Raises `Misconfigured` if one is missing (and the consumer is not to be made again) or
        the consumer is not as needed, and `Unavailable` when nobody answers.
        """
        async with self._looking:
            client = await self._reachable()
            found = await self._find(client)
            info = found or await self._make_again(client)
            require(self._settings.durable, self._settings.needs, info.config)
            # After the consumer: whatever that delivers is of this stream, or of none before it.
            created_at = (await self.stream_info(client)).created
            if is_of_another_stream(info.config, created_at):
                await self._replace(client)
            self.stream_created_at = created_at
            self._is_fresh = True
            return found is None

    async def consumer_info(self, client: SafeClient) -> ConsumerInfo:
        """What JetStream says of the consumer now."""
        info: ConsumerInfo = await ask(
            client.jetstream().consumer_info(
                self._settings.stream, self._settings.durable, self._timeout_s
            ),
            "looking at the consumer",
        )
        return info

    async def stream_info(self, client: SafeClient) -> StreamInfo:
        """What JetStream says of the stream now."""
        return await ask(
            client.jetstream(timeout=self._timeout_s).stream_info(self._settings.stream),
            "looking at the stream",
        )

    async def received_at(self, client: SafeClient, sequence: int) -> datetime | None:
        """When the first message for us from this sequence on was received; None if unknown.

        JetStream sends the whole message; its content goes no further. Where the user may not
        read messages this way, that is tried again a minute later.
        """
        now = asyncio.get_running_loop().time()
        if now < self._reads_from:
            return None
        jetstream = client.jetstream(timeout=_READ_TIMEOUT.total_seconds())
        try:
            message = await jetstream.get_msg(
                self._settings.stream,
                seq=sequence,
                subject=self._settings.needs.filter_subject,
                next=True,
            )
        except NotFoundError:
            return None  # settled or evicted since
        except SubjectDenied:
            self._reads_from = now + _READ_AGAIN_SECONDS
            return None
        except NATS_FAULTS:
            return None
        return message.time

    async def close(self) -> SafeClient | None:
        """Makes no further connection, and gives up the client to whoever ends it."""
        async with self._looking:
            self._is_closed = True
            client, self._client = self._client, None
            return client

    async def _reachable(self) -> SafeClient:
        if self._is_closed:
            raise Unavailable(Dependency.SOURCE, "the source is closed")
        if self._is_deaf:
            await self._part_from_client()
        if self._client is None or self._client.is_closed:
            self._client = None
            client = await connect(self._connection)
            client.on_lost = self._interrupted
            try:
                await ask(self._inbox.open(client), "opening an inbox")
            except BaseException:
                # Or it would reconnect for ever, and nobody would know it.
                await end_connection(client, self._settings.answer_timeout)
                raise
            self._client = client
        return self.connected()

    async def _find(self, client: SafeClient) -> ConsumerInfo | None:
        return await find_consumer(
            client.jetstream(timeout=self._timeout_s),
            self._settings.stream,
            self._settings.durable,
        )

    async def _make_again(self, client: SafeClient) -> ConsumerInfo:
        if self._recreation is None:
            raise Misconfigured(
                Dependency.SOURCE, "the consumer does not exist", next_step=PROVISION
            )
        info = await self._recreation.make(client)
        _log.warning(
            "the consumer %s was missing and is there again; it starts at sequence %d",
            self._settings.durable,
            start_of(info),
        )
        return info

    async def _replace(self, client: SafeClient) -> NoReturn:
        """Makes way for a consumer that begins where it must; where that is, the next look says."""
        if self._recreation is None:
            raise passes_over_messages(self._settings.durable)
        await self._recreation.unmake(client)
        raise made_again()

    def _interrupted(self) -> None:
        self.loosen()
        self._inbox.connection_lost()

    @property
    def _is_deaf(self) -> bool:
        """Whether the client will never hear an answer, because its inbox was denied."""
        return self._client is not None and bool(self._client.denials.subscriptions)

    async def _part_from_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await end_connection(client, self._settings.answer_timeout)

    @property
    def _timeout_s(self) -> float:
        return self._settings.answer_timeout.total_seconds()


def _recreation(floors: AckFloors, settings: SourceSettings) -> Recreation:
    return Recreation(
        floors=floors,
        stream=settings.stream,
        durable=settings.durable,
        needs=settings.needs,
        answer_timeout=settings.answer_timeout,
    )
