"""Every `except` clause of the adapters, and which of them a run went through."""

import ast
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from attrs import field, frozen

ADAPTERS = Path(__file__).parents[2] / "src" / "adapters"
_WITHOUT_DRIVERS = "snapshot_conformance"


@frozen(order=True)
class Clause:
    """One clause, known by its module, its function and what it catches."""

    module: str
    function: str
    catches: str
    line: int = field(eq=False, order=False, default=0)

    def __str__(self) -> str:
        return f"{self.module} {self.function} except {self.catches}"


def clauses_below(folder: Path = ADAPTERS) -> Sequence[Clause]:
    """The clauses of all adapters, with the first line of what each does."""
    return [
        clause
        for path in sorted(folder.rglob("*.py"))
        if path.relative_to(folder).parts[0] != _WITHOUT_DRIVERS
        for clause in clauses_in(path.relative_to(folder).as_posix(), path.read_text("utf-8"))
    ]


def clauses_in(module: str, source: str) -> Iterator[Clause]:
    """The clauses of one module."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in _own_nodes(function):
                if isinstance(node, ast.ExceptHandler):
                    catches = "everything" if node.type is None else ast.unparse(node.type)
                    yield Clause(module, function.name, catches, node.body[0].lineno)


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """What is in the function, without what is in functions inside of it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own_nodes(child)


@contextmanager
def lines_run(folder: Path = ADAPTERS) -> Iterator[set[tuple[str, int]]]:
    """Fills, while the block runs, with the lines of the adapters that ran, in any new thread."""
    ran: set[tuple[str, int]] = set()
    root = f"{folder}/"

    def trace(frame: FrameType, event: str, _: object) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(root):
            return None
        if event == "line":
            ran.add((path.removeprefix(root), frame.f_lineno))
        return trace

    before = sys.gettrace()
    threading.settrace(trace)
    sys.settrace(trace)
    try:
        yield ran
    finally:
        sys.settrace(before)
        threading.settrace(before)
