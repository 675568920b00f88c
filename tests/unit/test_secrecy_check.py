"""The static check finds each way of showing content, and leaves alone what shows none."""

import ast
from textwrap import dedent

import pytest

from secrecy_check.__main__ import SOURCES, findings_in, modules_below
from secrecy_check.contents import shown_contents
from secrecy_check.drivers import kept_errors, shown_errors, tracebacks
from secrecy_check.exceptions import without_exceptions
from secrecy_check.findings import Finding, Module
from secrecy_check.reveals import ALLOWED, reveals, stale


def _module(source: str, path: str = "adapters/snapshot_any/any.py") -> Module:
    return Module.of(path, dedent(source))


def test_the_sources_break_no_rule() -> None:
    modules = modules_below(SOURCES)
    assert len(modules) > 200
    assert sorted(without_exceptions(findings_in(modules))) == []


@pytest.mark.parametrize(
    "line",
    [
        "text = secret.reveal()",
        "how = secret.reveal",
        "text = Secret.reveal(secret)",
        "text = getattr(secret, 'reveal')()",
        "text = methodcaller('reveal')(secret)",
        "text = secret._Secret__content",
    ],
)
def test_content_is_revealed_only_in_the_modules_on_the_list(line: str) -> None:
    assert list(reveals(_module(line)))
    assert not list(reveals(_module(line), {"adapters/snapshot_any/any.py": "a reason"}))
    assert not list(reveals(_module("text = secret.size_bytes")))


def test_a_module_stays_on_no_list_for_nothing() -> None:
    reason = {"adapters/snapshot_any/any.py": "a reason"}
    assert not list(stale([_module("x = y.reveal()")], reason))
    assert list(stale([_module("x = y")], reason))
    assert list(stale([], reason))
    assert all(ALLOWED.values())


@pytest.mark.parametrize(
    "line",
    [
        'logger.debug("body %s", body)',
        'logger.debug("body %s", delivery.body)',
        '_log.info("%r", [plaintext])',
        'logging.getLogger("x").warning("%s", snapshot.configuration)',
        'logger.log(10, "%s", msg.data)',
        'logger.debug("%(x)s", {"x": token})',
        'logger.debug(f"{body!r}")',
        'x = f"{secret}"',
        'x = f"{body[:10]}"',
        'x = f"{body.decode()}"',
        'x = "%s" % body',
        'x = "%s %s" % (1, password)',
        'x = "{}".format(configuration)',
        'x = "{x}".format(x=payload)',
        "x = str(body)",
        "x = repr(self.content)",
        "print(plaintext)",
        "error.add_note(body)",
        'x = f"{given.reveal()}"',
        'x = f"{b64encode(body)}"',
        'warnings.warn(f"{body}")',
    ],
)
def test_content_by_its_name_is_not_shown(line: str) -> None:
    assert list(shown_contents(_module(line)))


@pytest.mark.parametrize(
    "annotation", ["bytes", "Secret", "RawMessage | None", "Sequence[Configuration]", "Msg"]
)
def test_content_by_its_type_is_not_shown(annotation: str) -> None:
    source = f"""
        async def any(given: {annotation}) -> str:
            return f"{{given}}"
        """
    assert list(shown_contents(_module(source)))
    assert not list(shown_contents(_module(source.replace(annotation, "int"))))


@pytest.mark.parametrize(
    "line",
    [
        'logger.debug("%d bytes", len(body))',
        'logger.debug("%d bytes", body.size_bytes)',
        'x = f"{type(secret).__name__}"',
        'x = f"{token_file}"',
        'x = f"the body is {size} bytes"',
        "x = json.dumps(body)",
        "self.body = body",
    ],
)
def test_a_size_and_a_class_may_be_shown(line: str) -> None:
    assert not list(shown_contents(_module(line)))


def _handling(*lines: str, kind: str = "OSError", name: str = "error") -> Module:
    return _module(
        "\n".join([f"try: work()\nexcept {kind} as {name}:", *(f"    {x}" for x in lines)])
    )


@pytest.mark.parametrize(
    "line",
    [
        'logger.warning("failed: %s", error)',
        'what = f"failed: {error}"',
        'what = f"failed: {error.args[0]}"',
        'what = f"failed: {error.strerror}"',
        'what = "failed: %s" % error',
        'what = "failed: {}".format(error)',
        "what = str(error)",
        "what = repr(error)",
        "print(error)",
        'what = f"{type(error).__name__}: {error}"',
        'what = f"{[error]}"',
    ],
)
def test_a_drivers_error_is_shown_by_its_class_alone(line: str) -> None:
    assert list(shown_errors(_handling(line)))
    assert list(shown_errors(_handling(line, kind="(asyncpg.PostgresError, Unavailable)")))
    assert not list(shown_errors(_handling(line, kind="Unavailable")))
    by_argument = f"def fault_of(error: Exception):\n    {line}"
    assert list(shown_errors(_module(by_argument)))
    assert not list(shown_errors(_module(by_argument.replace("Exception", "DependencyError"))))


@pytest.mark.parametrize(
    "line",
    [
        'logger.warning("failed: %s", type(error).__name__)',
        'what = f"failed: {type(error).__name__}"',
        'what = f"failed: {error.err_code or error.code}"',
        "what = str(error.sqlstate)",
        "fault = fault_of(error)",
    ],
)
def test_the_class_and_the_number_of_a_drivers_error_may_be_shown(line: str) -> None:
    assert not list(shown_errors(_handling(line)))


@pytest.mark.parametrize(
    "line",
    [
        "raise Unavailable('x')",
        "raise Unavailable('x') from error",
        "raise Unavailable('x') from None",
        "raise fault_of(error)",
        "if x: raise fault",
    ],
)
def test_no_error_of_ours_is_raised_while_a_drivers_is_handled(line: str) -> None:
    assert list(kept_errors(_handling(line)))
    outside = "try: work()\nexcept OSError as error: fault = fault_of(error)\nraise fault"
    assert not list(kept_errors(_module(outside)))
    assert not list(kept_errors(_handling("raise")))


def test_no_error_of_ours_has_a_cause_wherever_it_is_raised() -> None:
    assert list(kept_errors(_module("raise fault from kept")))


@pytest.mark.parametrize(
    "line",
    [
        'logger.exception("x")',
        'logger.error("x", exc_info=True)',
        'logger.error("x", exc_info=error)',
    ],
)
def test_no_traceback_is_logged(line: str) -> None:
    assert list(tracebacks(_module(line)))
    assert not list(tracebacks(_module('logger.error("x", exc_info=False)')))


def test_an_exception_without_use_is_a_finding() -> None:
    known = {("a.py", "shows x"): "a reason"}
    assert not list(without_exceptions([Finding("a.py", 3, "shows x")], known))
    assert list(without_exceptions([], known))
    assert list(without_exceptions([Finding("b.py", 3, "shows x")], known))


def test_a_rule_breaks_the_check_in_any_adapter_and_is_told_with_its_line() -> None:
    leak = _handling('logger.warning("failed: %s", error)')
    (finding,) = {each for each in findings_in([leak]) if each.line}
    assert str(finding) == (
        "adapters/snapshot_any/any.py:3: shows error, which may hold a request or a row"
    )
    assert isinstance(leak.tree, ast.Module)
