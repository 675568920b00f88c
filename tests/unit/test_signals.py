"""The first signal asks for an orderly stop, the second one cancels; then all is as before."""

import asyncio
import signal
from collections.abc import Callable
from signal import SIGINT, SIGTERM, Signals

import pytest

from snapshot_ingest.signals import first_of, stop_signals
from support.waiting import until

BOTH = pytest.mark.parametrize("number", [SIGINT, SIGTERM])


@BOTH
async def test_the_first_signal_asks_for_a_stop(number: Signals) -> None:
    with stop_signals() as stopping:
        assert not stopping.is_set()
        signal.raise_signal(number)
        await until(stopping.is_set)


@pytest.mark.parametrize(
    ("first", "second"), [(SIGINT, SIGINT), (SIGTERM, SIGTERM), (SIGTERM, SIGINT)]
)
async def test_a_second_signal_cancels_whoever_waits_for_the_stop(
    first: Signals, second: Signals
) -> None:
    seen = asyncio.Event()

    async def work() -> None:
        with stop_signals() as stopping:
            await stopping.wait()
            seen.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    signal.raise_signal(first)
    await until(seen.is_set)
    assert not working.cancelling()
    signal.raise_signal(second)
    await asyncio.wait([working], timeout=10)
    assert working.cancelled()


@BOTH
async def test_the_second_signal_is_told_before_it_cancels(number: Signals) -> None:
    seen, told = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        with stop_signals(at_second=told.set) as stopping:
            await stopping.wait()
            assert not told.is_set()
            seen.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    signal.raise_signal(number)
    await until(seen.is_set)
    signal.raise_signal(number)
    await asyncio.wait([working], timeout=10)
    assert told.is_set()


@BOTH
async def test_after_the_block_signals_are_nobodys_again(number: Signals) -> None:
    loop = asyncio.get_running_loop()
    with stop_signals():
        pass
    assert not loop.remove_signal_handler(number)


async def test_a_block_that_fails_gives_the_signals_back_too() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(ZeroDivisionError), stop_signals():
        raise ZeroDivisionError
    assert not loop.remove_signal_handler(SIGTERM)


async def _never() -> None:
    await asyncio.Event().wait()


async def _fail() -> None:
    raise ZeroDivisionError


async def _end() -> None:
    pass


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_it_returns_when_a_stop_is_asked_for_and_leaves_the_tasks_alone() -> None:
    stopping, task = asyncio.Event(), asyncio.create_task(_never())
    stopping.set()
    await first_of(stopping, task)
    assert not task.done()
    await _cancelled(task)


async def test_it_returns_when_one_task_ends() -> None:
    never = asyncio.create_task(_never())
    await first_of(asyncio.Event(), never, asyncio.create_task(_end()))
    assert not never.done()
    await _cancelled(never)


async def test_it_raises_what_a_task_raised() -> None:
    never = asyncio.create_task(_never())
    with pytest.raises(ZeroDivisionError):
        await first_of(asyncio.Event(), never, asyncio.create_task(_fail()))
    await _cancelled(never)


async def test_it_leaves_no_waiting_task_behind() -> None:
    before = asyncio.all_tasks()
    await first_of(asyncio.Event(), asyncio.create_task(_end()))
    gone: Callable[[], bool] = lambda: asyncio.all_tasks() <= before  # noqa: E731 - a condition
    await until(gone)
