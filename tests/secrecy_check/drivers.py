"""The rules for a driver's error: it is named by its class, and travels with no error of ours.

It holds request bodies, tokens and rows, in its text, its attributes and its context.
"""

import ast
from collections.abc import Iterator

from secrecy_check.findings import Finding, Module, shown_in

_OURS = frozenset(
    {"SnapshotIngestError", "DependencyError", "Unavailable", "Contended", "RateLimited"}
    | {"Misconfigured", "Refused", "KeyMissing", "SubjectDenied"}
)
"""Errors that never hold content, as their classes promise."""

_HARMLESS = frozenset({"sqlstate", "constraint_name", "err_code", "code", "__name__"})
"""Numbers and names in a driver's error that hold no row."""

_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def shown_errors(module: Module) -> Iterator[Finding]:
    """Each driver's error of which more than its class's name is shown."""
    for scope, name in _driver_errors(module.tree):
        for shown in shown_in(scope):
            if _shows(shown, name):
                yield module.finding(shown, f"shows {name}, which may hold a request or a row")


def kept_errors(module: Module) -> Iterator[Finding]:
    """Each error of ours that is raised from a driver's, or while one is handled."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Raise(cause=ast.expr() as cause) if not _is_none(cause):
                yield module.finding(node, f"raises from {ast.unparse(cause)}, which travels along")
            case ast.ExceptHandler() if not _is_ours(node.type):
                for inner in _of_this_handler(node.body):
                    if isinstance(inner, ast.Raise) and inner.exc is not None:
                        yield module.finding(
                            inner, "raises inside `except`: what is handled becomes its context"
                        )


def tracebacks(module: Module) -> Iterator[Finding]:
    """Each log call that prints a traceback: its last line is the driver's text."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Attribute(value=receiver, attr="exception")):
                if "log" in ast.unparse(receiver).lower():
                    yield module.finding(node, "logs a traceback")
            case ast.keyword(arg="exc_info", value=value) if not _is_none(value):
                yield module.finding(value, "logs a traceback")


def _driver_errors(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Each name of a driver's error, and where it is at hand."""
    for node in ast.walk(tree):
        match node:
            case ast.ExceptHandler(name=str(name)) if not _is_ours(node.type):
                for statement in node.body:
                    yield statement, name
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
                    if _is_error(argument.annotation):
                        yield node, argument.arg


def _is_error(annotation: ast.expr | None) -> bool:
    """Whether the annotation names an error that is not of ours."""
    if annotation is None:
        return False
    names = [ast.unparse(node).rpartition(".")[2] for node in _names_in(annotation)]
    return any(name.endswith(("Error", "Exception")) and name not in _OURS for name in names)


def _names_in(annotation: ast.expr) -> list[ast.expr]:
    return [node for node in ast.walk(annotation) if isinstance(node, ast.Name | ast.Attribute)]


def _is_ours(kind: ast.expr | None) -> bool:
    """Whether the clause catches errors of ours alone."""
    if kind is None:
        return False
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return all(ast.unparse(each) in _OURS for each in kinds)


def _shows(shown: ast.expr, error: str) -> bool:
    """Whether the error itself is in what is shown: not its class, nor a number of it."""
    match shown:
        case ast.Call(func=ast.Name(id="type" | "isinstance")):
            return False
        case ast.Attribute(attr=name) if name in _HARMLESS:
            return False
        case ast.Name(id=name):
            return name == error
    return any(
        _shows(child, error) for child in ast.iter_child_nodes(shown) if isinstance(child, ast.expr)
    )


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and not value.value


def _of_this_handler(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """What runs while the handler does: not what a function defined there does later."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, _FUNCTIONS | ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))
