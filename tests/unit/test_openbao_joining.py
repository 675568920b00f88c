"""What several callers want under one key shares a request, and each gets its own answers."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest
from attrs import define, field

from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import TenantKey
from snapshot_domain.secret import Secret
from snapshot_openbao.batches import Job, Limits
from snapshot_openbao.errors import Problem
from snapshot_openbao.joining import Joining
from support.waiting import until

ONE, OTHER = TenantKey(TenantId(uuid4())), TenantKey(TenantId(uuid4()))
SMALL = Limits(max_items=4)


@define
class Server:
    """Answers each request when it is let go, with what was in it."""

    requests: list[Sequence[Job[Secret]]] = field(factory=list)
    deadlines: list[float] = field(factory=list)
    gate: asyncio.Event = field(factory=asyncio.Event)
    fault: Exception | None = None

    async def send(
        self, jobs: Sequence[Job[Secret]], deadline: float
    ) -> dict[int, Ciphertext | Problem]:
        self.requests.append(jobs)
        self.deadlines.append(deadline)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return {job.place: Ciphertext(job.given.reveal().decode()) for job in jobs}

    @property
    def sizes(self) -> list[int]:
        """How many items each request had."""
        return [len(jobs) for jobs in self.requests]


def _jobs(key: TenantKey, *texts: str, first: int = 0) -> list[Job[Secret]]:
    return [Job(first + n, key, Secret(text.encode())) for n, text in enumerate(texts)]


async def test_what_waits_under_one_key_goes_together_and_everybody_gets_his_own() -> None:
    server = Server()
    joining = Joining(server.send, 1, SMALL)
    calls = [
        asyncio.create_task(joining.run(_jobs(ONE, f"{n}a", f"{n}b", first=10 * n), float(n)))
        for n in range(3)
    ]
    await until(lambda: len(server.requests) == 1)
    server.gate.set()
    answers = await asyncio.gather(*calls)
    assert server.sizes == [2, 4]  # the first went alone at once, the others had to wait
    assert server.deadlines == [0.0, 1.0]
    for n, answer in enumerate(answers):
        assert answer == {10 * n: Ciphertext(f"{n}a"), 10 * n + 1: Ciphertext(f"{n}b")}


async def test_no_more_requests_are_under_way_than_there_are_lanes() -> None:
    server = Server()
    joining = Joining(server.send, 2, SMALL)
    keys = [TenantKey(TenantId(uuid4())) for _ in range(5)]
    jobs = [Job(n, key, Secret(b"x")) for n, key in enumerate(keys)]
    call = asyncio.create_task(joining.run(jobs, 1.0))
    await until(lambda: len(server.requests) == 2)
    server.gate.set()
    assert sorted(await call) == [0, 1, 2, 3, 4]
    assert server.sizes == [1] * 5


async def test_a_request_takes_no_more_than_the_limits_but_never_splits_a_caller() -> None:
    server = Server()
    joining = Joining(server.send, 1, SMALL)
    calls = [asyncio.create_task(joining.run(_jobs(ONE, *"abc"), 1.0)) for _ in range(3)]
    server.gate.set()
    await asyncio.gather(*calls)
    assert server.sizes == [3, 3, 3]


async def test_keys_take_turns() -> None:
    server = Server()
    joining = Joining(server.send, 1, SMALL)
    calls = [
        asyncio.create_task(joining.run(_jobs(key, "x"), 1.0)) for key in (ONE, ONE, OTHER, ONE)
    ]
    server.gate.set()
    await asyncio.gather(*calls)
    assert [jobs[0].key for jobs in server.requests] == [ONE, ONE, OTHER]


async def test_a_cancelled_callers_jobs_are_not_begun_and_cost_nobody_else_his() -> None:
    server = Server()
    joining = Joining(server.send, 1, SMALL)
    first = asyncio.create_task(joining.run(_jobs(ONE, "first"), 1.0))
    gone = asyncio.create_task(joining.run(_jobs(ONE, "gone"), 1.0))
    stays = asyncio.create_task(joining.run(_jobs(ONE, "stays"), 1.0))
    await until(lambda: len(server.requests) == 1)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    server.gate.set()
    assert await first == {0: Ciphertext("first")}
    assert await stays == {0: Ciphertext("stays")}
    assert server.sizes == [1, 1]


async def test_what_the_request_raises_every_caller_of_it_is_told() -> None:
    server = Server(fault=ZeroDivisionError("odd"))
    joining = Joining(server.send, 1, SMALL)
    calls = [asyncio.create_task(joining.run(_jobs(ONE, "x"), 1.0)) for _ in range(3)]
    server.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ZeroDivisionError] * 3


async def test_nothing_to_do_asks_nobody() -> None:
    server = Server()
    assert await Joining(server.send, 1, SMALL).run([], 1.0) == {}
    assert server.requests == []
