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

    def config(self) -> StreamConfig:
        """The stream to make."""
        return bounded(self.name, self.max_age, self.max_bytes).evolve(subjects=list(self.subjects))


def bounded(name: str, max_age: timedelta, max_bytes: int) -> StreamConfig:
    """A stream on disk that discards its oldest messages at these bounds, read or not."""
    return StreamConfig(
        name=name,
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        storage=StorageType.FILE,
        max_age=max_age.total_seconds(),
        max_bytes=max_bytes,
        num_replicas=1,
    )


async def ensure_stream(client: SafeClient, shape: StreamShape | None = None) -> None:
    """Makes the stream if it is missing. An existing one is never altered, whatever its shape.

    Raises `Unavailable` when JetStream does not answer, `Misconfigured` when it refuses.
    """
    shape = shape or StreamShape()
    await found_or_made(client, shape.name, shape.config())


async def found_or_made(client: SafeClient, name: str, config: StreamConfig) -> StreamInfo:
    """The stream of that name, made as `config` says if it is missing; raises as `ensure_stream`.

    One that exists may have another shape.
    """
    jetstream = client.jetstream()
    found = await _find(jetstream, name)
    if found is not None:
        return found
    try:
        return await jetstream.add_stream(config)
    except NATS_FAULTS as error:
        fault = fault_of(error, f"making the stream {name}")
    # Somebody else may have made it in the meantime, in a shape of their own.
    found = await _find(jetstream, name) if isinstance(fault, Misconfigured) else None
    if found is None:
        raise fault
    return found


async def _find(jetstream: JetStreamContext, name: str) -> StreamInfo | None:
    return await ask(_found(jetstream, name), f"looking for the stream {name}")


async def _found(jetstream: JetStreamContext, name: str) -> StreamInfo | None:
    try:
        return await jetstream.stream_info(name)
    except NotFoundError:
        return None
