"""How a consumer differs from what is needed, in words."""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from snapshot_domain.errors import Misconfigured
from snapshot_nats.consumer import ConsumerNeeds, differences, is_of_another_stream, require

NEEDS = ConsumerNeeds()
MADE_AT = datetime(2026, 4, 2, 6, 15, 9, 250_001, tzinfo=UTC)
AS_NEEDED = NEEDS.config("config_snapshot_ingest")


def test_the_consumer_that_we_make_will_do() -> None:
    assert differences(NEEDS, AS_NEEDED) == []
    require("config_snapshot_ingest", NEEDS, AS_NEEDED)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("deliver_subject", "push.here", "it is a push consumer"),
        ("ack_policy", AckPolicy.NONE, "ack policy is none, expected explicit"),
        ("ack_policy", "all", "ack policy is all, expected explicit"),
        ("deliver_policy", DeliverPolicy.NEW, "deliver policy is new, expected all"),
        ("deliver_policy", "last", "deliver policy is last, expected all"),
        ("filter_subject", "config.>", "filter is config.>, expected config.snapshot.>"),
        ("filter_subject", None, "filter is none, expected config.snapshot.>"),
        ("filter_subjects", ["a", "b"], "filter is a, b, expected config.snapshot.>"),
        ("max_deliver", 5, "max_deliver is 5, expected -1"),
        ("ack_wait", 1.5, "ack_wait is 1.5 s, expected at least 30 s"),
        ("ack_wait", None, "ack_wait is 0 s, expected at least 30 s"),
        ("max_ack_pending", 1000, "max_ack_pending is 1000, expected at least 10000"),
        ("backoff", [1.0], "backoff is set, expected none"),
        ("headers_only", True, "headers_only is set, expected whole messages"),
    ],
)
def test_a_difference_is_said_in_words(option: str, value: object, words: str) -> None:
    [difference] = differences(NEEDS, AS_NEEDED.evolve(**{option: value}))
    assert difference.startswith(words)


@pytest.mark.parametrize(
    "options",
    [
        {"ack_wait": 60.0},
        {"max_ack_pending": 50_000},
        {"max_ack_pending": -1},
        {"deliver_policy": "by_start_sequence", "opt_start_seq": 7},
        {"filter_subject": None, "filter_subjects": ["config.snapshot.>"]},
        {"ack_policy": "explicit", "deliver_policy": "all"},
        {"max_waiting": 512, "num_replicas": 3},
    ],
)
def test_what_is_better_or_no_matter_is_no_difference(options: dict[str, object]) -> None:
    assert differences(NEEDS, AS_NEEDED.evolve(**options)) == []


@pytest.mark.parametrize(
    "config",
    [AS_NEEDED, AS_NEEDED.evolve(description="made by hand"), NEEDS.config("d", 7, MADE_AT)],
)
def test_a_consumer_of_this_stream_or_of_nobody_knows_which_will_do(
    config: ConsumerConfig,
) -> None:
    assert not is_of_another_stream(config, MADE_AT)


def test_a_consumer_that_we_made_for_another_stream_is_recognised() -> None:
    config = NEEDS.config("d", 7, MADE_AT - timedelta(microseconds=1))
    assert is_of_another_stream(config, MADE_AT)
    assert differences(NEEDS, config) == []


def test_needs_can_be_others() -> None:
    needs = evolve(NEEDS, filter_subject="x.>", ack_wait=timedelta(minutes=1), max_ack_pending=7)
    config = needs.config("d")
    assert (config.filter_subject, config.ack_wait, config.max_ack_pending) == ("x.>", 60.0, 7)
    assert len(differences(needs, AS_NEEDED)) == 2


def test_all_differences_are_in_one_error() -> None:
    config: ConsumerConfig = AS_NEEDED.evolve(deliver_subject="push", max_deliver=3)
    with pytest.raises(Misconfigured) as raised:
        require("the_durable", NEEDS, config)
    for word in ("the_durable", "push consumer", "max_deliver is 3", "provision"):
        assert word in str(raised.value)
