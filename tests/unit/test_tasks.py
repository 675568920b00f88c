"""Steps that are never left half done, and tasks that must end."""

import asyncio

import pytest

from snapshot_domain.tasks import cancel, to_its_end


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


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost == 2:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(cancel(task), timeout=10)
    assert lost == 2
    assert task.done()


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
