"""What becomes of one simulated device from round to round: edits, delays and accidents."""

from collections.abc import Sequence
from random import Random

from attrs import field, frozen
from attrs.validators import and_, ge, le

from snapshot_ingest.simulator.chance import chance

_is_rate = and_(ge(0.0), le(1.0))


@frozen
class Rates:
    """How often something happens: its probability for each device in each round.

    `reverted` is the part of the changes that take back the change before.
    """

    changed: float = field(default=0.1, validator=_is_rate)
    reverted: float = field(default=0.2, validator=_is_rate)
    late: float = field(default=0.02, validator=_is_rate)
    malformed: float = field(default=0.01, validator=_is_rate)
    orphaned: float = field(default=0.01, validator=_is_rate)


@frozen
class Poll:
    """One device in one round: its text's version, and what goes wrong beside it.

    A late one arrives in the next round, after that round's own; `stored` says whether it
    starts a run when each message is decided before the next arrives. `malformed` and
    `orphaned` are about further messages of that round, not about this one.
    """

    version: int
    late: bool
    malformed: bool
    orphaned: bool
    stored: bool


def history_of(seed: int, device_number: int, rounds: int, rates: Rates) -> Sequence[Poll]:
    """The device's polls, one for each round."""
    draw = chance(seed, "history", device_number)
    polls: list[Poll] = []
    before, version, newest_version = 0, 0, 0
    for round_number in range(rounds):
        if round_number and draw.random() < rates.changed:
            if version != before and draw.random() < rates.reverted:
                before, version = version, before
            else:
                newest_version += 1
                before, version = version, newest_version
        may_be_late = round_number < rounds - 1 and not (polls and polls[-1].late)
        polls.append(
            Poll(
                version=version,
                late=_happens(draw, rates.late) and may_be_late,
                malformed=_happens(draw, rates.malformed),
                orphaned=_happens(draw, rates.orphaned),
                stored=_starts_a_run(polls, version),
            )
        )
    return polls


def _happens(draw: Random, rate: float) -> bool:
    return draw.random() < rate


def _starts_a_run(polls: Sequence[Poll], version: int) -> bool:
    """Whether the poll at the next place differs from the one that has arrived before it.

    That is the latest one that is not late: a late one is followed by one that is not, and
    arrives only after it. For a late poll itself the same is true, since it is placed by its
    time and not by its arrival.
    """
    arrived = next((poll for poll in reversed(polls) if not poll.late), None)
    return arrived is None or arrived.version != version
