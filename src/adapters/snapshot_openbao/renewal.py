"""When a token is renewed, when another one is asked for, and when there is nothing left to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from snapshot_domain.errors import Unavailable
from snapshot_openbao.errors import Problem, fault_of
from snapshot_openbao.grants import Grant

_AFTER = 2 / 3  # of the lease: what is left is time enough for an outage or a new login
_AWAY_AGAIN_AFTER = 1 / 20
_REFUSED_AGAIN_AFTER = 1 / 8  # a few logins that are refused, not many
_AT_LEAST_SECONDS = 1.0
_AWAY_AGAIN_AT_MOST_SECONDS = 30.0


async def keep_alive(
    grant: Grant,
    renew: Callable[[], Awaitable[Grant | Problem]],
    log_in: Callable[[], Awaitable[Problem | None]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Renews the token; returns when `log_in` has made another one, or when this one is dead.

    Another one is due after two thirds of a lease that is not renewed, or to less than it was
    granted for. Where that login is refused, the token is renewed as long as it gets any lease
    at all, and the login is tried again each time. While OpenBao is away it is asked again and
    again. The lease runs by the server's clock, so what is slept is real time unless `sleep`
    and `now` are given.
    """
    lease_seconds = grant.lease_seconds
    dies_at = now() + lease_seconds
    wait_seconds = lease_seconds * _AFTER
    while True:
        await sleep(max(wait_seconds, _AT_LEAST_SECONDS))
        renewed = await renew() if grant.is_renewable else None
        if passes(renewed):
            wait_seconds = _pause_seconds(lease_seconds)
            continue
        if isinstance(renewed, Grant) and renewed.lease_seconds:
            lease_seconds = renewed.lease_seconds
            dies_at = now() + lease_seconds
            wait_seconds = lease_seconds * _AFTER
            if lease_seconds >= grant.lease_seconds:
                continue
        else:
            wait_seconds = lease_seconds * _REFUSED_AGAIN_AFTER
        problem = await log_in()
        if passes(problem):
            wait_seconds = min(wait_seconds, _pause_seconds(lease_seconds))
        elif problem is None or now() >= dies_at:
            return


def passes(answer: object) -> bool:
    """Whether it is a problem that may pass by itself."""
    return isinstance(answer, Problem) and isinstance(fault_of(answer), Unavailable)


def _pause_seconds(lease_seconds: float) -> float:
    """How long to wait while OpenBao is away: a part of the lease, of which a third is left."""
    return min(
        max(lease_seconds * _AWAY_AGAIN_AFTER, _AT_LEAST_SECONDS), _AWAY_AGAIN_AT_MOST_SECONDS
    )
