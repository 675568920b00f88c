"""The plan of chaos is the seed's alone, and leaves no kind of fault out."""

from collections import Counter

import pytest

from chaos.faults import FAULTS
from chaos.plan import FaultKind, Target, plan_of

_KINDS = len(FaultKind)


def test_a_seed_is_one_plan_and_another_seed_is_another() -> None:
    assert plan_of(7, 40) == plan_of(7, 40)
    assert plan_of(7, 40) != plan_of(8, 40)


def test_a_longer_plan_begins_like_a_shorter_one() -> None:
    assert plan_of(7, 40)[:9] == plan_of(7, 9)


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_comes_once_before_any_comes_again(seed: int) -> None:
    plan = plan_of(seed, 3 * _KINDS)
    rounds = [plan[first : first + _KINDS] for first in range(0, 3 * _KINDS, _KINDS)]
    assert all({strike.kind for strike in each} == set(FaultKind) for each in rounds)


@pytest.mark.parametrize("seed", range(20))
def test_every_server_loses_its_connections_in_every_way_within_nine_rounds(seed: int) -> None:
    aimed = [strike for strike in plan_of(seed, 9 * _KINDS) if strike.name != strike.kind.value]
    assert Counter(strike.kind for strike in aimed) == dict.fromkeys(
        (FaultKind.LINKS_CUT, FaultKind.LINKS_REFUSED, FaultKind.LINKS_DELAYED), 9
    )
    assert set(Counter(strike.target for strike in aimed).values()) == {27 // len(Target)}


def test_every_kind_can_strike() -> None:
    assert set(FAULTS) == set(FaultKind)
