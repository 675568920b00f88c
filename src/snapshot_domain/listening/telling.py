"""Calling one listener: once, in bounded time, its fault as a value."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from attrs import frozen

from snapshot_domain.backoff import Backoff
from snapshot_domain.events import ListenerFailed, ListenerTold
from snapshot_domain.journal import logger
from snapshot_domain.ports import Metrics, SnapshotListener, SnapshotNotice
from snapshot_domain.tasks import cancel


@frozen(kw_only=True)
class ListeningLimits:
    """How much a listener is told at once and may be told late, and how long it may take.

    `queue_notices` is what waits for a listener without a name. One that fails is told again
    after `first_retry`, growing to `last_retry`. A listener with a name looks every `look_every`
    for what other processes stored; while something that its own stored cannot be read yet, after
    `soonest_look`, growing to that. A claim on its position lasts `claim_lasts`, which is longer
    than `call_timeout`.
    """

    queue_notices: int = 5_000
    page_notices: int = 500
    call_timeout: timedelta = timedelta(seconds=30)
    first_retry: timedelta = timedelta(seconds=1)
    last_retry: timedelta = timedelta(minutes=1)
    look_every: timedelta = timedelta(seconds=1)
    soonest_look: timedelta = timedelta(milliseconds=50)
    claim_lasts: timedelta = timedelta(minutes=1)


class Telling:
    """Tells one listener, and knows how long to wait after it failed."""

    def __init__(
        self,
        listener: SnapshotListener,
        name: str,
        metrics: Metrics,
        backoff: Backoff,
        limits: ListeningLimits,
    ) -> None:
        self.name = name
        self._listener = listener
        self._metrics = metrics
        self._backoff = backoff.between(limits.first_retry, limits.last_retry)
        self._timeout_seconds = limits.call_timeout.total_seconds()
        self._failures = 0

    async def tell(self, notices: Sequence[SnapshotNotice]) -> bool:
        """Calls it once; whether it took the notices."""
        fault = await self._fault_of_call(notices)
        if fault is None:
            self._failures = 0
            self._metrics.record(ListenerTold(self.name, len(notices)))
            return True
        self.note_failure(f"failed on {len(notices)} notices: {fault}")
        return False

    def note_failure(self, what: str) -> None:
        """Counts a failure, and says so. `what` holds no content."""
        self._failures += 1
        self._metrics.record(ListenerFailed(self.name))
        logger.warning(
            "the listener %s %s; it is told again, attempt %d", self.name, what, self._failures + 1
        )

    @property
    def is_failing(self) -> bool:
        """Whether the last try was a failure."""
        return self._failures > 0

    @property
    def retry_seconds(self) -> float:
        """How long to wait after the last failure."""
        return self._backoff.delay(self._failures).total_seconds()

    async def _fault_of_call(self, notices: Sequence[SnapshotNotice]) -> str | None:
        """What went wrong, by the class of the error alone; None if nothing did."""
        call = asyncio.ensure_future(self._call(notices))
        try:
            await asyncio.wait([call], timeout=self._timeout_seconds)
            in_time = call.done()
        finally:
            # One that does not end then is waited for: two calls at once would be worse.
            await cancel(call)
        if not in_time:
            return f"no end within {self._timeout_seconds:g} s"
        if call.cancelled():
            return "CancelledError"
        error = call.exception()
        return None if error is None else type(error).__name__

    async def _call(self, notices: Sequence[SnapshotNotice]) -> None:
        """In a task of its own, so that whatever it does, it does not do it to us."""
        await self._listener.stored(notices)
