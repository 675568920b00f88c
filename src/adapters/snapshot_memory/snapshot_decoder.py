"""SnapshotDecoder with the standard library alone: slow, and plain to read."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from snapshot_domain.model import DeviceId, Digest, Snapshot, TenantId
from snapshot_domain.outcome import MalformedReason
from snapshot_domain.secret import Configuration, RawMessage

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class MemorySnapshotDecoder:
    """Understands the poller's JSON as the contract with it says."""

    def decode(self, body: RawMessage) -> Snapshot | MalformedReason:
        """See SnapshotDecoder."""
        fields = _parse(body.reveal())
        if isinstance(fields, MalformedReason):
            return fields
        texts: dict[str, str] = {}
        for name in ("device_id", "tenant_id", "config_text", "sha256_hash"):
            if name not in fields:
                return MalformedReason.FIELD_MISSING
            value = fields[name]
            if not isinstance(value, str):
                return MalformedReason.FIELD_TYPE
            texts[name] = value
        if not _UUID.fullmatch(texts["device_id"]):
            return MalformedReason.DEVICE_ID
        if not _UUID.fullmatch(texts["tenant_id"]):
            return MalformedReason.TENANT_ID
        if not _DIGEST.fullmatch(texts["sha256_hash"]):
            return MalformedReason.DIGEST
        if not texts["config_text"]:
            return MalformedReason.TEXT_EMPTY
        content = _to_utf8(texts["config_text"])
        if content is None:
            return MalformedReason.TEXT_NOT_UNICODE
        return Snapshot(
            device_id=DeviceId(UUID(texts["device_id"])),
            tenant_id=TenantId(UUID(texts["tenant_id"])),
            digest=Digest(texts["sha256_hash"].lower()),
            collected_at=_to_time(fields.get("collected_at")),
            configuration=Configuration(content),
        )


def _parse(content: bytes) -> Mapping[str, object] | MalformedReason:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return MalformedReason.NOT_UTF8
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return MalformedReason.NOT_JSON
    return parsed if isinstance(parsed, dict) else MalformedReason.NOT_AN_OBJECT


def _to_utf8(text: str) -> bytes | None:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _to_time(value: object) -> datetime | None:
    """RFC 3339, cut to microseconds; None for anything else."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    date, time, fraction, zone = match.groups()
    microseconds = ((fraction or "") + "000000")[:6]
    try:
        parsed = datetime.fromisoformat(f"{date}T{time}.{microseconds}{zone.upper()}")
        return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
