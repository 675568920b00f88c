"""What the rules say of one module, and what they have in common."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from attrs import frozen


@frozen(order=True)
class Finding:
    """A rule that a line breaks."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@frozen
class Module:
    """One module's text as a tree; the path is relative to the folder of all sources."""

    path: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, source: str) -> "Module":
        """The module, parsed."""
        return cls(path, ast.parse(source))

    @property
    def is_adapter(self) -> bool:
        """Whether it meets a driver."""
        parts = PurePosixPath(self.path).parts
        return parts[0] == "adapters" and parts[1] != "snapshot_conformance"

    def finding(self, node: ast.AST, what: str) -> Finding:
        """The rule, broken where the node stands."""
        return Finding(self.path, getattr(node, "lineno", 0), what)


_LOG_METHODS = frozenset(
    {"debug", "info", "warning", "error", "critical", "exception", "log", "warn", "fatal"}
)
_SHOWING = frozenset({"str", "repr", "print", "format", "ascii", "warn", "pformat", "pprint"})


def shown_in(tree: ast.AST) -> Iterator[ast.expr]:
    """Every expression that is made text of, or given to a log."""
    for node in ast.walk(tree):
        match node:
            case ast.FormattedValue(value=value):
                yield value
            case ast.BinOp(left=ast.Constant(value=str()), op=ast.Mod(), right=right):
                yield from right.elts if isinstance(right, ast.Tuple) else [right]
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str()), attr="format")):
                yield from _arguments(node)
            case ast.Call(func=ast.Attribute(attr=name)) if _is_logging(node, name):
                yield from _arguments(node)
            case ast.Call(func=ast.Name(id=name)) if name in _SHOWING:
                yield from _arguments(node)
            case ast.Call(func=ast.Attribute(attr="add_note")):
                yield from _arguments(node)


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    yield from call.args
    yield from (keyword.value for keyword in call.keywords)


def _is_logging(call: ast.Call, method: str) -> bool:
    """Whether it is a call of a logger, whatever its variable is called."""
    if method not in _LOG_METHODS or not isinstance(call.func, ast.Attribute):
        return False
    receiver = ast.unparse(call.func.value).lower()
    return "log" in receiver or "warnings" in receiver
