"""The message that stands for a polled configuration."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_domain.model import DeviceId, Snapshot, TenantId
from snapshot_ingest.poller import PolledFile, PolledText, message_of, rfc3339, text_as_sent
from snapshot_json import JsonSnapshotDecoder

DEVICE = DeviceId(UUID("6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"))
TENANT = TenantId(UUID("c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192"))
MORNING = datetime(2026, 4, 2, 6, 15, 9, tzinfo=UTC)
# The example of the contract with the poller, byte for byte.
EXAMPLE = (
    b'{"device_id":"6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55",'
    b'"tenant_id":"c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192",'
    b'"routeros_version":"7.16.2","collected_at":"2026-04-02T06:15:09Z",'
    b'"sha256_hash":"6c1c4206afc13a17f926eca765c92eb4e8715a6f280ad07eea031979648e1379",'
    b'"config_text":"# software id = QQ11-ZZ22\\n/system identity\\nset name=shed-ap-03\\n",'
    b'"normalization_version":1}'
)


def polled(content: bytes, routeros_version: str | None = None) -> PolledFile:
    return PolledFile(DEVICE, TENANT, MORNING, PolledText(content), "shed", routeros_version)


def text_as_go_sends_it(content: bytes) -> str:
    """Go's rule, byte by byte: a rune if one starts here, else U+FFFD and one byte on."""
    found, at = "", 0
    while at < len(content):
        for width in (1, 2, 3, 4):
            try:
                found += content[at : at + width].decode()
            except UnicodeDecodeError:
                continue
            at += width
            break
        else:
            found += "\N{REPLACEMENT CHARACTER}"
            at += 1
    return found


def test_the_contracts_example_is_made_byte_for_byte() -> None:
    text = b"# software id = QQ11-ZZ22\n/system identity\nset name=shed-ap-03\n"
    subject, body = message_of(polled(text, "7.16.2"))
    assert subject == "config.snapshot.create.6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"
    assert body.reveal() == EXAMPLE


def test_an_unknown_routeros_version_is_left_out() -> None:
    _, body = message_of(polled(b"text"))
    assert "routeros_version" not in json.loads(body.reveal())


def test_the_digest_is_over_the_bytes_and_not_over_what_is_sent() -> None:
    content = b"set comment=\xe4\xf6\xfc\n"
    _, body = message_of(polled(content))
    fields = json.loads(body.reveal())
    assert fields["sha256_hash"] == hashlib.sha256(content).hexdigest()
    assert fields["config_text"] == "set comment=\ufffd\ufffd\ufffd\n"


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"\xf0\x9f\x98", "\ufffd\ufffd\ufffd"),
        (b"\xf0\x9f\x98\x80", "😀"),
        (b"\xe2\x82 and on", "\ufffd\ufffd and on"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xc0\x80", "\ufffd\ufffd"),
        (b"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
        ("already \ufffd".encode(), "already \ufffd"),
        (b"\xef\xbb\xbfwith a BOM", "\ufeffwith a BOM"),
        (b"nul \0 and crlf\r\n", "nul \0 and crlf\r\n"),
    ],
)
def test_each_byte_that_is_not_utf8_is_one_replacement(content: bytes, sent: str) -> None:
    assert text_as_sent(content) == sent


@given(
    content=st.lists(
        st.binary(max_size=3)
        | st.text(max_size=3).map(lambda text: text.encode(errors="surrogatepass"))
        | st.sampled_from([b"\xf0\x9f\x98", b"\xe2\x82", b"\xc2", b"\xed\xa0", b"\xf4\x8f\xbf"])
    ).map(b"".join)
)
def test_any_bytes_are_sent_as_go_sends_them(content: bytes) -> None:
    assert text_as_sent(content) == text_as_go_sends_it(content)


@given(content=st.binary(min_size=1))
def test_any_bytes_make_a_message_that_can_be_decoded(content: bytes) -> None:
    _, body = message_of(polled(content))
    snapshot = JsonSnapshotDecoder().decode(body)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.device_id == DEVICE
    assert snapshot.tenant_id == TENANT
    assert snapshot.collected_at == MORNING
    assert snapshot.configuration.reveal() == text_as_go_sends_it(content).encode()


def test_a_time_is_written_in_utc_with_a_z() -> None:
    assert rfc3339(MORNING) == "2026-04-02T06:15:09Z"
    assert rfc3339(MORNING.astimezone(timezone(timedelta(hours=5)))) == "2026-04-02T06:15:09Z"
    assert rfc3339(MORNING.replace(microsecond=250_000)) == "2026-04-02T06:15:09.250000Z"


def test_what_was_polled_is_sealed() -> None:
    assert "password" not in repr(polled(b"password=hunter2"))
