"""What a take-over would do, or did, for a person and as JSON."""

import json
from collections.abc import Iterator

from attrs import asdict, evolve, frozen

from snapshot_ingest.takeover.finding import Deed, Situation
from snapshot_nats import Handover


@frozen(kw_only=True)
class Account:
    """The consumer that was found, and what comes of it.

    `found` is push, pull, or null where there was none; then the figures are null, too. Every
    sequence is the stream's. `start` is the first one that the new consumer may deliver, null
    where none is made. `done` says whether it was done; `rows_added` counts rows that the
    timelines did not know, null where nobody looked.
    """

    stream: str
    consumer: str
    deed: Deed
    start: int | None
    found: str | None = None
    listened_to: bool | None = None
    ack_floor: int | None = None
    delivered: int | None = None
    unsettled: int | None = None
    pending: int | None = None
    done: bool = False
    rows_added: int | None = None

    def as_json(self) -> str:
        """All of it, as one object in one line."""
        return json.dumps(asdict(self))

    def lines(self) -> Iterator[str]:
        """All of it, in sentences."""
        yield self._finding()
        if self.rows_added is not None:
            yield f"rows of others that were added to the timelines: {self.rows_added}"
        if self.deed is Deed.NOTHING:
            yield "nothing to do"
            return
        kind = "push" if self.deed is Deed.GO_BACK else "pull"
        made = "was made, and begins" if self.done else "would be made, and begin"
        yield f"the {kind} consumer {made} at sequence {self.start}"
        if not self.done and self.listened_to:
            yield "it cannot be done while somebody listens: stop that first"
        if not self.done:
            yield "nothing was changed; --yes does it"

    def _finding(self) -> str:
        if self.found is None:
            return f"there is no consumer {self.consumer} on {self.stream}, but its kept ack floor"
        ear = "somebody listens to it" if self.listened_to else "nobody listens to it"
        return (
            f"{self.found} consumer {self.consumer} on {self.stream}: {ear}; acknowledged up to "
            f"{self.ack_floor}, delivered up to {self.delivered}, {self.unsettled} of these not "
            f"settled, {self.pending} not delivered yet"
        )


def account_of(handover: Handover, situation: Situation, *, going_back: bool) -> Account:
    """What would be done in this situation."""
    account = Account(
        stream=handover.stream,
        consumer=handover.ours if going_back else handover.former,
        deed=situation.deed,
        start=situation.start,
    )
    standing = situation.standing
    if standing is None:
        return account
    return evolve(
        account,
        found="push" if standing.is_push else "pull",
        listened_to=standing.is_listened_to,
        ack_floor=standing.floor.sequence,
        delivered=standing.floor.delivered_sequence,
        unsettled=standing.unsettled,
        pending=standing.floor.pending,
    )
