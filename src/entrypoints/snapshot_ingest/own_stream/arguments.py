"""What a person types to size a stream for snapshots alone, checked."""

from datetime import timedelta

from attrs import frozen
from typed_settings.converters import to_timedelta

from snapshot_ingest.command_errors import UsageError
from snapshot_ingest.own_stream.size import ExpectedLoad
from snapshot_ingest.settings import NatsSettings
from snapshot_nats import DEFAULT_OWN_STREAM, OwnStreamShape


@frozen(kw_only=True)
class OwnStreamArguments:
    """The options of `provision --own-stream` as they were typed."""

    shared_stream: str
    outage: str
    max_bytes: int | None
    devices: int | None
    snapshot_bytes: int
    poll_interval: str

    def shape(self, settings: NatsSettings) -> OwnStreamShape:
        """The stream that they ask for, under the name of `nats.stream`. Raises `UsageError`."""
        if settings.stream == self.shared_stream:
            raise UsageError(
                f"nats.stream names the shared stream {self.shared_stream}",
                expected=f'the name of the own one, such as nats.stream = "{DEFAULT_OWN_STREAM}"',
            )
        outage = _duration("--outage", self.outage)
        return OwnStreamShape(
            name=settings.stream,
            shared=self.shared_stream,
            filter_subject=settings.subject,
            max_age=outage,
            max_bytes=self._bytes_within(outage),
        )

    def _bytes_within(self, outage: timedelta) -> int:
        if (self.max_bytes is None) == (self.devices is None):
            raise UsageError(
                "it is not clear how large the stream is to be",
                expected="--max-bytes, or --devices to have it reckoned; one of the two",
            )
        if self.devices is None:
            return self.max_bytes or 0
        load = ExpectedLoad(
            devices=self.devices,
            snapshot_bytes=self.snapshot_bytes,
            poll_interval=_duration("--poll-interval", self.poll_interval),
        )
        return load.bytes_within(outage)


def _duration(option: str, text: str) -> timedelta:
    try:
        duration = to_timedelta(text, timedelta)
    except (ValueError, OverflowError):
        duration = timedelta(0)
    if duration <= timedelta(0):
        raise UsageError(f"{option} {text!r} is no positive duration", expected="one such as 24h")
    return duration
