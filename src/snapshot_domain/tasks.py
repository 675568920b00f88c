"""What asyncio leaves to its users: steps that must not be left half done, tasks that must end."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_Other = TypeVar("_Other")

_ASK_AGAIN_SECONDS = 1.0


async def to_its_end(step: Awaitable[None]) -> None:
    """Awaits the step to its end, however often the caller is cancelled meanwhile.

    A cancellation is passed on once the step has ended.
    """
    task = asyncio.ensure_future(step)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        forget_fault_of(task)
        raise asyncio.CancelledError
    task.result()


async def cancel(*tasks: "asyncio.Future[Any]") -> None:
    """Cancels the tasks and returns when they have ended; what they raised is dropped.

    It asks again now and then, because a cancellation can be lost: Python 3.11's `wait_for`
    drops one that comes in the very tick in which its answer arrives.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_ASK_AGAIN_SECONDS)
    for task in tasks:
        forget_fault_of(task)


async def both(first: Awaitable[_Result], second: Awaitable[_Other]) -> tuple[_Result, _Other]:
    """What the two steps return, run at once; the first fault ends the other, and is raised.

    A TaskGroup would raise it in a group.
    """
    one, other = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        await asyncio.wait([one, other], return_when=asyncio.FIRST_EXCEPTION)
        for task in (one, other):
            if task.done():
                task.result()  # of two faults the first's is raised
        return one.result(), other.result()
    finally:
        await cancel(one, other)


async def within(seconds: float, step: Awaitable[_Result]) -> _Result:
    """What the step returns or raises; raises `TimeoutError` once it has taken so long.

    `wait_for` cancels once, and waits for ever on a step that loses it and tries again.
    """
    task = asyncio.ensure_future(step)
    try:
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return task.result()
    finally:
        await cancel(task)
    raise TimeoutError


def is_being_cancelled() -> bool:
    """Whether somebody cancels the current task.

    If not, its CancelledError is that of something it waited for: a fault like any other.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def forget_fault_of(task: "asyncio.Future[Any]") -> None:
    """Keeps asyncio from printing a fault, which may hold content, when the task is collected."""
    if not task.cancelled():
        task.exception()
