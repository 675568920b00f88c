"""The verdict of a soak: what stays is flat, what grows is not, however slowly."""

from random import Random

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from soak.__main__ import is_flat, lines_of
from soak.flatness import Course
from soak.sampling import Sample
from soak.soaking import Soaked

_SAMPLE = Sample(
    memory_mib=80.0,
    descriptors=16,
    threads=5,
    postgres_sessions=4,
    postgres_sockets=4,
    nats_sockets=1,
    openbao_sockets=4,
)


def test_a_figure_that_stays_is_flat() -> None:
    course = Course.of([16] * 30)
    assert course == Course(16, 16, 16, highest=16)
    assert course.is_flat(0)


def test_single_busy_moments_do_not_make_it_grow() -> None:
    values = [16, 16, 90, 16, 16, 16, 90, 16, 16, 16, 16, 90]
    assert Course.of(values).is_flat(0)


def test_noise_within_the_allowance_is_flat() -> None:
    draw = Random(1)
    assert Course.of([80 + draw.uniform(-3, 3) for _ in range(300)]).is_flat(4)


def test_one_more_with_each_fault_is_growth() -> None:
    values = [16 + number // 10 for number in range(300)]
    assert not Course.of(values).is_flat(6)


def test_what_falls_first_and_then_grows_is_growth() -> None:
    values = [90] * 10 + [60] * 10 + [80] * 10
    assert Course.of(values).rise == 20
    assert not Course.of(values).is_flat(16)


def test_what_falls_is_flat() -> None:
    assert Course.of([90] * 10 + [70] * 10 + [60] * 10).is_flat(0)


def test_the_middle_is_shown_though_the_end_decides() -> None:
    course = Course.of([60] * 10 + [75] * 11 + [62] * 10)
    assert course == Course(60, 75, 62, highest=75)
    assert course.is_flat(2)


@given(
    st.floats(1, 1e6), st.floats(0.01, 100), st.integers(6, 400), st.randoms(use_true_random=False)
)
def test_steady_growth_is_found_at_any_length(
    first: float, step: float, count: int, draw: Random
) -> None:
    values = [first + step * number + draw.uniform(0, step) for number in range(count)]
    assert not Course.of(values).is_flat(step * (count // 3 - 1))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_of_too_few_samples_nothing_is_said(count: int) -> None:
    with pytest.raises(ValueError, match="too few"):
        Course.of([1.0] * count)


@pytest.mark.parametrize(
    ("name", "rise"),
    [
        ("memory_mib", 20),
        ("descriptors", 8),
        ("threads", 4),
        ("postgres_sessions", 6),
        ("postgres_sockets", 6),
        ("nats_sockets", 2),
        ("openbao_sockets", 4),
    ],
)
def test_each_figure_that_grows_is_named_and_spoils_the_verdict(name: str, rise: int) -> None:
    samples = [
        evolve(_SAMPLE, **{name: getattr(_SAMPLE, name) + rise * number // 30})
        for number in range(60)
    ]
    assert is_flat([_SAMPLE] * 60)
    assert not is_flat(samples)
    growing = [line for line in lines_of(Soaked(samples=samples)) if "GROWS" in line]
    assert len(growing) == 1


@pytest.mark.parametrize(
    ("name", "highest"),
    [
        ("postgres_sessions", 9),
        ("postgres_sockets", 9),
        ("nats_sockets", 2),
        ("openbao_sockets", 5),
    ],
)
def test_what_is_above_its_bound_grows_though_it_falls_again(name: str, highest: int) -> None:
    samples = [_SAMPLE] * 60
    samples[30] = evolve(_SAMPLE, **{name: highest})
    assert not is_flat(samples)
