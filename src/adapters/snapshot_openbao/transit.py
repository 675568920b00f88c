"""Runs items of many keys through Transit: batched, in parallel, each answered by itself."""

from collections.abc import Sequence
from functools import partial
from typing import TypeVar

from snapshot_openbao.batches import Batch, Job, Limits, Operation, batches, read_batch
from snapshot_openbao.connection import OpenBao, Request
from snapshot_openbao.errors import Problem
from snapshot_openbao.paths import DEFAULT_MOUNT, checked_mount

G = TypeVar("G")
R = TypeVar("R")


class Transit:
    """A Transit secrets engine. Raises `Misconfigured` if the mount is no name."""

    def __init__(
        self, openbao: OpenBao, *, mount: str = DEFAULT_MOUNT, limits: Limits | None = None
    ) -> None:
        self._openbao = openbao
        self._mount = checked_mount(mount)
        self._limits = limits or Limits()

    async def run(
        self,
        operation: Operation[G, R],
        jobs: Sequence[Job[G]],
        deadline: float,
        *,
        log_in_again: bool = True,
    ) -> dict[int, R | Problem]:
        """By its place, for each job what came of it.

        A batch that is refused as a whole is split until the one item is found. What is
        forbidden is tried once more after a new login, unless `log_in_again` is off.
        """
        waiting, too_large = batches(operation, jobs, self._limits)
        answers: dict[int, R | Problem] = {job.place: Problem.TOO_LARGE for job in too_large}
        while waiting:
            requests = [self._request(operation, batch) for batch in waiting]
            send = self._openbao.send if log_in_again else self._openbao.send_once
            replies = await send(requests, deadline)
            halves: list[Batch[G]] = []
            for batch, reply in zip(waiting, replies, strict=True):
                if len(batch.jobs) > 1 and _may_be_one_items_fault(reply):
                    halves.extend(batch.halves())
                else:
                    answers.update(_by_place(batch, reply))
            waiting = halves
        return answers

    async def run_one(
        self, operation: Operation[G, R], job: Job[G], deadline: float
    ) -> R | Problem:
        """What came of the job with the token at hand, without a new login."""
        return (await self.run(operation, [job], deadline, log_in_again=False))[job.place]

    def _request(
        self, operation: Operation[G, R], batch: Batch[G]
    ) -> Request[Sequence[R | Problem]]:
        return Request(
            path=batch.path(self._mount, operation),
            body=partial(batch.body, operation),
            read=partial(read_batch, operation, count=len(batch.jobs)),
        )


def _may_be_one_items_fault(reply: object) -> bool:
    return reply is Problem.INPUT_REFUSED or reply is Problem.TOO_LARGE


def _by_place(batch: Batch[G], reply: Sequence[R | Problem] | Problem) -> dict[int, R | Problem]:
    if isinstance(reply, Problem):
        return {job.place: reply for job in batch.jobs}
    return {job.place: answer for job, answer in zip(batch.jobs, reply, strict=True)}
