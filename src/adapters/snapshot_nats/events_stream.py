"""The stream of events: what was stored, for whoever wants to know, without its content."""

from datetime import timedelta

from attrs import frozen
from nats.js.api import StreamConfig

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_nats.client import SafeClient
from snapshot_nats.stream import bounded, found_or_made

DEFAULT_EVENTS_STREAM = "SNAPSHOT_EVENTS"
STORED_SUBJECT = "snapshot_ingest.stored"
"""The subject of an event goes on with the tenant's and the device's id."""


@frozen(kw_only=True)
class EventsStreamShape:
    """A stream that takes our events and nothing else, and discards the oldest at its bounds."""

    name: str = DEFAULT_EVENTS_STREAM
    max_age: timedelta
    max_bytes: int

    def config(self) -> StreamConfig:
        """The stream to make."""
        return bounded(self.name, self.max_age, self.max_bytes).evolve(
            subjects=[f"{STORED_SUBJECT}.>"]
        )


async def ensure_events_stream(client: SafeClient, shape: EventsStreamShape) -> None:
    """Makes the stream if it is missing; an existing one is compared and never altered.

    Its bounds may be others. Raises `Misconfigured` if it takes other messages, or JetStream
    refuses, and `Unavailable` when JetStream does not answer.
    """
    config = shape.config()
    found = (await found_or_made(client, shape.name, config)).config
    if found.subjects != config.subjects or found.sources or found.mirror:
        raise Misconfigured(
            Dependency.SOURCE,
            f"there is a stream {shape.name} already that takes other messages",
            expected=f"{STORED_SUBJECT}.> as its only subject",
            next_step="choose another name for events.stream, or delete that stream if it is not "
            "needed",
        )
