"""The take-over itself: the former subscriber's consumer makes way for ours."""

from snapshot_ingest.takeover.finding import Deed, Situation
from snapshot_ingest.takeover.parties import Parties, Step
from snapshot_ingest.takeover.waiting import until_quiet, until_transactions_ended

FORMER_SUBSCRIBER = "the former subscriber"


async def take_over(parties: Parties, situation: Situation) -> tuple[int | None, int]:
    """Does what there is to do; returns where our consumer begins, and how many rows were added.

    The start is None where our consumer was there already. Whatever stops it, running it again
    finishes: until the floor is kept nothing has changed but rows that the timelines know, and
    from then on a consumer that is missing begins after that floor, whoever makes it.
    """
    handover, clock, tell = parties.handover, parties.clock, parties.tell
    seen = None
    if situation.deed is Deed.TAKE_OVER:
        seen = await until_quiet(parties, handover.former, FORMER_SUBSCRIBER)
        tell(Step.QUIET)
    # What is acknowledged was committed. So a transaction whose message comes again was begun
    # before now, and has touched the table, or never will: nobody is there to go on with it.
    await until_transactions_ended(parties)
    tell(Step.ENDED)
    # Only these: the others take a look at the whole table for each tenant, and messages wait.
    added = (await parties.backfill.run(only_owned=True)).rows
    tell(Step.ADDED)
    if seen is not None:
        await handover.keep_floor(handover.former, seen, clock.now())
        tell(Step.KEPT)
        await handover.remove(handover.former, seen, clock.now())
        tell(Step.REMOVED)
    start = None
    if situation.deed is not Deed.NOTHING:
        start = await handover.make_pull()
        tell(Step.MADE)
    added += (await parties.backfill.run()).rows
    tell(Step.COMPLETED)
    return start, added
