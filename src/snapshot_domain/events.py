"""What happened, as frozen values: this is what Metrics is told. None of them holds content."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from attrs import frozen

from snapshot_domain.errors import Dependency
from snapshot_domain.outcome import Outcome


class Stage(StrEnum):
    """The steps of a batch, in their order."""

    DECODE = "decode"
    LOOK_UP = "look_up"
    ENCRYPT = "encrypt"
    STORE = "store"
    QUARANTINE = "quarantine"
    SETTLE = "settle"


@frozen
class MessageHandled:
    """One message was decided and settled.

    `to_commit_seconds` runs from its delivery to the commit, and is there only if it was
    stored. `stored_bytes` is the size of the new ciphertext, 0 where none was stored.
    """

    outcome: Outcome
    attempt: int
    body_bytes: int
    stored_bytes: int = 0
    to_commit_seconds: float | None = None
    received_time_used: bool = False
    digest_mismatch: bool = False


@frozen
class BatchHandled:
    """A batch went through: what became of each message, and how long each stage took."""

    messages: Sequence[MessageHandled]
    stage_seconds: Mapping[Stage, float]


@frozen
class InFlightChanged:
    """How much is in hand now."""

    batches: int
    messages: int
    body_bytes: int


@frozen
class BacklogObserved:
    """What the source still holds. `oldest_age_seconds` is 0 where nothing waits."""

    pending: int
    unsettled: int
    redelivered: int
    oldest_age_seconds: float


@frozen
class EvictionSeen:
    """The stream discarded messages before they were delivered, or may have.

    Between the two looks it was at least and at most so many; others' messages may be among
    the latter.
    """

    at_least: int
    at_most: int
    since: datetime
    until: datetime


@frozen
class WaitingObserved:
    """How many messages wait in the quarantine for their device, and how many for their key."""

    orphans: int
    keyless: int


@frozen
class GraceEnded:
    """So many orphans' devices did not appear in time: kept for a person, or discarded."""

    kept: int
    discarded: int


@frozen
class SettlementFailed:
    """The source did not confirm a batch's settlements: its messages may come again."""

    messages: int


@frozen
class FetchFailed:
    """Nothing could be fetched."""

    dependency: Dependency


@frozen
class IntakePaused:
    """Nothing is fetched until this dependency does its work again."""

    dependency: Dependency


@frozen
class IntakeResumed:
    """This dependency does its work again."""

    dependency: Dependency


@frozen
class ListenerTold:
    """A listener took so many notices."""

    listener: str
    notices: int


@frozen
class ListenerFailed:
    """A listener failed, or could not be told: it is told again."""

    listener: str


@frozen
class ListenerObserved:
    """How many notices wait for a listener in memory, and whether it has yet to catch up."""

    listener: str
    queued: int
    behind: bool


Event: TypeAlias = (
    BatchHandled
    | InFlightChanged
    | BacklogObserved
    | EvictionSeen
    | WaitingObserved
    | GraceEnded
    | SettlementFailed
    | FetchFailed
    | IntakePaused
    | IntakeResumed
    | ListenerTold
    | ListenerFailed
    | ListenerObserved
)
