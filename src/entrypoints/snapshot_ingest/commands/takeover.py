"""`snapshot-ingest takeover`: from the backend's former subscriber to our workers, and back."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from attrs import evolve, frozen

from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import admin_nats_connection, postgres_pool
from snapshot_ingest.operator.opening import LOOK_SECONDS
from snapshot_ingest.settings import Settings
from snapshot_ingest.takeover.back import go_back
from snapshot_ingest.takeover.finding import find_for_going_back, find_for_take_over
from snapshot_ingest.takeover.parties import Parties, Patience, Step
from snapshot_ingest.takeover.planning import Account, account_of
from snapshot_ingest.takeover.replacing import take_over
from snapshot_nats import DEFAULT_PUSH_INBOX, ConsumerNeeds, Handover, connect
from snapshot_postgres import Backfill, PostgresAckFloors, PostgresTransactions


@frozen(kw_only=True)
class TakeOverOptions:
    """`consumer` is the former subscriber's; None: the same name as ours. Unless it is `for_real`,
    nothing is changed. `inbox` is what the push consumer's subject begins with, on the way back.
    """

    consumer: str | None = None
    back: bool = False
    for_real: bool = False
    inbox: str = DEFAULT_PUSH_INBOX
    as_json: bool = False


async def takeover(settings: Settings, asked: TakeOverOptions) -> None:
    """Says what there is and what would happen, or does it, as `[admin]`."""
    account = await carried_out(settings, asked, _say, Patience())
    lines = [account.as_json()] if asked.as_json else account.lines()
    for line in lines:
        print(line, file=sys.stdout)  # noqa: T201 - the command's output


async def carried_out(
    settings: Settings, asked: TakeOverOptions, tell: Callable[[Step], None], patience: Patience
) -> Account:
    """What is found and, if it is for real, what was done; `tell` hears of each step after it."""
    async with _parties(settings, asked, tell, patience) as parties:
        return await (_back if asked.back else _forth)(parties, asked)


async def _forth(parties: Parties, asked: TakeOverOptions) -> Account:
    situation = await find_for_take_over(parties.handover, parties.clock)
    account = account_of(parties.handover, situation, going_back=False)
    if not asked.for_real:
        return account
    start, added = await take_over(parties, situation)
    return evolve(account, done=True, start=start, rows_added=added)


async def _back(parties: Parties, asked: TakeOverOptions) -> Account:
    situation = await find_for_going_back(parties.handover, parties.clock)
    account = account_of(parties.handover, situation, going_back=True)
    if not asked.for_real:
        return account
    start = await go_back(parties, situation, asked.inbox)
    return evolve(account, done=True, start=start)


@asynccontextmanager
async def _parties(
    settings: Settings, asked: TakeOverOptions, tell: Callable[[Step], None], patience: Patience
) -> AsyncIterator[Parties]:
    nats, postgres = settings.nats, settings.admin.postgres
    async with postgres_pool("admin.postgres", postgres, command_seconds=LOOK_SECONDS) as pool:
        client = await connect(admin_nats_connection(settings))
        try:
            handover = Handover(
                client,
                PostgresAckFloors(pool),
                nats.stream,
                asked.consumer or nats.consumer,
                nats.consumer,
                ConsumerNeeds(filter_subject=nats.subject),
            )
            rows = Backfill(pool, max_clock_ahead=settings.max_clock_ahead)
            transactions = PostgresTransactions(pool)
            yield Parties(handover, transactions, rows, SystemClock(), tell, patience)
        finally:
            await client.close()


def _say(step: Step) -> None:
    print(step.value, file=sys.stderr)  # noqa: T201 - beside the command's output
