"""MessageSource over NATS JetStream, and what an installation needs around it."""

from snapshot_nats.binding import SourceSettings
from snapshot_nats.client import SafeClient
from snapshot_nats.connection import ConnectionSettings, connect
from snapshot_nats.consumer import (
    DEFAULT_DURABLE,
    DEFAULT_FILTER,
    ConsumerNeeds,
    differences,
    ensure_consumer,
)
from snapshot_nats.event_publisher import EventPublisher
from snapshot_nats.events_stream import (
    DEFAULT_EVENTS_STREAM,
    STORED_SUBJECT,
    EventsStreamShape,
    ensure_events_stream,
)
from snapshot_nats.floor import floor_name
from snapshot_nats.handover import DEFAULT_PUSH_INBOX, Handover, Standing
from snapshot_nats.own_stream import DEFAULT_OWN_STREAM, OwnStreamShape, ensure_own_stream
from snapshot_nats.progress import ConsumerProgress, consumer_progress, messages_from
from snapshot_nats.publisher import SnapshotPublisher
from snapshot_nats.source import JetStreamSource
from snapshot_nats.stream import DEFAULT_STREAM, SUBJECTS, StreamShape, ensure_stream
from snapshot_nats.tls import TlsFiles

__all__ = [
    "DEFAULT_DURABLE",
    "DEFAULT_EVENTS_STREAM",
    "DEFAULT_FILTER",
    "DEFAULT_OWN_STREAM",
    "DEFAULT_PUSH_INBOX",
    "DEFAULT_STREAM",
    "STORED_SUBJECT",
    "SUBJECTS",
    "ConnectionSettings",
    "ConsumerNeeds",
    "ConsumerProgress",
    "EventPublisher",
    "EventsStreamShape",
    "Handover",
    "JetStreamSource",
    "OwnStreamShape",
    "SafeClient",
    "SnapshotPublisher",
    "SourceSettings",
    "Standing",
    "StreamShape",
    "TlsFiles",
    "connect",
    "consumer_progress",
    "differences",
    "ensure_consumer",
    "ensure_events_stream",
    "ensure_own_stream",
    "ensure_stream",
    "floor_name",
    "messages_from",
]
