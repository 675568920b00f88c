"""When a token is renewed, when another one is asked for, and when there is nothing left to do."""

from collections.abc import Sequence

import pytest
from attrs import define, field

from snapshot_openbao.errors import Problem
from snapshot_openbao.grants import Grant
from snapshot_openbao.renewal import keep_alive

HOUR = Grant("s.one", 3600, is_renewable=True)
LONGER = Grant("s.one", 7200)
SHORTER = Grant("s.one", 1800)
REFUSED = Problem.LOGIN_REFUSED


@define
class Story:
    """What renewals and logins are answered with, in order, and how long was waited each time."""

    grant: Grant
    renewals: list[Grant | Problem]
    logins: list[Problem | None]
    slept: list[float] = field(factory=list)
    now: float = 0.0

    async def told(self) -> Sequence[float]:
        """The waits until it ended; by then it asked for all the answers."""
        await keep_alive(self.grant, self.renew, self.log_in, self.sleep, lambda: self.now)
        assert not self.renewals
        assert not self.logins
        return self.slept

    async def renew(self) -> Grant | Problem:
        return self.renewals.pop(0)

    async def log_in(self) -> Problem | None:
        return self.logins.pop(0)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


async def waits(grant: Grant, *renewals: Grant | Problem) -> Sequence[float]:
    """The waits until the first login, which is answered with another token."""
    return await Story(grant, list(renewals), [None]).told()


async def test_it_renews_at_two_thirds_of_each_lease_as_granted_until_one_is_shorter() -> None:
    assert await waits(HOUR, HOUR, LONGER, SHORTER) == [2400, 2400, 4800]


async def test_a_lease_that_cannot_be_renewed_ends_at_two_thirds_without_being_asked_for() -> None:
    assert await waits(Grant("b.one", 3600)) == [2400]


@pytest.mark.parametrize("problem", [Problem.NO_ANSWER, Problem.SEALED, Problem.RATE_LIMITED])
async def test_while_openbao_is_away_it_is_asked_again_soon(problem: Problem) -> None:
    assert await waits(HOUR, problem, problem, HOUR, Problem.FORBIDDEN) == [2400, 30, 30, 2400]


@pytest.mark.parametrize("problem", [Problem.FORBIDDEN, Problem.INPUT_REFUSED, Problem.NOT_OPENBAO])
async def test_a_renewal_that_is_refused_is_followed_by_a_login_at_once(problem: Problem) -> None:
    assert await waits(HOUR, problem) == [2400]


async def test_while_openbao_is_away_a_login_is_tried_again_soon() -> None:
    story = Story(HOUR, [SHORTER, SHORTER, SHORTER], [Problem.SEALED, Problem.NO_ANSWER, None])
    assert await story.told() == [2400, 30, 30]


async def test_after_a_refused_login_one_odd_answer_does_not_end_renewal() -> None:
    story = Story(HOUR, [Problem.NO_MOUNT, HOUR, HOUR, SHORTER], [REFUSED, None])
    assert await story.told() == [2400, 450, 2400, 2400]


async def test_after_a_refused_login_a_shorter_lease_is_renewed_on_and_on() -> None:
    story = Story(HOUR, [SHORTER] * 4, [REFUSED, REFUSED, REFUSED, None])
    assert await story.told() == [2400, 1200, 1200, 1200]


async def test_after_refused_logins_it_ends_with_the_token() -> None:
    refusals = [Problem.FORBIDDEN] * 4
    story = Story(HOUR, [HOUR, *refusals], [REFUSED] * 4)
    assert await story.told() == [2400, 2400, 450, 450, 450]
    assert story.now > 2400 + 3600


async def test_after_refused_logins_a_token_that_cannot_be_renewed_is_left_to_its_end() -> None:
    assert await Story(Grant("b.one", 3600), [], [REFUSED] * 4).told() == [2400, 450, 450, 450]


async def test_a_lease_that_ends_for_good_is_used_up() -> None:
    shrinking: list[Grant | Problem] = [Grant("s.one", seconds) for seconds in (9, 3, 1)]
    story = Story(HOUR, [*shrinking, Problem.FORBIDDEN], [REFUSED] * 4)
    assert await story.told() == [2400, 6, 2, 1]


async def test_the_shortest_lease_makes_no_hot_loop() -> None:
    blink = Grant("s.one", 1, is_renewable=True)
    assert await waits(blink, Problem.SEALED, blink, Problem.FORBIDDEN) == [1, 1, 1]


def test_a_grant_does_not_show_its_token() -> None:
    assert "s.one" not in repr(HOUR)
