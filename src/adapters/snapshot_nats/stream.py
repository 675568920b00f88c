"""The stream as the poller makes it, for installations where nobody has made it yet."""

from datetime import timedelta

from attrs import frozen
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import NotFoundError

from snapshot_domain.errors import Misconfigured
from snapshot_nats.client import SafeClient
from snapshot_nats.errors import NATS_FAULTS, ask, fault_of

DEFAULT_STREAM = "DEVICE_EVENTS"

SUBJECTS = (
    "device.status.>",
    "device.metrics.>",
    "device.interfaces.>",
    "device.firmware.>",
    "device.credential_changed.>",
    "config.changed.>",
    "config.snapshot.>",
    "config.push.rollback.>",
    "config.push.alert.>",
    "audit.session.end.>",
)
"""The ten families of subjects that share the stream; the poller owns this list."""

_MAX_AGE = timedelta(hours=24)
_MAX_BYTES = 64 * 1024 * 1024


@frozen
class StreamShape:
    """How the stream is made if it is missing. `max_bytes` is shared by all families."""

    name: str = DEFAULT_STREAM
    subjects: tuple[str, ...] = SUBJECTS
    max_age: timedelta = _MAX_AGE
    max_bytes: int = _MAX_BYTES


async def ensure_stream(client: SafeClient, shape: StreamShape | None = None) -> None:
    """Makes the stream if it is missing. An existing one is never altered, whatever its shape.

    Raises `Unavailable` when JetStream does not answer, `Misconfigured` when it refuses.
    """
    shape = shape or StreamShape()
    jetstream = client.jetstream()
    if await _find(jetstream, shape.name) is not None:
        return
    try:
        await jetstream.add_stream(_config(shape))
    except NATS_FAULTS as error:
        fault = fault_of(error, f"making the stream {shape.name}", client.denied)
    else:
        return
    # Somebody else may have made it in the meantime, in a shape of their own.
    if isinstance(fault, Misconfigured) and await _find(jetstream, shape.name) is not None:
        return
    raise fault


async def _find(jetstream: JetStreamContext, name: str) -> StreamInfo | None:
    return await ask(_found(jetstream, name), f"looking for the stream {name}")


async def _found(jetstream: JetStreamContext, name: str) -> StreamInfo | None:
    try:
        return await jetstream.stream_info(name)
    except NotFoundError:
        return None


def _config(shape: StreamShape) -> StreamConfig:
    return StreamConfig(
        name=shape.name,
        subjects=list(shape.subjects),
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        storage=StorageType.FILE,
        max_age=shape.max_age.total_seconds(),
        max_bytes=shape.max_bytes,
        num_replicas=1,
    )
