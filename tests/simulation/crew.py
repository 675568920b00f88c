"""The workers of a simulation: begun, killed, stopped in order, and begun again."""

import asyncio
from contextvars import copy_context

from attrs import define

from simulation.loop import worker_running
from simulation.world import World
from snapshot_domain.worker import Worker


@define(eq=False)
class Seat:
    """A place that one worker takes after the other; empty for a while after a kill."""

    number: int = 0
    worker: Worker | None = None
    running: "asyncio.Task[None] | None" = None
    is_stopping: bool = False


class Crew:
    """Two or three workers on one stream."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seats = [Seat() for _ in range(world.chance.choice([2, 3]))]
        self._begun = 0
        self._outside = copy_context()
        self._stops: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Every seat gets its first worker."""
        for seat in self._seats:
            self._begin(seat)

    def stop_somebody(self) -> None:
        """An orderly stop, as in a rolling update: another worker follows."""
        seat = self._world.chance.choice(self._seats)
        if seat.worker is not None and not seat.is_stopping:
            self._stops.append(asyncio.create_task(self._replace(seat)))

    async def stop(self) -> None:
        """An orderly stop of all, however many are just dead or stopping."""
        await asyncio.gather(*self._stops)
        while any(seat.worker is None for seat in self._seats):
            await asyncio.sleep(1)
        await asyncio.gather(*(self._stop(seat) for seat in self._seats))

    def _begin(self, seat: Seat) -> None:
        self._begun += 1
        number = self._begun
        seat.number, seat.is_stopping = number, False
        process = self._world.process(
            number, die=lambda: self._kill(seat), is_stopping=lambda: seat.is_stopping
        )
        seat.worker = process.worker
        context = self._outside.copy()
        context.run(worker_running.set, number)
        seat.running = self._world.loop.create_task(process.run(), context=context)

    def _kill(self, seat: Seat) -> None:
        """As kill -9 does it."""
        world = self._world
        world.loop.kill(seat.number)
        world.witness.dies(seat.number)
        seat.worker = seat.running = None
        # This runs as the worker that has just died: the next one must not belong to it.
        context = self._outside.copy()
        world.loop.call_later(world.chance.randrange(1, 20), self._begin, seat, context=context)

    async def _replace(self, seat: Seat) -> None:
        if await self._stop(seat):
            self._begin(seat)

    async def _stop(self, seat: Seat) -> bool:
        """Whether the worker came to an end of its own; it may be killed on the way there."""
        running = seat.running
        if seat.worker is None or running is None:
            return False
        seat.is_stopping = True
        seat.worker.stop()
        while not running.done():
            await asyncio.sleep(0.5)
            if seat.running is not running:
                return False
        fault = running.exception()
        self._world.witness.expect(
            fault is None, f"a stop is no fault, and not a {type(fault).__name__}"
        )
        self._world.witness.trace.append(f"{seat.number} has stopped")
        return True
