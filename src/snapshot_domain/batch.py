"""A batch on its way: its deliveries, what was decided of each, and how long it took."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from attrs import define

from snapshot_domain.delivery import Delivery
from snapshot_domain.events import BatchHandled, MessageHandled, Stage
from snapshot_domain.model import Ciphertext, SnapshotFlag, SnapshotKey
from snapshot_domain.outcome import GivenBack, Outcome, RejectedOutcome, RetriedOutcome, Stored
from snapshot_domain.ports import Clock
from snapshot_domain.secret import Configuration


@define(eq=False)
class Candidate:
    """A message that was understood, and that may become a stored snapshot."""

    index: int
    key: SnapshotKey
    flags: SnapshotFlag
    plaintext_bytes: int
    plaintext: Configuration | None
    ciphertext: Ciphertext | None = None

    def encrypted_as(self, ciphertext: Ciphertext) -> None:
        """Holds the ciphertext from now on, and the plaintext no longer."""
        self.ciphertext = ciphertext
        self.plaintext = None


class Batch:
    """Every delivery of it gets exactly one outcome; a later one replaces it only by name."""

    def __init__(self, deliveries: Sequence[Delivery], clock: Clock) -> None:
        self.deliveries = deliveries
        self.candidates: dict[int, Candidate] = {}
        self._outcomes: list[Outcome | None] = [None] * len(deliveries)
        self._clock = clock
        self._started = clock.monotonic()
        self._to_commit: dict[int, float] = {}
        self._stage_seconds: dict[Stage, float] = {}

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Adds the time spent inside to the stage's."""
        started = self._clock.monotonic()
        try:
            yield
        finally:
            spent = self._clock.monotonic() - started
            self._stage_seconds[stage] = self._stage_seconds.get(stage, 0.0) + spent

    def decide(self, index: int, outcome: Outcome) -> None:
        """Decides one message for good."""
        if self._outcomes[index] is not None:
            raise AssertionError("a message was decided twice")
        self._outcomes[index] = outcome
        if isinstance(outcome, Stored):
            self._to_commit[index] = self._clock.monotonic() - self._started

    def is_decided(self, index: int) -> bool:
        """Whether the message has its outcome."""
        return self._outcomes[index] is not None

    def decide_rest(self, outcome: Outcome) -> None:
        """Decides every message that nothing was decided of yet."""
        for index, decided in enumerate(self._outcomes):
            if decided is None:
                self._outcomes[index] = outcome

    def rejected(self) -> list[tuple[int, RejectedOutcome]]:
        """The messages that cannot be ingested, by index."""
        return [
            (index, outcome)
            for index, outcome in enumerate(self._outcomes)
            if isinstance(outcome, RejectedOutcome)
        ]

    def retry_instead(self, index: int, outcome: RetriedOutcome) -> None:
        """A rejected message could not be kept in the quarantine: it must come again."""
        self._outcomes[index] = outcome

    def give_back(self) -> None:
        """The walk was cut short: whatever is not committed goes back to the source."""
        for index, outcome in enumerate(self._outcomes):
            if outcome is None or isinstance(outcome, RejectedOutcome):
                self._outcomes[index] = GivenBack()

    @property
    def outcomes(self) -> list[Outcome]:
        """What was decided, in the order of the deliveries; complete once the walk has ended."""
        return [outcome for outcome in self._outcomes if outcome is not None]

    def handled(self) -> BatchHandled:
        """The event that tells of this batch."""
        return BatchHandled(
            messages=[self._message(index, outcome) for index, outcome in enumerate(self.outcomes)],
            stage_seconds=self._stage_seconds,
        )

    def _message(self, index: int, outcome: Outcome) -> MessageHandled:
        delivery = self.deliveries[index]
        candidate = self.candidates.get(index)
        flags = candidate.flags if candidate else SnapshotFlag.NONE
        ciphertext = candidate.ciphertext if candidate else None
        stored = isinstance(outcome, Stored) and ciphertext is not None
        return MessageHandled(
            outcome=outcome,
            attempt=delivery.attempt,
            body_bytes=delivery.body.size_bytes,
            stored_bytes=len(ciphertext.text) if stored and ciphertext else 0,
            to_commit_seconds=self._to_commit.get(index),
            received_time_used=_is_set(SnapshotFlag.RECEIVED_TIME, flags),
            digest_mismatch=_is_set(SnapshotFlag.DIGEST_MISMATCH, flags),
        )


def _is_set(flag: SnapshotFlag, flags: SnapshotFlag) -> bool:
    # Nearly always there is none, and asking an enumeration takes longer than all else here.
    return bool(int(flags)) and flag in flags
