"""All that can be read off an object of Python's: an error, a log record, an event, an adapter."""

import gc
import logging
import pickle
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import partial
from types import CodeType, FrameType, FunctionType, ModuleType, TracebackType
from typing import TypeAlias

Content: TypeAlias = bytes | str

_NOT_ENTERED = (
    type,
    ModuleType,
    FunctionType,
    CodeType,
    FrameType,
    TracebackType,
    logging.Logger,
    logging.Handler,
)


def reachable_from(*roots: object) -> Iterator[Content]:
    """Every bytes and str that can be reached from the objects, however deep.

    Modules, code, frames and loggers are not entered; frames are `shown_by_error`'s.
    """
    seen: dict[int, object] = {}
    todo: list[object] = list(roots)
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, _NOT_ENTERED):
            continue
        seen[id(one)] = one  # kept, or another object could get its id meanwhile
        if isinstance(one, str | bytes):
            yield one
        elif isinstance(one, bytearray | memoryview):
            with suppress(ValueError):  # a view may have been released
                yield bytes(one)
        else:
            todo.extend(gc.get_referents(one))


def shown_by_error(
    error: BaseException, may_hold: Collection[str] = ()
) -> Iterator[tuple[str, Content]]:
    """What the error shows, each with how: whatever a log, a report or a debugger could print.

    Its text, repr, arguments, notes and attributes, whatever can be reached from these, its
    pickled form, the traceback with the locals of its frames; and the same of its cause, its
    context and the members of a group. `may_hold` names the few frames that must have the
    secret at hand: `module` or `module:qualified.name`.
    """
    seen: set[int] = set()
    todo: list[BaseException] = [error]
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield from _shown_by_one(one, may_hold)
        todo.extend(_next_to(one))


def shown_by_record(
    record: logging.LogRecord, may_hold: Collection[str] = ()
) -> Iterator[tuple[str, Content]]:
    """What a log record shows: its line, its arguments and extras, and the error in it."""
    yield "line", _attempted(record.getMessage)
    attributes = dict(vars(record))
    exc_info = attributes.pop("exc_info", None)
    yield "attributes", _attempted(lambda: repr(attributes))
    for content in reachable_from(attributes):
        yield "attributes, inside", content
    errors = [exc_info[1] if isinstance(exc_info, tuple) else None, *_errors_in(record.args)]
    for error in errors:
        if error is not None:
            yield from shown_by_error(error, may_hold)


def _shown_by_one(error: BaseException, may_hold: Collection[str]) -> Iterator[tuple[str, Content]]:
    yield "str", _attempted(lambda: str(error))
    yield "repr", _attempted(lambda: repr(error))
    yield "arguments", _attempted(lambda: repr(error.args))
    yield "attributes", _attempted(lambda: repr(vars(error)))
    yield "traceback", "".join(traceback.format_exception_only(error))
    for content in reachable_from(error.args, vars(error)):
        yield "arguments and attributes, inside", content
    # Whether it can be pickled is its own affair.
    with suppress(Exception):
        yield "pickled", pickle.dumps(error)
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module, place = frame.f_globals.get("__name__", ""), _name_of(frame)
        if module not in may_hold and place not in may_hold:
            for name, value in frame.f_locals.items():
                yield f"local {name} of {place}", _attempted(partial(repr, value))


def _next_to(error: BaseException) -> Iterator[BaseException]:
    for other in (error.__cause__, error.__context__):
        if other is not None:
            yield other
    if isinstance(error, BaseExceptionGroup):
        yield from error.exceptions
    yield from _errors_in([*error.args, *vars(error).values()])


def _errors_in(values: object) -> Iterator[BaseException]:
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list | tuple):
        yield from (value for value in values if isinstance(value, BaseException))


def _name_of(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__', '')}:{frame.f_code.co_qualname}"


def _attempted(shown: Callable[[], str]) -> str:
    """The text, or nothing where making it fails: then nobody sees one either."""
    try:
        return shown()
    except Exception:  # noqa: BLE001 - anything may go wrong in another's __repr__
        return ""
