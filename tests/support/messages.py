"""Messages as the poller sends them, for tests that care about one thing at a time."""

import hashlib
import json
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from snapshot_domain.model import DeviceId, TenantId
from snapshot_domain.secret import RawMessage

MORNING = datetime(2026, 4, 2, 6, 0, tzinfo=UTC)


def device(name: str) -> DeviceId:
    """The device of that name."""
    return DeviceId(uuid5(NAMESPACE_URL, f"device:{name}"))


def tenant(name: str) -> TenantId:
    """The tenant of that name."""
    return TenantId(uuid5(NAMESPACE_URL, f"tenant:{name}"))


def subject_of(device_id: UUID) -> str:
    """The subject that the poller publishes a device's snapshots on."""
    return f"config.snapshot.create.{device_id}"


def message(
    device_id: UUID,
    tenant_id: UUID,
    text: str,
    /,
    at: datetime | None = MORNING,
    **overrides: object,
) -> RawMessage:
    """A message collected `at`; `overrides` replace fields of its object, None leaves one out."""
    fields: dict[str, object] = {
        "device_id": str(device_id),
        "tenant_id": str(tenant_id),
        "config_text": text,
        "sha256_hash": hashlib.sha256(text.encode()).hexdigest(),
        "collected_at": at and at.isoformat().replace("+00:00", "Z"),
        "routeros_version": "7.16.2",
        "normalization_version": 1,
    }
    fields.update(overrides)
    present = {name: value for name, value in fields.items() if value is not None}
    return RawMessage(json.dumps(present).encode())
