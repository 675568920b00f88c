"""The contract of SnapshotDecoder: what every decoder of the poller's messages keeps to."""

import hashlib
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshot_domain.model import DeviceId, Digest, Snapshot, TenantId
from snapshot_domain.outcome import MalformedReason
from snapshot_domain.ports import SnapshotDecoder
from snapshot_domain.secret import RawMessage

DEVICE = "6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"
TENANT = "c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192"
TEXT = "# software id = QQ11-ZZ22\n/system identity\nset name=shed-ap-03\n"
DIGEST = "6c1c4206afc13a17f926eca765c92eb4e8715a6f280ad07eea031979648e1379"

# A decoder keeps nothing between two messages, so a fixture and a class may be shared.
_any_example = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    deadline=None,
)


def poller_fields(**changes: object) -> dict[str, object]:
    """The fields of the contract's own example, some of them changed."""
    return {
        "device_id": DEVICE,
        "tenant_id": TENANT,
        "routeros_version": "7.16.2",
        "collected_at": "2026-04-02T06:15:09Z",
        "sha256_hash": DIGEST,
        "config_text": TEXT,
        "normalization_version": 1,
    } | changes


def poller_message(**changes: object) -> RawMessage:
    """The message with these fields, in ASCII: what is not ASCII is escaped."""
    return RawMessage(json.dumps(poller_fields(**changes)).encode())


class SnapshotDecoderContract:
    """Subclass it and give it a `decoder`."""

    @pytest.fixture
    def decoder(self) -> SnapshotDecoder:
        """The decoder under test."""
        raise NotImplementedError("a subclass gives the decoder")

    def test_the_contracts_example_is_a_snapshot(self, decoder: SnapshotDecoder) -> None:
        snapshot = decoder.decode(poller_message())
        assert isinstance(snapshot, Snapshot)
        assert snapshot.device_id == DeviceId(UUID(DEVICE))
        assert snapshot.tenant_id == TenantId(UUID(TENANT))
        assert snapshot.digest == Digest(DIGEST)
        assert snapshot.collected_at == datetime(2026, 4, 2, 6, 15, 9, tzinfo=UTC)
        assert snapshot.configuration.reveal() == TEXT.encode()

    def test_the_digest_is_the_pollers_and_not_made_anew(self, decoder: SnapshotDecoder) -> None:
        snapshot = decoder.decode(poller_message(sha256_hash="0" * 64))
        assert isinstance(snapshot, Snapshot)
        assert snapshot.digest == Digest("0" * 64)

    def test_ids_and_digest_are_brought_to_lower_case(self, decoder: SnapshotDecoder) -> None:
        snapshot = decoder.decode(
            poller_message(
                device_id=DEVICE.upper(), tenant_id=TENANT.upper(), sha256_hash=DIGEST.upper()
            )
        )
        assert isinstance(snapshot, Snapshot)
        assert str(snapshot.device_id) == DEVICE
        assert str(snapshot.tenant_id) == TENANT
        assert snapshot.digest.hex == DIGEST

    def test_unknown_fields_are_ignored(self, decoder: SnapshotDecoder) -> None:
        message = poller_message(vendor="mikrotik", nested={"deep": [1, None, {"er": "x"}]})
        assert isinstance(decoder.decode(message), Snapshot)

    @pytest.mark.parametrize("name", ["routeros_version", "normalization_version"])
    @pytest.mark.parametrize("value", [None, 7, "x", [], {}, True])
    def test_a_field_that_nobody_reads_may_hold_anything(
        self, decoder: SnapshotDecoder, name: str, value: object
    ) -> None:
        assert isinstance(decoder.decode(poller_message(**{name: value})), Snapshot)

    @pytest.mark.parametrize(
        "value", [None, "", "yesterday", 1_775_110_509, 1.5, [], {}, False, "2026-13-01T00:00:00Z"]
    )
    def test_a_snapshot_without_a_readable_time_is_not_lost(
        self, decoder: SnapshotDecoder, value: object
    ) -> None:
        snapshot = decoder.decode(poller_message(collected_at=value))
        assert isinstance(snapshot, Snapshot)
        assert snapshot.collected_at is None

    def test_a_snapshot_without_a_time_is_not_lost(self, decoder: SnapshotDecoder) -> None:
        fields = poller_fields()
        del fields["collected_at"]
        snapshot = decoder.decode(RawMessage(json.dumps(fields).encode()))
        assert isinstance(snapshot, Snapshot)
        assert snapshot.collected_at is None

    def test_a_far_future_time_is_kept_for_the_domain_to_judge(
        self, decoder: SnapshotDecoder
    ) -> None:
        snapshot = decoder.decode(poller_message(collected_at="9999-12-31T23:59:59Z"))
        assert isinstance(snapshot, Snapshot)
        assert snapshot.collected_at == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

    @pytest.mark.parametrize("name", ["device_id", "tenant_id", "config_text", "sha256_hash"])
    def test_a_needed_field_that_is_absent_is_named_as_missing(
        self, decoder: SnapshotDecoder, name: str
    ) -> None:
        fields = poller_fields()
        del fields[name]
        body = RawMessage(json.dumps(fields).encode())
        assert decoder.decode(body) is MalformedReason.FIELD_MISSING

    @pytest.mark.parametrize("name", ["device_id", "tenant_id", "config_text", "sha256_hash"])
    @pytest.mark.parametrize("value", [None, 7, 1.5, True, [], ["x"], {}, {"x": "y"}])
    def test_a_needed_field_of_a_wrong_type_is_malformed(
        self, decoder: SnapshotDecoder, name: str, value: object
    ) -> None:
        assert decoder.decode(poller_message(**{name: value})) is MalformedReason.FIELD_TYPE

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("device_id", "", MalformedReason.DEVICE_ID),
            ("device_id", DEVICE.replace("-", ""), MalformedReason.DEVICE_ID),
            ("device_id", f"{{{DEVICE}}}", MalformedReason.DEVICE_ID),
            ("device_id", f"urn:uuid:{DEVICE}", MalformedReason.DEVICE_ID),
            ("device_id", f"{DEVICE}\n", MalformedReason.DEVICE_ID),
            ("device_id", DEVICE[:-1], MalformedReason.DEVICE_ID),
            ("device_id", DEVICE[:-1] + "٣", MalformedReason.DEVICE_ID),
            ("tenant_id", "", MalformedReason.TENANT_ID),
            ("tenant_id", "x/../../sys/seal", MalformedReason.TENANT_ID),
            ("tenant_id", TENANT[:-1] + "g", MalformedReason.TENANT_ID),
            ("sha256_hash", "", MalformedReason.DIGEST),
            ("sha256_hash", DIGEST[:63], MalformedReason.DIGEST),
            ("sha256_hash", DIGEST + "0", MalformedReason.DIGEST),
            ("sha256_hash", DIGEST[:63] + "g", MalformedReason.DIGEST),
            ("sha256_hash", DIGEST[:63] + "\0", MalformedReason.DIGEST),
            ("sha256_hash", DIGEST[:63] + "\n", MalformedReason.DIGEST),
            ("config_text", "", MalformedReason.TEXT_EMPTY),
            ("config_text", "set \ud800 here", MalformedReason.TEXT_NOT_UNICODE),
            ("config_text", "\udcff", MalformedReason.TEXT_NOT_UNICODE),
            ("config_text", "the wrong way round: \udc00\ud800", MalformedReason.TEXT_NOT_UNICODE),
        ],
    )
    def test_each_field_is_checked(
        self, decoder: SnapshotDecoder, name: str, value: str, reason: MalformedReason
    ) -> None:
        assert decoder.decode(poller_message(**{name: value})) is reason

    @_any_example
    @given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
    def test_any_text_arrives_as_it_was_sent(self, decoder: SnapshotDecoder, text: str) -> None:
        digest = hashlib.sha256(text.encode()).hexdigest()
        body = json.dumps(poller_fields(config_text=text, sha256_hash=digest), ensure_ascii=False)
        snapshot = decoder.decode(RawMessage(body.encode()))
        assert isinstance(snapshot, Snapshot)
        assert snapshot.configuration.reveal() == text.encode()
        assert Digest.of(snapshot.configuration) == snapshot.digest

    @_any_example
    @given(content=st.binary())
    def test_no_bytes_make_it_raise(self, decoder: SnapshotDecoder, content: bytes) -> None:
        assert isinstance(decoder.decode(RawMessage(content)), MalformedReason)

    @_any_example
    @given(at=st.integers(min_value=0), replacement=st.binary(max_size=4))
    def test_no_damage_to_a_message_makes_it_raise(
        self, decoder: SnapshotDecoder, at: int, replacement: bytes
    ) -> None:
        content = poller_message().reveal()
        cut = at % len(content)
        damaged = content[:cut] + replacement + content[cut + len(replacement) :]
        assert isinstance(decoder.decode(RawMessage(damaged)), Snapshot | MalformedReason)
