"""The rule that content is revealed only where bytes must really be had: each module's reason."""

import ast
from collections.abc import Iterable, Iterator, Mapping

from secrecy_check.findings import Finding, Module

ALLOWED: Mapping[str, str] = {
    "snapshot_domain/model.py": "the digest is taken of the text",
    "snapshot_domain/digests.py": "the digest key goes into the HMAC",
    "adapters/snapshot_json/decoder.py": "JSON is read from the message's bytes",
    "adapters/snapshot_memory/snapshot_decoder.py": "the same, in memory",
    "adapters/snapshot_memory/cipher.py": "the plaintext is sealed",
    "adapters/snapshot_nats/publisher.py": "the poller's side: a message goes out",
    "adapters/snapshot_openbao/batches.py": "the plaintext goes into a request",
    "adapters/snapshot_openbao/compression.py": "what is compressed, or was",
    "adapters/snapshot_openbao/envelope_format.py": "AES-GCM takes bytes, of text and of key",
    "adapters/snapshot_openbao/formats.py": "what Transit opened becomes a configuration",
    "adapters/snapshot_openbao/sealed_body_format.py": "AES-GCM takes bytes, of message and of key",
    "entrypoints/snapshot_ingest/bench/contenders/unencrypted.py": "made-up text, not encrypted",
    "entrypoints/snapshot_ingest/bench/floors/data.py": "bare stages take the bytes",
    "entrypoints/snapshot_ingest/bench/latency.py": "the poller's side: a message goes out",
    "entrypoints/snapshot_ingest/bench/load.py": "the digest is taken of a text to publish",
    "entrypoints/snapshot_ingest/bench/texts.py": "texts to publish are made of others",
    "entrypoints/snapshot_ingest/cli/quarantine.py": "the command of that name is called",
    "entrypoints/snapshot_ingest/commands/quarantine.py": "`quarantine show --reveal` prints it",
    "entrypoints/snapshot_ingest/commands/show.py": "`show` prints it",
    "entrypoints/snapshot_ingest/poller.py": "the poller's side: a message is made",
    "entrypoints/snapshot_ingest/simulator/malformed.py": "a made-up message is spoilt",
    "adapters/snapshot_conformance/cipher.py": "a contract compares what was opened",
    "adapters/snapshot_conformance/cipher_service.py": "a contract compares what was opened",
    "adapters/snapshot_conformance/message_source.py": "a contract compares what was delivered",
    "adapters/snapshot_conformance/snapshot_decoder.py": "a contract compares what was decoded",
}
"""Which modules may, and why: an entry more is a decision that a reviewer sees."""


def reveals(module: Module, allowed: Mapping[str, str] = ALLOWED) -> Iterator[Finding]:
    """Each use of `reveal` in a module that is not on the list, also one by name or unbound."""
    if module.path in allowed:
        return
    for node in _uses(module.tree):
        yield module.finding(node, "reveals content, and is not on the list of modules that may")


def stale(modules: Iterable[Module], allowed: Mapping[str, str] = ALLOWED) -> Iterator[Finding]:
    """Each entry of the list for a module that is gone or reveals nothing."""
    used = {module.path for module in modules if any(_uses(module.tree))}
    for path in allowed:
        if path not in used:
            yield Finding(path, 0, "is on the list of modules that may reveal, and does not")


def _uses(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="reveal"):
                yield node
            case ast.Call(func=ast.Name(id="getattr" | "attrgetter" | "methodcaller"), args=args):
                if any(_says_reveal(argument) for argument in args):
                    yield node
            case ast.Attribute(attr=name) if "__content" in name:
                if not _is_self(node):
                    yield node


def _says_reveal(argument: ast.expr) -> bool:
    return isinstance(argument, ast.Constant) and "reveal" in str(argument.value)


def _is_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"
