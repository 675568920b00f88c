"""An event says what was stored, nothing of its content, and on a subject that is not consumed."""

import json
from uuid import UUID

import pytest
from attrs import evolve

from snapshot_domain.model import DigestKeyId, SnapshotId
from snapshot_ingest.settings.checks import EVENTS_SUBJECTS
from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.loading import load_settings
from snapshot_ingest.settings.subjects import overlap
from snapshot_nats import DEFAULT_EVENTS_STREAM, STORED_SUBJECT
from snapshot_nats.event_publisher import event_body
from support.listening import notice

_NOTICE = evolve(
    notice(7),
    previous_id=SnapshotId(UUID(int=6)),
    plaintext_bytes=4_321,
    stored_bytes=5_678,
)


def test_an_event_has_ids_digest_times_sizes_and_format() -> None:
    assert json.loads(event_body(_NOTICE, plain_digests=True)) == {
        "schema_version": 1,
        "snapshot_id": "00000000-0000-0000-0000-000000001b58",
        "tenant_id": "00000000-0000-0000-0000-000000000001",
        "device_id": "00000000-0000-0000-0000-000000000001",
        "previous_id": "00000000-0000-0000-0000-000000000006",
        "next_id": None,
        "collected_at": "2026-04-02T06:07:00Z",
        "digest": _NOTICE.key.digest.hex,
        "digest_key_id": None,
        "plaintext_bytes": 4_321,
        "stored_bytes": 5_678,
        "format": "transit",
    }


def test_where_digests_are_keyed_an_event_has_no_plain_one() -> None:
    plain = json.loads(event_body(_NOTICE, plain_digests=False))
    assert plain["digest"] is None
    keyed = evolve(_NOTICE, digest_key_id=DigestKeyId(UUID(int=9)))
    said = json.loads(event_body(keyed, plain_digests=False))
    assert said["digest"] == keyed.key.digest.hex
    assert said["digest_key_id"] == "00000000-0000-0000-0000-000000000009"


def test_events_are_off_and_have_a_stream_of_their_own_by_default() -> None:
    events = load_settings(None, (), {}).events
    assert not events.enabled
    assert events.stream == DEFAULT_EVENTS_STREAM
    assert f"{STORED_SUBJECT}.>" == EVENTS_SUBJECTS


@pytest.mark.parametrize(
    "subject",
    [">", "*.stored.>", "snapshot_ingest.>", "snapshot_ingest.stored.*.x", EVENTS_SUBJECTS],
)
def test_a_filter_that_would_take_our_own_events_is_refused(subject: str) -> None:
    overrides = [f"nats.subject={subject}"]
    load_settings(None, overrides, {})
    with pytest.raises(SettingsError, match=r"nats\.subject takes our own events"):
        load_settings(None, [*overrides, "events.enabled=true"], {})


def test_events_on_the_stream_that_is_consumed_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"events\.stream is the stream that is consumed"):
        load_settings(None, ["events.enabled=true", "events.stream=DEVICE_EVENTS"], {})


@pytest.mark.parametrize("stream", ["", "a.b", "a b", ">"])
def test_a_stream_s_name_is_one_token(stream: str) -> None:
    with pytest.raises(SettingsError, match=r"events\.stream"):
        load_settings(None, [f"events.stream={stream}"], {})


@pytest.mark.parametrize("setting", ["events.max_bytes=0", "events.max_age=0s"])
def test_the_bounds_of_the_stream_are_positive(setting: str) -> None:
    with pytest.raises(SettingsError, match="positive"):
        load_settings(None, [setting], {})


@pytest.mark.parametrize(
    ("one", "other", "do"),
    [
        ("config.snapshot.>", EVENTS_SUBJECTS, False),
        ("snapshot_ingest.*", EVENTS_SUBJECTS, False),
        ("snapshot_ingest.stored", EVENTS_SUBJECTS, False),
        ("snapshot_ingest.stored.a", EVENTS_SUBJECTS, True),
        ("*.*.*.*", EVENTS_SUBJECTS, True),
        ("a.*", "*.b", True),
        ("a.b.c", "a.b", False),
    ],
)
def test_whether_two_subjects_overlap(
    one: str,
    other: str,
    do: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    assert overlap(one, other) is do
    assert overlap(other, one) is do
