"""Joins what several callers want encrypted under one key, so that they share a request.

Many tenants mean few items each in a batch, and a request costs as much as several items. While
as many requests are under way as there are threads, items wait anyhow: meanwhile those of other
batches come in.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from attrs import evolve, field, frozen

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import KeyReference
from snapshot_domain.secret import Secret
from snapshot_domain.tasks import forget_fault_of
from snapshot_openbao.batches import ENCRYPT, Job, Limits
from snapshot_openbao.errors import Problem

Answers: TypeAlias = Mapping[int, Ciphertext | Problem]
"""What came of each job, by its place."""

Send: TypeAlias = Callable[[Sequence[Job[Secret]], float], Awaitable[Answers]]
"""Has jobs done until a deadline."""


@frozen(eq=False)
class _Waiting:
    """What one caller wants under one key."""

    jobs: Sequence[Job[Secret]] = field(repr=False)
    deadline: float
    answers: "asyncio.Future[Answers]"

    @property
    def encoded_bytes(self) -> int:
        """What its jobs take in a request."""
        return sum(ENCRYPT.entry_bytes(job.given) for job in self.jobs)


class Joining:
    """Hands jobs to `send`, at most `lanes` times at once, in the order of their keys' first jobs.

    Nothing waits for company: as soon as a lane is free, all that is there of a key goes, within
    the limits. Belongs to one event loop.
    """

    def __init__(self, send: Send, lanes: int, limits: Limits) -> None:
        self._send = send
        self._lanes = lanes
        self._limits = limits
        self._waiting: dict[KeyReference, list[_Waiting]] = {}
        self._under_way: set[asyncio.Future[Answers]] = set()

    async def run(
        self, jobs: Sequence[Job[Secret]], deadline: float
    ) -> dict[int, Ciphertext | Problem]:
        """By its place, for each job what came of it. Raises what `send` raises.

        What was joined shares the earliest deadline. A cancelled caller's jobs are not begun.
        """
        by_key: dict[KeyReference, list[Job[Secret]]] = {}
        for job in jobs:
            by_key.setdefault(job.key, []).append(job)
        loop = asyncio.get_running_loop()
        asked = [_Waiting(part, deadline, loop.create_future()) for part in by_key.values()]
        for key, waiting in zip(by_key, asked, strict=True):
            self._waiting.setdefault(key, []).append(waiting)
        self._start()
        answers: dict[int, Ciphertext | Problem] = {}
        for part in await asyncio.gather(*(waiting.answers for waiting in asked)):
            answers.update(part)
        return answers

    def _start(self) -> None:
        while self._waiting and len(self._under_way) < self._lanes:
            together = self._next()
            if together:
                jobs = [job for each in together for job in each.jobs]
                numbered = [evolve(job, place=place) for place, job in enumerate(jobs)]
                deadline = min(each.deadline for each in together)
                task = asyncio.ensure_future(self._send(numbered, deadline))
                self._under_way.add(task)
                task.add_done_callback(partial(self._ended, together))

    def _ended(self, together: Sequence[_Waiting], task: "asyncio.Future[Answers]") -> None:
        self._under_way.discard(task)
        forget_fault_of(task)  # all who asked may be gone
        self._start()
        first = 0
        for each in together:
            if not each.answers.done():
                _answer(each, task, first)
            first += len(each.jobs)

    def _next(self) -> list[_Waiting]:
        """What goes next: of the key that has waited longest, as much as one request takes."""
        key = next(iter(self._waiting))
        rest = [each for each in self._waiting.pop(key) if not each.answers.done()]
        together: list[_Waiting] = []
        items, size_bytes = self._limits.max_items, self._limits.max_batch_bytes
        while rest:
            items -= len(rest[0].jobs)
            size_bytes -= rest[0].encoded_bytes
            if together and (items < 0 or size_bytes < 0):
                break
            together.append(rest.pop(0))
        if rest:
            self._waiting[key] = rest
        return together


def _answer(waiting: _Waiting, task: "asyncio.Future[Answers]", first: int) -> None:
    """Tells a caller what came of the request in which his first job had this place."""
    fault = None if task.cancelled() else task.exception()
    if task.cancelled():
        waiting.answers.cancel()
    elif fault is not None:
        waiting.answers.set_exception(fault)
    else:
        answers = task.result()
        waiting.answers.set_result(
            {job.place: answers[first + place] for place, job in enumerate(waiting.jobs)}
        )
