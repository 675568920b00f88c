"""Steps that are never left half done, and tasks that must end."""

import asyncio

import pytest

from snapshot_domain.tasks import both, cancel, to_its_end, within


async def test_a_step_is_awaited_to_its_end_however_often_it_is_cancelled() -> None:
    gate, ended = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        await gate.wait()
        ended.set()

    task = asyncio.create_task(to_its_end(step()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_the_fault_of_a_step_is_raised() -> None:
    async def step() -> None:
        raise ValueError("its fault")

    with pytest.raises(ValueError, match="its fault"):
        await to_its_end(step())


class Stubborn:
    """A step that begins again when it is first cancelled."""

    def __init__(self) -> None:
        self.cancellations = 0
        self.begun = asyncio.Event()

    async def run(self) -> None:
        while True:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancellations += 1
                if self.cancellations == 2:
                    raise


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    step = Stubborn()
    task = asyncio.create_task(step.run())
    await step.begun.wait()
    await asyncio.wait_for(cancel(task), timeout=10)
    assert step.cancellations == 2
    assert task.done()


async def test_what_a_step_in_time_returns_or_raises_is_passed_on() -> None:
    async def returns() -> str:
        return "its result"

    async def raises() -> None:
        raise ValueError("its fault")

    assert await within(10, returns()) == "its result"
    with pytest.raises(ValueError, match="its fault"):
        await within(10, raises())


async def test_a_step_that_loses_the_cancellation_of_its_timeout_ends_all_the_same() -> None:
    step = Stubborn()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(within(0.01, step.run()), timeout=10)
    assert step.cancellations == 2


async def test_a_step_ends_with_the_cancellation_of_who_waits_for_it() -> None:
    step = Stubborn()
    task = asyncio.create_task(within(60, step.run()))
    await step.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=10)
    assert step.cancellations == 2


async def test_a_fault_at_the_end_of_a_cancelled_task_reaches_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails_when_cancelled() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("canary")

    task = asyncio.create_task(fails_when_cancelled())
    await asyncio.sleep(0)
    await cancel(task)
    del task
    assert "canary" not in caplog.text


async def test_two_steps_run_at_once_and_both_results_come_back() -> None:
    first_begun, second_begun = asyncio.Event(), asyncio.Event()

    async def first() -> str:
        first_begun.set()
        await second_begun.wait()
        return "one"

    async def second() -> int:
        second_begun.set()
        await first_begun.wait()
        return 2

    assert await asyncio.wait_for(both(first(), second()), timeout=10) == ("one", 2)


async def test_the_fault_of_one_of_two_steps_ends_the_other() -> None:
    step = Stubborn()

    async def fails() -> None:
        await step.begun.wait()
        raise ValueError("its fault")

    with pytest.raises(ValueError, match="its fault"):
        await asyncio.wait_for(both(step.run(), fails()), timeout=10)
    assert step.cancellations == 2


async def test_a_cancellation_ends_both_steps() -> None:
    steps = [Stubborn(), Stubborn()]
    task = asyncio.create_task(both(*(step.run() for step in steps)))
    for step in steps:
        await step.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=10)
    assert [step.cancellations for step in steps] == [2, 2]
