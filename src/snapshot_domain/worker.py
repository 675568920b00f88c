"""The loop around the use case: one fetcher, several batches in flight, and an orderly stop."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

from attrs import frozen

from snapshot_domain.delivery import Delivery, Retry
from snapshot_domain.errors import Dependency, DependencyError
from snapshot_domain.events import FetchFailed, InFlightChanged, SettlementFailed
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.intake import Intake
from snapshot_domain.journal import logger
from snapshot_domain.ports import MessageSource, Metrics
from snapshot_domain.tasks import cancel, forget_fault_of, is_being_cancelled

# Longer than a source waits for a first message, and shorter than a person for a prompt.
_A_FETCH_ENDS_WITHIN_SECONDS = 3.0


@frozen
class WorkerLimits:
    """How much a worker takes in hand, and how long it may take to let go.

    `batch_messages` and `batch_bytes` bound one batch, `batches_in_flight` and
    `in_flight_bytes` all of them together. `grace` is the time that a stop gives to what is in
    hand.
    """

    batch_messages: int = 300
    batch_bytes: int = 5 * 1024 * 1024
    batches_in_flight: int = 4
    in_flight_bytes: int = 20 * 1024 * 1024
    grace: timedelta = timedelta(seconds=20)


@frozen
class _InHand:
    """How large a batch in hand is."""

    messages: int
    body_bytes: int


class Worker:
    """Feeds batches to the use case until it is told to stop.

    A fault of the source or of the use case never ends it.
    """

    def __init__(
        self,
        source: MessageSource,
        use_case: IngestSnapshot,
        intake: Intake,
        metrics: Metrics,
        limits: WorkerLimits,
    ) -> None:
        self._source = source
        self._use_case = use_case
        self._intake = intake
        self._metrics = metrics
        self._limits = limits
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._in_hand: dict[asyncio.Task[None], _InHand] = {}

    def stop(self) -> None:
        """Asks for an orderly stop: nothing more is fetched, what is in hand is finished.

        Must be called in the loop that runs the worker; a signal handler of that loop is fine.
        """
        self._stopping.set()

    async def run(self) -> None:
        """Returns after a stop, when everything in hand has been settled.

        A cancellation is a stop too, and is passed on after the same orderly end; another one
        during that end takes away what is left of the grace period.
        """
        running = asyncio.create_task(self._run())
        cancelled = False
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:
                cancelled = True
                if self._stopping.is_set():
                    self._hurried.set()
                self.stop()
        if cancelled:
            forget_fault_of(running)
            raise asyncio.CancelledError
        running.result()

    async def _run(self) -> None:
        """A fetch comes to its end while what is in hand does, and is not cancelled meanwhile."""
        fetching = asyncio.create_task(self._fetch_until_stopped())
        await self._until_stopped_or(asyncio.wait([fetching]))
        self.stop()
        await self._finish(fetching)
        if not fetching.cancelled():
            fetching.result()

    async def _fetch_until_stopped(self) -> None:
        while not self._stopping.is_set():
            await self._wait_for_room()
            await self._until_stopped_or(self._intake.until_open())
            if self._stopping.is_set():
                return
            deliveries = await self._fetch()
            if self._stopping.is_set():
                await self._give_back(deliveries)
            elif deliveries:
                self._take_in_hand(deliveries)

    async def _wait_for_room(self) -> None:
        """Until another batch may be taken in hand, or the worker is told to stop."""
        while not self._has_room():
            await self._until_stopped_or(
                asyncio.wait(set(self._in_hand), return_when=asyncio.FIRST_COMPLETED)
            )
            if self._stopping.is_set():
                return

    def _has_room(self) -> bool:
        """Whether a whole batch fits; with nothing in hand there is always room for one."""
        if not self._in_hand:
            return True
        return (
            len(self._in_hand) < self._intake.batches_allowed(self._limits.batches_in_flight)
            and self._bytes_in_hand() + self._limits.batch_bytes <= self._limits.in_flight_bytes
        )

    def _bytes_in_hand(self) -> int:
        return sum(batch.body_bytes for batch in self._in_hand.values())

    async def _fetch(self) -> Sequence[Delivery]:
        """What the source has for us; nothing, and intake pauses, if it failed.

        It pauses for whatever failed the source: to make a deleted consumer again it needs the
        repository, which keeps the floor.
        """
        dependency = Dependency.SOURCE
        try:
            return await self._source.fetch(self._limits.batch_messages, self._limits.batch_bytes)
        except DependencyError as fault:
            dependency, what = fault.dependency, str(fault)
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            what = "unforeseen CancelledError"
        except Exception as fault:  # noqa: BLE001 - a worker goes on, whatever the source does
            what = f"unforeseen {type(fault).__name__}"
        self._metrics.record(FetchFailed(dependency))
        self._intake.pause(dependency, what)
        return ()

    def _take_in_hand(self, deliveries: Sequence[Delivery]) -> None:
        task = asyncio.create_task(self._ingest(deliveries))
        self._in_hand[task] = _InHand(len(deliveries), sum(d.body.size_bytes for d in deliveries))
        self._tell_in_flight()
        task.add_done_callback(self._let_go)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        del self._in_hand[task]
        self._tell_in_flight()

    def _tell_in_flight(self) -> None:
        self._metrics.record(
            InFlightChanged(
                batches=len(self._in_hand),
                messages=sum(batch.messages for batch in self._in_hand.values()),
                body_bytes=self._bytes_in_hand(),
            )
        )

    async def _ingest(self, deliveries: Sequence[Delivery]) -> None:
        try:
            outcomes = await self._use_case.ingest(deliveries)
        except Exception as fault:  # noqa: BLE001 - the batch comes again, the worker goes on
            logger.error("a batch ended in an unforeseen %s", type(fault).__name__)
        else:
            self._intake.note(outcomes, len(self._in_hand))

    async def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        try:
            await self._source.settle([(each, Retry(timedelta(0))) for each in deliveries])
        except DependencyError as fault:
            what = str(fault)
        except Exception as fault:  # noqa: BLE001 - a stop ends in order, whatever the source does
            what = f"unforeseen {type(fault).__name__}"
        else:
            return
        logger.warning("%d messages come again after their deadline: %s", len(deliveries), what)
        self._metrics.record(SettlementFailed(len(deliveries)))

    async def _finish(self, fetching: "asyncio.Task[None]") -> None:
        """Waits for the batches in hand and the fetch; those that outlast their time give back.

        A fetch that takes long waits for a connection, a floor and a consumer, one after the
        other: whoever waits for our end should not. What it would have brought comes again after
        its deadline.
        """
        hurried = asyncio.create_task(self._hurried.wait())
        grace_ends_at = self._clock_of_loop() + self._limits.grace.total_seconds()
        await self._ended(set(self._in_hand), grace_ends_at, hurried)
        fetch_ends_at = self._clock_of_loop() + _A_FETCH_ENDS_WITHIN_SECONDS
        await self._ended({fetching}, min(fetch_ends_at, grace_ends_at), hurried)
        await cancel(hurried, fetching, *self._in_hand)

    async def _ended(
        self, tasks: set["asyncio.Task[None]"], at_most_until: float, hurried: "asyncio.Task[Any]"
    ) -> None:
        """Returns when the tasks have ended, at that time, or when a stop is hurried."""
        while running := {task for task in tasks if not task.done()}:
            left_seconds = at_most_until - self._clock_of_loop()
            if left_seconds <= 0 or hurried.done():
                return
            await asyncio.wait(
                {hurried, *running}, timeout=left_seconds, return_when=asyncio.FIRST_COMPLETED
            )

    def _clock_of_loop(self) -> float:
        """The grace period is real time, like the deadline of whoever stops us."""
        return asyncio.get_running_loop().time()

    async def _until_stopped_or(self, waiting: Coroutine[Any, Any, object]) -> None:
        """Waits for whichever comes first, and cancels the other."""
        tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(*tasks)
