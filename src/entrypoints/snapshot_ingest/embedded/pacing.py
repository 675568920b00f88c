"""Publishing no faster than is ingested, so that the stream never evicts what is unread."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from snapshot_domain.errors import Unavailable
from snapshot_domain.ports import Clock, MessageSource
from snapshot_domain.secret import RawMessage

logger = logging.getLogger(__name__)

UNSETTLED_BYTES_AT_MOST = 64 * 1024 * 1024
_WINDOW_MESSAGES = 64
_LOOK_AGAIN_SECONDS = 0.05
_TRY_AGAIN_SECONDS = 0.5


class Publisher(Protocol):
    """Whoever puts messages on the stream."""

    async def publish_all(self, messages: Iterable[tuple[str, RawMessage]]) -> int:
        """Returns how many the stream acknowledged, when it has acknowledged all."""
        ...


class PacedPublisher:
    """Publishes a window of messages at a time, and waits while too many bytes are unsettled."""

    def __init__(
        self,
        publisher: Publisher,
        source: MessageSource,
        clock: Clock,
        *,
        unsettled_bytes_at_most: int = UNSETTLED_BYTES_AT_MOST,
    ) -> None:
        self._publisher = publisher
        self._source = source
        self._clock = clock
        self._unsettled_bytes_at_most = unsettled_bytes_at_most
        self._sizes: deque[int] = deque()
        self.published = 0

    async def publish_all(self, messages: Iterator[tuple[str, RawMessage]]) -> None:
        """Returns when the stream has acknowledged all, however long it was away meanwhile.

        What was not acknowledged is published again; if it had arrived all the same, the second
        one changes nothing. Raises `Refused` for a message that the stream can never take.
        """
        while window := list(islice(messages, _WINDOW_MESSAGES)):
            while not await self._is_published(window):
                await self._clock.sleep(_TRY_AGAIN_SECONDS)
            self.published += len(window)
            self._sizes.extend(body.size_bytes for _, body in window)
            while sum(self._sizes) > self._unsettled_bytes_at_most:
                await self._forget_what_is_settled()

    async def _is_published(self, window: Sequence[tuple[str, RawMessage]]) -> bool:
        try:
            await self._publisher.publish_all(window)
        except Unavailable as fault:
            logger.warning("%d messages are published again: %s", len(window), fault)
            return False
        return True

    async def _forget_what_is_settled(self) -> None:
        """The unsettled messages are the last ones, near enough."""
        try:
            backlog = await self._source.backlog()
        except Unavailable:
            await self._clock.sleep(_TRY_AGAIN_SECONDS)
            return
        while len(self._sizes) > backlog.pending + backlog.unsettled:
            self._sizes.popleft()
        if sum(self._sizes) > self._unsettled_bytes_at_most:
            await self._clock.sleep(_LOOK_AGAIN_SECONDS)
