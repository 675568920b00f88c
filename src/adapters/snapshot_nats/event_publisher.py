"""A SnapshotListener that publishes an event for each stored snapshot."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, timedelta

from nats.js.errors import NoStreamResponseError

from snapshot_domain.errors import Dependency, DependencyError, Unavailable
from snapshot_domain.ports import SnapshotNotice
from snapshot_nats.client import SafeClient
from snapshot_nats.connection import ConnectionSettings, connect, end_connection
from snapshot_nats.errors import NATS_FAULTS, PROVISION, fault_of
from snapshot_nats.events_stream import STORED_SUBJECT
from snapshot_nats.refusals import misconfigured

SCHEMA_VERSION = 1
_IN_FLIGHT_AT_MOST = 64
_CLOSE_TIMEOUT = timedelta(seconds=2)


class EventPublisher:
    """Publishes on a stream of its own, each event with the snapshot's id as its message id.

    So an event that is published again soon after is there once. With `plain_digests` false, a
    digest that is not keyed is left out.
    """

    def __init__(
        self,
        connection: ConnectionSettings,
        stream: str,
        *,
        plain_digests: bool,
        answer_timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._plain_digests = plain_digests
        self._answer_timeout = answer_timeout
        self._client: SafeClient | None = None

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        """Returns when the stream has acknowledged all of them, in their order.

        Raises `Unavailable` or `Misconfigured`; some may have been published then.
        """
        client = await self._connected()
        for first in range(0, len(notices), _IN_FLIGHT_AT_MOST):
            window = notices[first : first + _IN_FLIGHT_AT_MOST]
            answers = await asyncio.gather(
                *(self._publish(client, notice) for notice in window), return_exceptions=True
            )
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer

    async def close(self) -> None:
        """Ends the connection. It is made again by the next event."""
        client, self._client = self._client, None
        if client is not None:
            await end_connection(client, _CLOSE_TIMEOUT)

    async def _connected(self) -> SafeClient:
        if self._client is None or self._client.is_closed:
            self._client = await connect(self._connection)
        if not self._client.is_connected:
            if self._client.refusal is not None:
                raise misconfigured(self._client.refusal)
            raise Unavailable(
                Dependency.SOURCE,
                "not connected to NATS, to publish events",
                next_step="it reconnects by itself; see whether the server is up",
            )
        return self._client

    async def _publish(self, client: SafeClient, notice: SnapshotNotice) -> None:
        subject = f"{STORED_SUBJECT}.{notice.key.tenant_id}.{notice.key.device_id}"
        jetstream = client.jetstream(timeout=self._answer_timeout.total_seconds())
        try:
            # Another stream that takes the subject is not to be content with it.
            await jetstream.publish(
                subject,
                event_body(notice, plain_digests=self._plain_digests),
                stream=self._stream,
                headers={"Nats-Msg-Id": str(notice.snapshot_id)},
            )
        except NoStreamResponseError:
            fault: DependencyError = self._no_stream()
        except NATS_FAULTS as error:
            fault = fault_of(error, "publishing an event")
        else:
            return
        raise fault

    def _no_stream(self) -> Unavailable:
        return Unavailable(
            Dependency.SOURCE,
            f"no stream takes events; expected {self._stream}",
            next_step=f"if it is not there, {PROVISION} with events.enabled = true",
        )


def event_body(notice: SnapshotNotice, *, plain_digests: bool) -> bytes:
    """The event as JSON. What is not known is null, and fields may be added."""
    key, digest_key_id = notice.key, notice.digest_key_id
    may_tell_digest = plain_digests or digest_key_id is not None
    fields = {
        "schema_version": SCHEMA_VERSION,
        "snapshot_id": str(notice.snapshot_id),
        "tenant_id": str(key.tenant_id),
        "device_id": str(key.device_id),
        "previous_id": None if notice.previous_id is None else str(notice.previous_id),
        "next_id": None if notice.next_id is None else str(notice.next_id),
        "collected_at": key.collected_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "digest": key.digest.hex if may_tell_digest else None,
        "digest_key_id": None if digest_key_id is None else str(digest_key_id),
        "plaintext_bytes": notice.plaintext_bytes,
        "stored_bytes": notice.stored_bytes,
        "format": notice.format,
    }
    return json.dumps(fields, separators=(",", ":")).encode()
