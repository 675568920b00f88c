"""What must become of an input, by the contract's words and the standard library alone.

It shares no code with the decoder, and never looks at what that did.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import NoReturn, TypeAlias
from uuid import UUID

from attrs import field, frozen

from snapshot_domain.outcome import MalformedReason

_NEEDED = ("device_id", "tenant_id", "sha256_hash", "config_text")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")

_FORMS = (
    ("device_id", _UUID, MalformedReason.DEVICE_ID),
    ("tenant_id", _UUID, MalformedReason.TENANT_ID),
    ("sha256_hash", _DIGEST, MalformedReason.DIGEST),
    ("config_text", re.compile(".+", re.DOTALL), MalformedReason.TEXT_EMPTY),
)

_MAYBE_TOO_DEEP = 100
"""From so many opening brackets on a decoder may say that it is too deep; where is its own."""


@frozen
class Sound:
    """It is a snapshot, of this device, this tenant and this text."""

    device_id: UUID
    tenant_id: UUID
    digest: str
    text: bytes = field(repr=False)

    @property
    def is_digest_of_text(self) -> bool:
        """Whether the digest is that of the text."""
        return hashlib.sha256(self.text).hexdigest() == self.digest


@frozen
class Unsound:
    """It is none, for this reason."""

    reason: MalformedReason


Judgement: TypeAlias = Sound | Unsound


def may_be_too_deep(content: bytes) -> bool:
    """Whether a decoder may refuse it for its depth, whatever else it is."""
    return content.count(b"[") + content.count(b"{") > _MAYBE_TOO_DEEP


def judged(content: bytes) -> Judgement:
    """What the input is."""
    try:
        text = content.decode(errors="surrogateescape")
        value = json.loads(text, parse_int=len, parse_float=len, parse_constant=_refused)
    except RecursionError:
        return Unsound(MalformedReason.TOO_DEEP)
    except ValueError:
        return Unsound(MalformedReason.NOT_JSON if _is_utf8(content) else MalformedReason.NOT_UTF8)
    if not isinstance(value, dict):
        return Unsound(MalformedReason.NOT_AN_OBJECT)
    return _judged_members(value, content)


def _judged_members(members: Mapping[str, object], content: bytes) -> Judgement:
    if any(name not in members for name in _NEEDED):
        return Unsound(MalformedReason.FIELD_MISSING)
    texts = {name: value for name in _NEEDED if isinstance(value := members[name], str)}
    if len(texts) < len(_NEEDED):
        return Unsound(MalformedReason.FIELD_TYPE)
    for name, pattern, reason in _FORMS:
        if not pattern.fullmatch(texts[name]):
            return Unsound(reason)
    if any("\ud800" <= character <= "\udfff" for character in set(texts["config_text"])):
        utf8 = _is_utf8(content)
        return Unsound(MalformedReason.TEXT_NOT_UNICODE if utf8 else MalformedReason.NOT_UTF8)
    return Sound(
        UUID(texts["device_id"]),
        UUID(texts["tenant_id"]),
        texts["sha256_hash"].lower(),
        texts["config_text"].encode(),
    )


def _is_utf8(content: bytes) -> bool:
    return content == content.decode(errors="ignore").encode()


def _refused(_: str) -> NoReturn:
    raise ValueError("no JSON")
