"""Which fault strikes when, where and for how long: drawn from a seed, before anything runs."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from random import Random
from typing import TypeVar

from attrs import frozen

_Member = TypeVar("_Member")


class FaultKind(StrEnum):
    """What can happen, in the words of the table."""

    WORKER_KILLED = "worker killed"
    WORKER_FROZEN = "worker frozen"
    WORKER_LEFT_BEHIND = "worker frozen beyond ack_wait"
    NATS_LEADER_KILLED = "stream's leader killed"
    NATS_NODE_KILLED = "another NATS node killed"
    NATS_QUORUM_LOST = "two NATS nodes killed"
    CONSUMER_DELETED = "consumer deleted"
    CONSUMER_DELETED_WORKER_KILLED = "consumer deleted, worker killed"
    POSTGRES_KILLED = "PostgreSQL killed"
    POSTGRES_FULL = "PostgreSQL's connections used up"
    OPENBAO_KILLED = "OpenBao killed"
    OPENBAO_SEALED = "OpenBao sealed"
    LINKS_CUT = "connections cut"
    LINKS_REFUSED = "connections refused"
    LINKS_DELAYED = "connections delayed"


class Target(StrEnum):
    """The servers that connections lead to."""

    NATS = "NATS"
    POSTGRES = "PostgreSQL"
    OPENBAO = "OpenBao"


@frozen
class Strike:
    """One fault: after `calm_seconds` without any, for `hold_seconds`.

    `place` is the number of the worker or node that it falls on, `target` the server whose
    connections it falls on; a kind that needs neither ignores them. `delay_seconds` is what each
    piece of data is held up where connections are delayed.
    """

    kind: FaultKind
    calm_seconds: float
    hold_seconds: float
    place: int
    target: Target
    delay_seconds: float

    @property
    def name(self) -> str:
        """The kind, and the target where it decides what happens."""
        if self.kind in _AIMED:
            return f"{self.kind} ({self.target})"
        return self.kind.value


_HOLD_SECONDS = (0.2, 2.5)
_LONG_HOLD_SECONDS = {FaultKind.WORKER_LEFT_BEHIND: (31.0, 34.0)}
"""Others have got its messages, and it goes on with them all the same."""

_AIMED = (FaultKind.LINKS_CUT, FaultKind.LINKS_REFUSED, FaultKind.LINKS_DELAYED)


def plan_of(seed: int, faults: int) -> Sequence[Strike]:
    """So many strikes: every kind once before any comes again, in an order of the seed's."""
    return list(islice(_strikes(Random(f"{seed} plan")), faults))


def _strikes(chance: Random) -> Iterator[Strike]:
    targets = _rounds(chance, list(Target))
    for kind in _rounds(chance, list(FaultKind)):
        yield Strike(
            kind=kind,
            calm_seconds=chance.uniform(0.2, 1.5),
            hold_seconds=chance.uniform(*_LONG_HOLD_SECONDS.get(kind, _HOLD_SECONDS)),
            place=chance.randrange(3),
            target=next(targets) if kind in _AIMED else Target.NATS,
            delay_seconds=chance.uniform(0.2, 0.8),
        )


def _rounds(chance: Random, members: Sequence[_Member]) -> Iterator[_Member]:
    while True:
        yield from chance.sample(members, len(members))
