"""Makes a message of a configuration exactly as the poller does."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, final

import msgspec
from attrs import field, frozen

from snapshot_domain.model import DeviceId, TenantId
from snapshot_domain.secret import RawMessage, Secret

SUBJECT_PREFIX = "config.snapshot.create."
NORMALIZATION_VERSION = 1

# What "surrogateescape" makes of a byte that is not UTF-8: one of these for each.
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


@final
class PolledText(Secret):
    """A configuration as the device printed it: not always UTF-8."""

    __slots__ = ()


@frozen
class PolledFile:
    """What one poll of one device brought, and from where (a path, or another word for it).

    `collected_at` is UTC. `routeros_version` is None where the poller knows none.
    """

    device_id: DeviceId
    tenant_id: TenantId
    collected_at: datetime
    text: PolledText = field(eq=False)
    path: str
    routeros_version: str | None = None


class _Message(msgspec.Struct, kw_only=True):
    """The fields of the contract, in the order in which the poller writes them."""

    device_id: str
    tenant_id: str
    routeros_version: str | msgspec.UnsetType
    collected_at: str
    sha256_hash: str
    config_text: str
    normalization_version: int

    def __repr__(self) -> str:
        """Says nothing, because the fields hold content."""
        return "<_Message, sealed>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Says nothing either; msgspec's own would have rich list the fields."""
        return []


def message_of(polled: PolledFile) -> tuple[str, RawMessage]:
    """The subject and the body of the message for it.

    The digest is over the bytes as they are; only then does each byte that is not UTF-8
    become a U+FFFD in the text. So the digest of such a device's text differs, honestly.
    """
    content = polled.text.reveal()
    message = _Message(
        device_id=str(polled.device_id),
        tenant_id=str(polled.tenant_id),
        routeros_version=polled.routeros_version or msgspec.UNSET,
        collected_at=rfc3339(polled.collected_at),
        sha256_hash=hashlib.sha256(content).hexdigest(),
        config_text=text_as_sent(content),
        normalization_version=NORMALIZATION_VERSION,
    )
    return subject_of(polled.device_id), RawMessage(msgspec.json.encode(message))


def subject_of(device_id: DeviceId) -> str:
    """The subject under which a device's snapshots are published."""
    return f"{SUBJECT_PREFIX}{device_id}"


def rfc3339(moment: datetime) -> str:
    """The moment in UTC as the poller writes it: with a `Z`, and a fraction only if it has one."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def text_as_sent(content: bytes) -> str:
    """The text with one U+FFFD for each byte that is not UTF-8, like Go's JSON encoder.

    Python's own `errors="replace"` makes one of several bytes where they begin a character
    that never ends: the text would be shorter than what the poller sends.
    """
    try:
        return content.decode()
    except UnicodeDecodeError:
        pass
    return _ESCAPED_BYTE.sub("\N{REPLACEMENT CHARACTER}", content.decode(errors="surrogateescape"))
