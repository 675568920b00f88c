"""Publishing no faster than is ingested, so that the stream never evicts what is unread."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from snapshot_domain.ports import MessageSource
from snapshot_domain.secret import RawMessage

UNSETTLED_BYTES_AT_MOST = 64 * 1024 * 1024
_WINDOW_MESSAGES = 64
_LOOK_AGAIN_SECONDS = 0.05


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
        *,
        unsettled_bytes_at_most: int = UNSETTLED_BYTES_AT_MOST,
    ) -> None:
        self._publisher = publisher
        self._source = source
        self._unsettled_bytes_at_most = unsettled_bytes_at_most
        self._sizes: deque[int] = deque()
        self.published = 0

    async def publish_all(self, messages: Iterator[tuple[str, RawMessage]]) -> None:
        """Returns when the stream has acknowledged all. Raises what the publisher raises."""
        while window := list(islice(messages, _WINDOW_MESSAGES)):
            await self._publisher.publish_all(window)
            self.published += len(window)
            self._sizes.extend(body.size_bytes for _, body in window)
            while sum(self._sizes) > self._unsettled_bytes_at_most:
                await self._forget_what_is_settled()

    async def _forget_what_is_settled(self) -> None:
        """The unsettled messages are the last ones, near enough."""
        backlog = await self._source.backlog()
        while len(self._sizes) > backlog.pending + backlog.unsettled:
            self._sizes.popleft()
        if sum(self._sizes) > self._unsettled_bytes_at_most:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
