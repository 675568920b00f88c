"""What became of everything that was published, over all workers, at the end of `up`."""

import asyncio
import time
from datetime import timedelta

from attrs import asdict, evolve, frozen

from snapshot_domain.policy import OnRejected
from snapshot_domain.ports import QuarantineReason
from snapshot_ingest.settings import Settings
from snapshot_ingest.tally import Tally
from snapshot_nats import SafeClient, consumer_progress, messages_from
from snapshot_postgres import PostgresStatus

_CATCHES_UP_WITHIN = timedelta(seconds=2)
_LOOK_AGAIN_SECONDS = 0.05


@frozen
class Summary:
    """Messages by their final outcome.

    published = stored + unchanged + malformed + orphaned + refused, once the backlog is empty.
    """

    published: int
    stored: int
    unchanged: int
    malformed: int
    orphaned: int
    refused: int
    redelivered: int
    backlog: int
    seconds: float
    messages_per_second: float

    def as_dict(self) -> dict[str, float]:
        """The same as plain values, in this order."""
        return asdict(self)


@frozen
class _Figures:
    """What the stream and the database say at one moment."""

    deliveries: int
    pending: int
    unsettled: int
    last_sequence: int
    stored: int
    malformed: int
    orphaned: int
    refused: int


class Accounts:
    """Opened before anything is published, and closed when everything is settled.

    The stream says how many messages there were and how often they were delivered, the
    database what was stored and quarantined, by whichever worker. What was settled and is
    nothing else was unchanged: an unchanged message leaves no row of its own.
    """

    def __init__(
        self, client: SafeClient, status: PostgresStatus, settings: Settings, tally: Tally
    ) -> None:
        self._client = client
        self._status = status
        self._settings = settings
        self._tally = tally
        self._seconds = 0.0

    async def open(self) -> None:
        """Takes down how things stand before the first message."""
        self._before = await self._figures()
        self._opened_at = time.monotonic()

    def stop_clock(self) -> None:
        """The work is done; what is left is to stop, which is not counted."""
        self._seconds = time.monotonic() - self._opened_at

    async def close(self) -> Summary:
        """Compares with how things stand now.

        The server takes note of acknowledgements after it has confirmed their arrival: for a
        moment it still calls unsettled what this process has settled.
        """
        deadline = time.monotonic() + _CATCHES_UP_WITHIN.total_seconds()
        summary = await self._summary()
        while summary.unchanged < self._tally.unchanged and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            summary = await self._summary()
        return _counted_once(summary)

    async def _summary(self) -> Summary:
        seconds = self._seconds
        before, now = self._before, await self._figures()
        nats = self._settings.nats
        backlog_before = before.pending + before.unsettled
        arrived = await messages_from(
            self._client, nats.stream, nats.subject, before.last_sequence + 1
        )
        published = backlog_before + arrived
        stored = now.stored - before.stored
        malformed = now.malformed - before.malformed
        orphaned = now.orphaned - before.orphaned
        refused = now.refused - before.refused
        backlog = now.pending + now.unsettled
        unchanged = published - backlog - stored - malformed - orphaned - refused
        first_deliveries = published - now.pending - before.unsettled
        return Summary(
            published=published,
            stored=stored,
            unchanged=unchanged,
            malformed=malformed,
            orphaned=orphaned,
            refused=refused,
            redelivered=now.deliveries - before.deliveries - first_deliveries,
            backlog=backlog,
            seconds=round(seconds, 3),
            messages_per_second=round(published / seconds, 1) if seconds else 0.0,
        )

    async def _figures(self) -> _Figures:
        nats = self._settings.nats
        progress = await consumer_progress(self._client, nats.stream, nats.consumer)
        store = await self._status.read()
        quarantined = store.quarantined
        refusals = set(QuarantineReason) - {QuarantineReason.MALFORMED, QuarantineReason.ORPHAN}
        discarded = self._discarded()
        orphans_discarded = 0 if self._settings.orphan_grace else discarded.orphaned
        return _Figures(
            deliveries=progress.deliveries,
            pending=progress.pending,
            unsettled=progress.unsettled,
            last_sequence=progress.last_sequence,
            stored=store.snapshots,
            malformed=quarantined.get(QuarantineReason.MALFORMED, 0) + discarded.malformed,
            orphaned=quarantined.get(QuarantineReason.ORPHAN, 0)
            + orphans_discarded
            + discarded.given_up,
            refused=sum(quarantined.get(reason, 0) for reason in refusals) + discarded.refused,
        )

    def _discarded(self) -> Tally:
        """Discarded messages leave no trace; only this process's own are known."""
        return self._tally if self._settings.on_rejected is OnRejected.DISCARD else Tally()


def _counted_once(summary: Summary) -> Summary:
    """What was stored but could not be settled before the end comes again; it counts as stored."""
    twice = max(0, -summary.unchanged)
    return evolve(summary, unchanged=summary.unchanged + twice, backlog=summary.backlog - twice)
