"""The way back: our consumer makes way for the one that the former subscriber had."""

from snapshot_ingest.takeover.finding import Deed, Situation
from snapshot_ingest.takeover.parties import Parties, Step
from snapshot_ingest.takeover.waiting import until_quiet

OUR_WORKERS = "every worker"


async def go_back(parties: Parties, situation: Situation, inbox: str) -> int | None:
    """Does what there is to do; returns where the push consumer begins, None if it was there.

    Whatever stops it, running it again finishes, as with the take-over.
    """
    handover, clock, tell = parties.handover, parties.clock, parties.tell
    if situation.deed is Deed.NOTHING:
        return None
    if situation.deed is Deed.GO_BACK:
        seen = await until_quiet(parties, handover.ours, OUR_WORKERS)
        tell(Step.QUIET)
        await handover.keep_floor(handover.ours, seen, clock.now())
        tell(Step.KEPT)
        await handover.remove(handover.ours, seen, clock.now())
        tell(Step.REMOVED)
    start = await handover.make_push(inbox)
    tell(Step.MADE)
    return start
