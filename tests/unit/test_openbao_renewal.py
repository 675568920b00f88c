"""When a token is renewed, and when a new login is due."""

from collections.abc import Sequence

import pytest

from snapshot_openbao.errors import Problem
from snapshot_openbao.grants import Grant
from snapshot_openbao.renewal import lease_runs_out, pause_seconds

HOUR = Grant("s.one", 3600, is_renewable=True)


async def waits(grant: Grant, *answers: Grant | Problem) -> Sequence[float]:
    """How long it waited each time until a new login was due, if renewal is answered like this."""
    slept: list[float] = []
    left = list(answers)

    async def renew() -> Grant | Problem:
        return left.pop(0)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    await lease_runs_out(grant, renew, sleep)
    assert not left
    return slept


async def test_it_renews_at_two_thirds_of_each_lease_as_granted_until_one_is_shorter() -> None:
    shorter, longer = Grant("s.one", 3599, is_renewable=True), Grant("s.one", 7200)
    assert await waits(HOUR, HOUR, longer, shorter) == [2400, 2400, 4800]


async def test_a_lease_that_cannot_be_renewed_ends_at_two_thirds_without_being_asked_for() -> None:
    assert await waits(Grant("b.one", 3600)) == [2400]


@pytest.mark.parametrize("problem", [Problem.NO_ANSWER, Problem.SEALED, Problem.RATE_LIMITED])
async def test_while_openbao_is_away_it_is_asked_again_soon(problem: Problem) -> None:
    assert await waits(HOUR, problem, problem, HOUR, Problem.FORBIDDEN) == [2400, 30, 30, 2400]


@pytest.mark.parametrize("problem", [Problem.FORBIDDEN, Problem.INPUT_REFUSED, Problem.NOT_OPENBAO])
async def test_a_renewal_that_is_refused_is_not_tried_again(problem: Problem) -> None:
    assert await waits(HOUR, problem) == [2400]


async def test_the_shortest_lease_makes_no_hot_loop() -> None:
    blink = Grant("s.one", 1, is_renewable=True)
    assert await waits(blink, Problem.SEALED, blink, Problem.FORBIDDEN) == [1, 1, 1]
    assert pause_seconds(blink) == 1


def test_a_grant_does_not_show_its_token() -> None:
    assert "s.one" not in repr(HOUR)
