"""Which consumers there are, and what there is to do about them."""

from enum import StrEnum

from attrs import frozen

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_domain.ports import Clock
from snapshot_ingest.takeover.errors import TakeOverError
from snapshot_nats import Handover, Standing


class Deed(StrEnum):
    """What a take-over, or its undoing, has to do."""

    TAKE_OVER = "take over"
    GO_BACK = "go back"
    FINISH = "finish"
    NOTHING = "nothing"


@frozen
class Situation:
    """What was found. `standing` is the consumer that makes way or, if none does, that is there.

    `start` is the first sequence that the other consumer may deliver, None where none is made.
    """

    deed: Deed
    standing: Standing | None
    start: int | None


async def find_for_take_over(handover: Handover, clock: Clock) -> Situation:
    """Whether the former subscriber's consumer is there to be taken over.

    Raises `TakeOverError` where there is nothing to take over, or where that would pass over
    messages; `Misconfigured` if there is no stream, and `Unavailable`.
    """
    await _require_published(handover)
    former = await handover.look(handover.former, clock.now())
    if former is not None and former.is_push:
        _require_trustworthy(handover.former, former)
        return Situation(Deed.TAKE_OVER, former, await _start(handover, former))
    if former is not None and handover.former != handover.ours:
        raise TakeOverError(
            f"the consumer {handover.former} is no push consumer",
            expected="that of the former subscriber",
            next_step="name it with --consumer",
        )
    ours = await handover.look(handover.ours, clock.now())
    if ours is not None and ours.is_push:
        raise TakeOverError(
            f"there is a push consumer {handover.ours} of our consumer's name",
            next_step=f"take it over with --consumer {handover.ours}",
        )
    if ours is not None:
        return Situation(Deed.NOTHING, ours, None)
    return Situation(Deed.FINISH, None, await _kept_start(handover, handover.former))


async def find_for_going_back(handover: Handover, clock: Clock) -> Situation:
    """Whether our consumer is there to make way for the former subscriber's; raises the same."""
    await _require_published(handover)
    ours = await handover.look(handover.ours, clock.now())
    if ours is not None and not ours.is_push:
        _require_trustworthy(handover.ours, ours)
        return Situation(Deed.GO_BACK, ours, await _start(handover, ours))
    former = await handover.look(handover.former, clock.now())
    if former is not None:
        return Situation(Deed.NOTHING, former, None)
    return Situation(Deed.FINISH, None, await _kept_start(handover, handover.ours))


async def _start(handover: Handover, standing: Standing) -> int:
    """The later one counts: what was settled once stays settled, by whichever consumer."""
    return max(standing.floor.sequence + 1, await handover.start() or 0)


async def _kept_start(handover: Handover, missing: str) -> int:
    start = await handover.start()
    if start is None:
        raise TakeOverError(
            f"there is no consumer {missing} on the stream {handover.stream}, and no ack floor of "
            "it is kept",
            expected="the former subscriber's, or our own",
            next_step="name it with --consumer; where there never was one, "
            "run `snapshot-ingest provision`",
        )
    return start


async def _require_published(handover: Handover) -> None:
    source = await handover.source_of_stream()
    if source is not None:
        raise TakeOverError(
            f"the stream {handover.stream} takes its messages from {source}, where the former "
            "subscriber's consumer is",
            next_step=f"take over there first (--set nats.stream={source}), start no worker, then "
            "run `snapshot-ingest provision --own-stream`, which begins where that consumer ends",
        )


def _require_trustworthy(name: str, standing: Standing) -> None:
    if standing.doubts:
        raise Misconfigured(
            Dependency.SOURCE,
            f"the ack floor of the consumer {name} does not say what was stored: "
            f"{'; '.join(standing.doubts)}",
            expected="one that delivers every snapshot until it is acknowledged",
            next_step="delete it, run `snapshot-ingest provision`, then run this again before a "
            "worker starts: everything on the stream comes again, and of what the timelines know "
            "then nothing is stored twice",
        )
