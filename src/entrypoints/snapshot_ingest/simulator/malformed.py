"""Messages that are no snapshots: what a broken poller, or somebody else, might publish."""

import json
from collections.abc import Callable, Sequence
from random import Random

from snapshot_domain.secret import RawMessage


def spoiled(message: RawMessage, draw: Random) -> RawMessage:
    """The message with one thing wrong. Its secrets are still in most of them."""
    content = message.reveal()
    return RawMessage(_WAYS[draw.randrange(len(_WAYS))](content))


def _cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _in_a_list(content: bytes) -> bytes:
    return b"[" + content + b"]"


def _not_utf8(content: bytes) -> bytes:
    return content.replace(b"# software id", b"# \xff\xfe id", 1)


def _lone_surrogate(content: bytes) -> bytes:
    return content.replace(b"# software id", b"# \\ud800 id", 1)


def _without(name: str) -> Callable[[bytes], bytes]:
    def spoil(content: bytes) -> bytes:
        fields = json.loads(content)
        del fields[name]
        return json.dumps(fields).encode()

    return spoil


def _with(name: str, value: object) -> Callable[[bytes], bytes]:
    def spoil(content: bytes) -> bytes:
        return json.dumps(json.loads(content) | {name: value}).encode()

    return spoil


_WAYS: Sequence[Callable[[bytes], bytes]] = (
    _cut_off,
    _in_a_list,
    _not_utf8,
    _lone_surrogate,
    _without("device_id"),
    _without("config_text"),
    _with("device_id", "router-17"),
    _with("tenant_id", "x/../../sys/seal"),
    _with("sha256_hash", "0" * 63),
    _with("sha256_hash", 0),
    _with("config_text", ""),
    _with("config_text", ["/system identity"]),
)
