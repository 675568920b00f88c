"""Whatever a Python object shows is read: each way of hiding a secret in one is found."""

import logging
import sys
from collections.abc import Callable, Collection
from typing import Any

import pytest

from snapshot_conformance.secret_canary import SecretCanary
from snapshot_conformance.secret_canary_objects import (
    reachable_from,
    shown_by_error,
    shown_by_record,
)
from snapshot_domain.secret import Secret

_HERE = __name__


class _Hidden:
    """Shows nothing by itself, and keeps what it was given in a slot."""

    __slots__ = ("kept",)

    def __init__(self, kept: object) -> None:
        self.kept = kept

    def __repr__(self) -> str:
        return "<hidden>"


class _Pickled(Exception):
    """Shows its secret only once it is pickled."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return (_Pickled, (_PLANTED.text,))


class _Printed(Exception):
    """Shows its secret only in its text."""

    def __str__(self) -> str:
        return "".join(chr(ord(letter)) for letter in _PLANTED.text)


_PLANTED = SecretCanary()


def _with(error: BaseException, **attributes: object) -> BaseException:
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def _noted(text: str) -> BaseException:
    error = ValueError("x")
    error.add_note(text)
    return error


def _raised(secret: str, raise_it: Callable[[str], Any]) -> BaseException:
    try:
        raise_it(secret)
    except Exception as error:  # noqa: BLE001 - the subject
        return error
    raise AssertionError("it did not raise")


def _in_a_local(secret: str) -> None:
    kept_here = secret.upper()
    raise ValueError(len(kept_here))


def _in_a_context(secret: str) -> None:
    try:
        int(secret)
    except ValueError:
        raise RuntimeError("ours") from None


def _in_a_cause(secret: str) -> None:
    raise RuntimeError("ours") from ValueError([secret])


_WAYS: dict[str, Callable[[str], BaseException]] = {
    "arguments": lambda secret: ValueError({"deep": [secret]}),
    "bytes in arguments": lambda secret: ValueError(secret.encode()),
    "a view in arguments": lambda secret: ValueError(memoryview(secret.encode())),
    "an attribute": lambda secret: _with(ValueError("x"), request=secret),
    "an attribute's inside": lambda secret: _with(ValueError("x"), request=_Hidden([secret])),
    "a sealed secret in an attribute": lambda secret: _with(
        ValueError("x"), body=Secret(secret.encode())
    ),
    "a note": _noted,
    "its text alone": lambda _: _Printed(),
    "its pickled form alone": lambda _: _Pickled(),
    "a member of a group": lambda secret: ExceptionGroup("x", [TypeError(), ValueError(secret)]),
    "an error in its arguments": lambda secret: ValueError(ValueError(secret)),
    "an error in an attribute": lambda secret: _with(OSError("x"), reason=_noted(secret)),
    "a decoding error's document": lambda secret: UnicodeDecodeError(
        "utf-8", secret.encode(), 0, 1, "x"
    ),
    "its context": lambda secret: _raised(secret, _in_a_context),
    "its cause": lambda secret: _raised(secret, _in_a_cause),
}


@pytest.mark.parametrize("way", _WAYS)
def test_a_secret_in_an_error_is_found(way: str) -> None:
    shown = list(shown_by_error(_WAYS[way](_PLANTED.text), may_hold=[_HERE]))
    assert any(_PLANTED.is_in(content) for _, content in shown)
    clean = list(shown_by_error(_WAYS[way]("x" * 20), may_hold=[_HERE]))
    assert way.endswith("alone") or not any(_PLANTED.is_in(content) for _, content in clean)


def test_a_secret_in_a_local_is_found_except_where_a_frame_must_have_it() -> None:
    error = _raised(_PLANTED.text, _in_a_local)
    outer, inner = f"{_HERE}:_raised", f"{_HERE}:_in_a_local"
    inside = {f"local secret of {inner}", f"local kept_here of {inner}"}
    assert _found_in(error) == {*inside, f"local secret of {outer}"}
    assert _found_in(error, [outer]) == inside
    assert _found_in(error, [outer, inner]) == _found_in(error, [_HERE]) == set()


def _found_in(error: BaseException, may_hold: Collection[str] = ()) -> set[str]:
    return {how for how, content in shown_by_error(error, may_hold) if _PLANTED.is_in(content)}


def _record(message: str, *args: object, **extra: Any) -> logging.LogRecord:
    extra.setdefault("exc_info", None)
    return logging.getLogger().makeRecord("planted", 10, "here", 1, message, args, **extra)


@pytest.mark.parametrize(
    "record",
    [
        lambda secret: _record(f"text {secret}"),
        lambda secret: _record("args %s", secret),
        lambda secret: _record("an object's inside %s", _Hidden(secret)),
        lambda secret: _record("sealed %s", Secret(secret.encode())),
        lambda secret: _record("bad args %d", secret),
        lambda secret: _record("an error %s", ValueError(_Hidden(secret))),
        lambda secret: _record("extra", extra={"body": secret}),
        lambda secret: _record("by name %(x)s", {"x": secret}),
        lambda secret: _record(
            "with error", exc_info=(ValueError, _raised(secret, _in_a_context), None)
        ),
        lambda secret: _record("with a stack", sinfo=secret),
    ],
)
def test_a_secret_in_a_log_record_is_found(record: Callable[[str], logging.LogRecord]) -> None:
    shown = [content for _, content in shown_by_record(record(_PLANTED.text), [_HERE])]
    assert any(_PLANTED.is_in(content) for content in shown)
    clean = [content for _, content in shown_by_record(record("x" * 20), [_HERE])]
    assert not any(_PLANTED.is_in(content) for content in clean)


def test_what_is_reachable_ends_in_circles_and_enters_no_module() -> None:
    circle: list[object] = ["in a circle"]
    circle.append(circle)
    assert list(reachable_from(circle, sys, logging.getLogger())) == ["in a circle"]
