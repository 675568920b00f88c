"""JsonSnapshotDecoder: the contract, and what is odd about JSON."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from snapshot_conformance.snapshot_decoder import (
    DEVICE,
    TEXT,
    SnapshotDecoderContract,
    poller_fields,
    poller_message,
)
from snapshot_domain.model import Snapshot
from snapshot_domain.outcome import MalformedReason
from snapshot_domain.ports import SnapshotDecoder
from snapshot_domain.secret import RawMessage
from snapshot_json import JsonSnapshotDecoder
from snapshot_json.reading import Fields, fields_of

OTHER_DEVICE = "11111111-58a4-4d0b-9a77-0e1d2c3b4a55"


class TestJsonSnapshotDecoder(SnapshotDecoderContract):
    @pytest.fixture
    def decoder(self) -> SnapshotDecoder:
        return JsonSnapshotDecoder()


def decode(content: bytes) -> Snapshot | MalformedReason:
    return JsonSnapshotDecoder().decode(RawMessage(content))


def with_field(name: str, raw_value: bytes) -> bytes:
    """The example message and, before everything else, one more field as it stands."""
    return b'{"' + name.encode() + b'":' + raw_value + b"," + poller_message().reveal()[1:]


def replaced(name: str, raw_value: bytes) -> bytes:
    """The example message with this field's value as it stands."""
    fields = poller_fields()
    del fields[name]
    rest = json.dumps(fields).encode()
    return b'{"' + name.encode() + b'":' + raw_value + b"," + rest[1:]


def collected_at(value: str) -> datetime | None:
    snapshot = JsonSnapshotDecoder().decode(poller_message(collected_at=value))
    assert isinstance(snapshot, Snapshot)
    return snapshot.collected_at


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"not json",
        b"{}{}",
        b"'{}'",
        b"NaN",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1,}',
        b"\xef\xbb\xbf" + poller_message().reveal(),
        poller_message().reveal()[:-1],
        poller_message().reveal() + b"x",
        poller_message().reveal().decode().encode("utf-16-le"),
        replaced("config_text", b'"a raw \n in it"'),
        replaced("config_text", b'"a raw \0 in it"'),
        replaced("config_text", b'"\\ud8"'),
    ],
)
def test_what_is_no_json_is_malformed(content: bytes) -> None:
    assert decode(content) is MalformedReason.NOT_JSON


@pytest.mark.parametrize(
    "content", [b"[]", b"[1]", b"7", b"1e999", b"null", b"true", b'"text"', b'"\\ud800"']
)
def test_json_that_is_no_object_is_malformed(content: bytes) -> None:
    assert decode(content) is MalformedReason.NOT_AN_OBJECT


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        poller_message().reveal().decode().encode("utf-16"),
        replaced("config_text", b'"a banner \xff"'),
        replaced("config_text", b'"an encoded surrogate \xed\xa0\x80"'),
        replaced("config_text", b'"too long \xc0\x80"'),
        replaced("config_text", b'"cut off \xf0\x9f\x98"'),
    ],
)
def test_what_is_not_utf8_is_malformed(content: bytes) -> None:
    assert decode(content) is MalformedReason.NOT_UTF8


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 64 * 1024 * 1024,
        b'{"a":' * 100_000,
        with_field("unknown", b"[" * 100_000 + b"]" * 100_000),
        replaced("config_text", b"[" * 100_000 + b"]" * 100_000),
        replaced("collected_at", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    ],
    ids=["64 MiB of [", "objects never closed", "unknown field", "text", "time"],
)
def test_nesting_of_any_depth_is_malformed_and_no_crash(content: bytes) -> None:
    assert decode(content) is MalformedReason.TOO_DEEP


@pytest.mark.parametrize("name", ["unknown", "collected_at", "routeros_version"])
@pytest.mark.parametrize(
    "raw_value",
    [
        b'"\\ud800"',
        b'"\xff"',
        b"1e999999",
        b"-" + b"9" * 10_000,
        b"[[[[{}]]]]",
        b'"' + b"9" * 10_000 + b'"',
    ],
)
def test_nothing_odd_in_a_field_that_is_not_needed_loses_the_snapshot(
    name: str, raw_value: bytes
) -> None:
    fields = poller_fields()
    fields.pop(name, None)
    snapshot = decode(
        b'{"' + name.encode() + b'":' + raw_value + b"," + json.dumps(fields).encode()[1:]
    )
    assert isinstance(snapshot, Snapshot)
    assert snapshot.configuration.reveal() == TEXT.encode()


@pytest.mark.parametrize("raw_value", [b"1e999999", b"9" * 10_000])
def test_a_number_beyond_all_bounds_in_a_needed_field_is_of_a_wrong_type(raw_value: bytes) -> None:
    assert decode(replaced("config_text", raw_value)) is MalformedReason.FIELD_TYPE


def test_of_a_field_that_comes_twice_the_last_counts() -> None:
    snapshot = decode(with_field("device_id", b'"' + OTHER_DEVICE.encode() + b'"'))
    assert isinstance(snapshot, Snapshot)
    assert str(snapshot.device_id) == DEVICE


def test_of_a_field_that_comes_twice_the_last_counts_also_when_read_slowly() -> None:
    content = with_field("device_id", b'"' + OTHER_DEVICE.encode() + b'"')
    snapshot = decode(b'{"unknown":"\\ud800",' + content[1:])
    assert isinstance(snapshot, Snapshot)
    assert str(snapshot.device_id) == DEVICE


def test_a_name_in_another_case_is_another_field() -> None:
    assert decode(poller_message().reveal().replace(b"config_text", b"Config_Text")) is (
        MalformedReason.FIELD_MISSING
    )


def test_an_escaped_nul_in_the_text_is_kept() -> None:
    snapshot = decode(replaced("config_text", b'"a\\u0000b"'))
    assert isinstance(snapshot, Snapshot)
    assert snapshot.configuration.reveal() == b"a\0b"


def test_a_surrogate_pair_is_one_character() -> None:
    snapshot = decode(replaced("config_text", b'"\\ud83d\\ude00"'))
    assert isinstance(snapshot, Snapshot)
    assert snapshot.configuration.reveal() == "😀".encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-04-02T06:15:09Z", datetime(2026, 4, 2, 6, 15, 9, tzinfo=UTC)),
        ("2026-04-02t06:15:09z", datetime(2026, 4, 2, 6, 15, 9, tzinfo=UTC)),
        ("2026-04-02 06:15:09Z", datetime(2026, 4, 2, 6, 15, 9, tzinfo=UTC)),
        ("2026-04-02T06:15:09.5Z", datetime(2026, 4, 2, 6, 15, 9, 500_000, tzinfo=UTC)),
        ("2026-04-02T06:15:09.123456789Z", datetime(2026, 4, 2, 6, 15, 9, 123_456, tzinfo=UTC)),
        ("2026-04-02T06:15:09.9999999Z", datetime(2026, 4, 2, 6, 15, 9, 999_999, tzinfo=UTC)),
        (f"2026-04-02T06:15:09.{'9' * 90}Z", datetime(2026, 4, 2, 6, 15, 9, 999_999, tzinfo=UTC)),
        ("2026-04-02T06:15:09+05:30", datetime(2026, 4, 2, 0, 45, 9, tzinfo=UTC)),
        ("2026-04-02T23:15:09.25-07:00", datetime(2026, 4, 3, 6, 15, 9, 250_000, tzinfo=UTC)),
        ("2026-04-02T06:15:09-00:00", datetime(2026, 4, 2, 6, 15, 9, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_utc_and_cut_to_microseconds(value: str, expected: datetime) -> None:
    found = collected_at(value)
    assert found == expected
    assert found is not None
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2026-02-30T00:00:00Z",
        "2026-04-02T24:00:00Z",
        "2026-04-02T06:60:00Z",
        "2026-04-02T06:15:60Z",
        "2026-04-02T06:15:09",
        "2026-04-02T06:15Z",
        "2026-04-02T06:15:09.Z",
        "2026-04-02T06:15:09+24:00",
        "2026-04-02T06:15:09+0530",
        "2026-04-02T06:15:09+05:30:15",
        "2026-04-02T06:15:09Z ",
        "2026-04-02T06:15:09Z\n",
        "2026-04-02T06:15:09,5Z",
        "2026-W14-4T06:15:09Z",
        "20260402T061509Z",
        "2026-04-02",
        "2026-04-02T06:15:0٩Z",
        "Thu, 02 Apr 2026 06:15:09 GMT",
    ],
)
def test_a_time_that_is_no_rfc_3339_or_fits_no_datetime_is_none(value: str) -> None:
    assert collected_at(value) is None


@given(
    moment=st.datetimes(timezones=st.just(UTC)),
    further_digits=st.text("0123456789", max_size=12),
)
def test_every_moment_is_read_as_it_was_written(moment: datetime, further_digits: str) -> None:
    written = moment.replace(tzinfo=None).isoformat(timespec="microseconds")
    assert collected_at(f"{written}{further_digits}Z") == moment


@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers()
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_as_the_time_leaves_the_snapshot(value: object) -> None:
    content = json.dumps(poller_fields(collected_at=value))
    assert isinstance(decode(content.encode()), Snapshot)


@pytest.mark.parametrize(
    "content",
    [
        replaced("config_text", b'"canary-4711 \\ud800"'),
        replaced("config_text", b'"canary-4711 \xff"'),
        replaced("config_text", b'["canary-4711"]'),
        replaced("device_id", b'"canary-4711"'),
        replaced("sha256_hash", b'"canary-4711"'),
        b"canary-4711",
        b'"canary-4711"',
    ],
)
def test_no_answer_about_a_malformed_message_holds_content(content: bytes) -> None:
    answer = decode(content)
    assert isinstance(answer, MalformedReason)
    assert "canary" not in f"{answer!r} {answer}"


def test_the_fields_on_their_way_have_no_text_form() -> None:
    fields = fields_of(poller_message().reveal())
    assert isinstance(fields, Fields)
    assert f"{fields} {fields!r}" == "<Fields, sealed> <Fields, sealed>"


def test_a_snapshots_text_form_holds_no_content() -> None:
    snapshot = decode(poller_message().reveal())
    assert "shed-ap-03" not in repr(snapshot)


def test_not_even_rich_shows_the_fields() -> None:
    fields = fields_of(b'{"config_text": "canary"}')
    assert "canary" not in repr(fields)
    assert "canary" not in pretty_repr(fields)
