"""Waiting until nothing of whoever is relieved is in work: no delivery, and no transaction."""

from datetime import timedelta

from snapshot_ingest.takeover.errors import TakeOverError
from snapshot_ingest.takeover.parties import Parties
from snapshot_nats import Standing


async def until_quiet(parties: Parties, name: str, who: str) -> Standing:
    """How the consumer stands once nobody listens to it and nothing of it can be in hand.

    Its watchers are given the time of a reconnection. If something is unsettled, that must not
    have stirred for `ack_wait` either: so long JetStream itself takes a delivery to be in work.
    One who ends in order settles what he has in hand meanwhile, and each time it begins anew.
    Raises `TakeOverError` if somebody listens, or if it does not come to rest.
    """
    clock, patience = parties.clock, parties.patience
    rest = seen = await _left(parties, name, who)
    began = rests_since = clock.monotonic()
    while clock.monotonic() - rests_since < _rest(parties, seen).total_seconds():
        await clock.sleep(patience.look_every.total_seconds())
        now = await _unheard(parties, name, who)
        if now.has_stirred_since(seen, rest):
            rest, rests_since = now, clock.monotonic()
        seen = now
        if rests_since - began > patience.stirring.total_seconds():
            raise TakeOverError(
                f"nobody listens to the consumer {name}, and still somebody settles its messages",
                expected=f"that {who} has ended",
                next_step="see that its process is gone, and run this again",
            )
    return seen


async def until_transactions_ended(parties: Parties) -> None:
    """Returns when the transactions have ended that were at work on the table at the beginning.

    Whoever was killed while his transaction was being committed is followed by its row only then.
    Raises `TakeOverError` if that takes too long.
    """
    clock, patience = parties.clock, parties.patience
    deadline = clock.monotonic() + patience.transactions.total_seconds()
    left = await parties.transactions.at_work()
    while left:
        if clock.monotonic() > deadline:
            raise TakeOverError(
                "transactions that have touched router_config_snapshots are still running; their "
                f"server processes: {', '.join(str(pid) for pid in sorted({t.pid for t in left}))}",
                expected="that they end, since each may be the former subscriber's last one",
                next_step="end them, or wait for them, and run this again (0 is a prepared one)",
            )
        await clock.sleep(patience.look_every.total_seconds())
        left &= await parties.transactions.at_work()


async def _left(parties: Parties, name: str, who: str) -> Standing:
    """The same as `_unheard`; a pull outlives the worker that has just ended by a moment."""
    clock, patience = parties.clock, parties.patience
    deadline = clock.monotonic() + patience.leaving.total_seconds()
    while clock.monotonic() < deadline:
        standing = await parties.handover.look(name, clock.now())
        if standing is None or not standing.is_listened_to:
            break
        await clock.sleep(patience.look_every.total_seconds())
    return await _unheard(parties, name, who)


async def _unheard(parties: Parties, name: str, who: str) -> Standing:
    standing = await parties.handover.look(name, parties.clock.now())
    if standing is None:
        raise TakeOverError(
            f"the consumer {name} was deleted meanwhile", next_step="run this again to finish"
        )
    if standing.is_listened_to:
        raise TakeOverError(
            f"somebody listens to the consumer {name}",
            expected=f"that {who} is stopped",
            next_step="stop it, and run this again",
        )
    return standing


def _rest(parties: Parties, standing: Standing) -> timedelta:
    reconnect = parties.patience.reconnect
    return max(reconnect, standing.ack_wait) if standing.unsettled else reconnect
