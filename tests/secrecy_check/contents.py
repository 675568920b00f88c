"""The rule that nothing that holds content is made text of or logged: no secret, no body."""

import ast
from collections.abc import Iterator

from secrecy_check.findings import Finding, Module, shown_in

_HOLDING_NAMES = frozenset(
    {"body", "plaintext", "configuration", "content", "payload", "secret", "secret_id"}
    | {"token", "password", "raw_message", "config_text", "data"}
)
"""What a variable or an attribute that holds content or a credential is called here."""

_HOLDING_TYPES = frozenset(
    {"Secret", "Configuration", "RawMessage", "SecretText", "bytes", "bytearray", "memoryview"}
    | {"Delivery", "Msg", "Response", "Reply"}
)

_HARMLESS_CALLS = frozenset({"len", "type", "bool", "id"})


def shown_contents(module: Module) -> Iterator[Finding]:
    """Each expression that holds content, by its name or its annotation, where it is shown."""
    for scope in _scopes(module.tree):
        holding = _annotated_in(scope)
        for shown in shown_in(scope):
            for part in _parts_of(shown):
                if _holds(part, holding):
                    yield module.finding(part, f"shows {ast.unparse(part)}, which may hold content")


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    yield tree
    yield from (node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS))


_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def _annotated_in(scope: ast.AST) -> set[str]:
    """The names that the function's arguments and assignments give a type that holds content."""
    if not isinstance(scope, _FUNCTIONS):
        return set()
    names = set()
    for node in ast.walk(scope):
        match node:
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                if _types_in(annotation):
                    names.add(name)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                if _types_in(annotation):
                    names.add(name)
    return names


def _types_in(annotation: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id in _HOLDING_TYPES for node in ast.walk(annotation)
    )


def _parts_of(shown: ast.expr) -> Iterator[ast.expr]:
    """The expression and what it is made of, without what only counts or names."""
    match shown:
        case ast.Call(func=ast.Name(id=name)) if name in _HARMLESS_CALLS:
            return
        case ast.Call(func=ast.Attribute(value=receiver), args=arguments):
            for part in [receiver, *arguments]:
                yield from _parts_of(part)
            yield shown.func
        case ast.Attribute():
            yield shown
            # A figure or a class name of a secret is none: only the last word counts.
            if not isinstance(shown.value, ast.Name | ast.Attribute):
                yield from _parts_of(shown.value)
        case ast.Compare() | ast.Lambda():
            return
        case _:
            yield shown
            for child in ast.iter_child_nodes(shown):
                if isinstance(child, ast.expr):
                    yield from _parts_of(child)


def _holds(part: ast.expr, holding: set[str]) -> bool:
    match part:
        case ast.Name(id=name):
            return name in _HOLDING_NAMES or name in holding
        case ast.Attribute(attr=name):
            return name in _HOLDING_NAMES or name == "reveal"
    return False
