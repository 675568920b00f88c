"""Checks a message's fields, one by one, and makes a snapshot of them."""

import re
from uuid import UUID

import msgspec

from snapshot_domain.model import DeviceId, Digest, Snapshot, TenantId
from snapshot_domain.outcome import MalformedReason
from snapshot_domain.secret import Configuration, RawMessage
from snapshot_json.collected_at import collected_at_of
from snapshot_json.reading import Fields, fields_of, is_utf8

# Checked before UUID(), which also takes braces, "urn:uuid:" and hyphens anywhere.
_CANONICAL_UUID = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
)


class JsonSnapshotDecoder:
    """A SnapshotDecoder for the poller's JSON: one object with the fields of the contract.

    Ids and the digest may be in upper case. Fields that it does not need are ignored, and so
    is a `collected_at` that it cannot read: the snapshot then has none, but is not lost.
    """

    def decode(self, body: RawMessage) -> Snapshot | MalformedReason:
        """The snapshot in the body, or why there is none. Never raises."""
        content = body.reveal()
        fields = fields_of(content)
        if isinstance(fields, MalformedReason):
            return fields
        return _snapshot_of(fields, content)


def _snapshot_of(fields: Fields, content: bytes) -> Snapshot | MalformedReason:
    device_id, tenant_id = fields.device_id, fields.tenant_id
    digest_hex, text = fields.sha256_hash, fields.config_text
    # One condition and not a helper: it narrows the types, and this is the hot path.
    if not (
        isinstance(device_id, str)
        and isinstance(tenant_id, str)
        and isinstance(digest_hex, str)
        and isinstance(text, str)
    ):
        return _missing_or_mistyped(device_id, tenant_id, digest_hex, text)
    if not _CANONICAL_UUID.fullmatch(device_id):
        return MalformedReason.DEVICE_ID
    if not _CANONICAL_UUID.fullmatch(tenant_id):
        return MalformedReason.TENANT_ID
    digest = _digest_of(digest_hex)
    if digest is None:
        return MalformedReason.DIGEST
    if not text:
        return MalformedReason.TEXT_EMPTY
    configuration = _configuration_of(text)
    if configuration is None:
        return _why_no_unicode(content)
    return Snapshot(
        device_id=DeviceId(UUID(device_id)),
        tenant_id=TenantId(UUID(tenant_id)),
        digest=digest,
        collected_at=collected_at_of(fields.collected_at),
        configuration=configuration,
    )


def _missing_or_mistyped(*needed: object) -> MalformedReason:
    if any(value is msgspec.UNSET for value in needed):
        return MalformedReason.FIELD_MISSING
    return MalformedReason.FIELD_TYPE


def _digest_of(value: str) -> Digest | None:
    try:
        return Digest(value.lower())
    except ValueError:
        return None


def _configuration_of(text: str) -> Configuration | None:
    """None where the text holds a surrogate. The error, which holds the text, ends here."""
    try:
        return Configuration(text.encode())
    except UnicodeEncodeError:
        return None


def _why_no_unicode(content: bytes) -> MalformedReason:
    if is_utf8(content):
        return MalformedReason.TEXT_NOT_UNICODE
    return MalformedReason.NOT_UTF8
