"""When a token is renewed, and when that is not enough any more."""

import asyncio
from collections.abc import Awaitable, Callable

from snapshot_domain.errors import Unavailable
from snapshot_openbao.errors import Problem, fault_of
from snapshot_openbao.grants import Grant

_AFTER = 2 / 3  # of the lease: what is left is time enough for an outage or a new login
_TRY_AGAIN_AFTER = 1 / 20
_AT_LEAST_SECONDS = 1.0
_TRY_AGAIN_AT_MOST_SECONDS = 30.0


async def lease_runs_out(
    grant: Grant,
    renew: Callable[[], Awaitable[Grant | Problem]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Renews while that brings the whole lease; returns when a new login is due.

    That is after two thirds of a lease that is not renewed, or to less than it was granted for.
    While OpenBao is away it is asked again and again; a token that died meanwhile is refused.
    The lease runs by the server's clock, so what is slept is real time unless `sleep` is given.
    """
    wait_seconds = grant.lease_seconds * _AFTER
    while True:
        await sleep(max(wait_seconds, _AT_LEAST_SECONDS))
        if not grant.is_renewable:
            return
        answer = await renew()
        if passes(answer):
            wait_seconds = pause_seconds(grant)
        elif isinstance(answer, Grant) and answer.lease_seconds >= grant.lease_seconds:
            wait_seconds = answer.lease_seconds * _AFTER
        else:
            return


def passes(answer: object) -> bool:
    """Whether it is a problem that may pass by itself."""
    return isinstance(answer, Problem) and isinstance(fault_of(answer), Unavailable)


def pause_seconds(grant: Grant) -> float:
    """How long to wait after such a problem: a part of the lease, of which a third is left."""
    part = grant.lease_seconds * _TRY_AGAIN_AFTER
    return min(max(part, _AT_LEAST_SECONDS), _TRY_AGAIN_AT_MOST_SECONDS)
