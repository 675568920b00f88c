"""The tally counts each message once, by its outcome."""

import pytest
from attrs import asdict

from snapshot_conformance.metrics import EVERY_EVENT, EVERY_OUTCOME, MetricsContract
from snapshot_domain.errors import Dependency
from snapshot_domain.events import BatchHandled, GraceEnded, MessageHandled
from snapshot_domain.outcome import MalformedReason, Outcome, RetriedOutcome
from snapshot_domain.ports import Metrics
from snapshot_ingest.tally import Tally


class TestTally(MetricsContract):
    @pytest.fixture
    def metrics(self) -> Metrics:
        return Tally()


def tally_of(*outcomes: Outcome) -> Tally:
    tally = Tally()
    messages = [MessageHandled(each, attempt=1, body_bytes=1) for each in outcomes]
    tally.record(BatchHandled(messages=messages, stage_seconds={}))
    return tally


def test_every_outcome_has_its_place() -> None:
    tally = tally_of(*EVERY_OUTCOME)
    assert asdict(tally) == {
        "stored": 1,
        "unchanged": 1,
        "already_stored": 1,
        "malformed": len(MalformedReason),
        "orphaned": 1,
        "refused": len(Dependency) + 1,  # the digest that differs too
        "keyless": 1,
        "retried": sum(isinstance(each, RetriedOutcome) for each in EVERY_OUTCOME),
        "given_up": 0,
    }


def test_what_is_settled_and_what_comes_again_are_all_there_is() -> None:
    tally = tally_of(*EVERY_OUTCOME)
    assert tally.settled + tally.retried == len(EVERY_OUTCOME)
    assert tally.rejected == tally.malformed + tally.orphaned + tally.refused + tally.keyless


def test_orphans_that_policy_gave_up_are_counted_apart() -> None:
    tally = Tally()
    tally.record(GraceEnded(kept=3, discarded=2))
    assert (tally.given_up, tally.settled) == (2, 0)


def test_batches_add_up_and_other_events_do_not_count() -> None:
    tally = Tally()
    for event in EVERY_EVENT * 2:
        tally.record(event)
    assert tally.settled + tally.retried == 2 * len(EVERY_OUTCOME)
