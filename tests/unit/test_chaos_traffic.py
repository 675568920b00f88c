"""The messages of chaos are the same for a seed, and let nothing of them go unseen."""

import json
from collections import Counter, defaultdict
from itertools import islice
from uuid import UUID

import pytest

from chaos.traffic import Kind, Posting, Traffic
from snapshot_conformance.secret_canary import SecretCanary
from snapshot_domain.model import Snapshot
from snapshot_json import JsonSnapshotDecoder

_CANARY = SecretCanary()


def postings(seed: int, count: int, devices: int = 20) -> list[Posting]:
    return list(islice(Traffic(seed, devices, _CANARY).messages(), count))


def snapshots(seed: int, count: int) -> list[Posting]:
    return [posting for posting in postings(seed, count) if posting[0].kind is Kind.SNAPSHOT]


def test_a_seed_is_one_traffic_to_the_byte() -> None:
    once, again = postings(3, 200), postings(3, 200)
    assert [message for message, _ in once] == [message for message, _ in again]
    assert [body.reveal() for _, body in once] == [body.reveal() for _, body in again]


def test_it_is_changed_unchanged_late_malformed_and_orphaned() -> None:
    found = postings(3, 2_000)
    kinds = Counter(message.kind for message, _ in found)
    assert min(kinds.values()) > 5
    newest: dict[UUID, object] = {}
    late = 0
    for message, _ in found:
        if message.kind is Kind.SNAPSHOT:
            late += str(newest.get(message.device_id, "")) > str(message.collected_at)
            newest[message.device_id] = message.collected_at
    assert late > 5
    texts = Counter((message.device_id, message.digest) for message, _ in snapshots(3, 2_000))
    assert Counter(texts.values())[1] > 100
    assert Counter(texts.values())[2] > 100


@pytest.mark.parametrize("seed", range(5))
def test_no_text_comes_more_than_twice_and_no_time_or_name_more_than_once(seed: int) -> None:
    found = postings(seed, 2_000)
    texts = Counter((m.device_id, m.digest) for m, _ in found if m.kind is Kind.SNAPSHOT)
    times = Counter((m.device_id, m.collected_at) for m, _ in found if m.kind is Kind.SNAPSHOT)
    assert max(texts.values()) == 2
    assert max(times.values()) == 1
    assert max(Counter(message.name for message, _ in found).values()) == 1


def test_a_text_that_returns_is_parted_from_itself_by_another() -> None:
    timelines = defaultdict(list)
    for message, _ in snapshots(3, 2_000):
        timelines[message.device_id].append((message.collected_at, message.digest))
    returns = 0
    for timeline in timelines.values():
        digests = [digest for _, digest in sorted(timeline)]
        returns += sum(
            one == three != two
            for one, two, three in zip(digests, digests[1:], digests[2:], strict=False)
        )
    assert returns > 5


def test_what_is_called_malformed_is_and_everything_else_is_not() -> None:
    decoder = JsonSnapshotDecoder()
    for message, body in postings(3, 2_000):
        is_snapshot = isinstance(decoder.decode(body), Snapshot)
        assert is_snapshot == (message.kind is not Kind.MALFORMED)


def test_every_snapshot_holds_the_secret_and_is_of_modest_size() -> None:
    for _, body in snapshots(3, 500):
        assert _CANARY.is_in(json.loads(body.reveal())["config_text"])
        assert 1_500 < body.size_bytes < 5_000


def test_the_secret_is_found_however_often_a_body_was_quoted() -> None:
    for _, body in snapshots(3, 20):
        quoted = body.reveal().decode()
        for quote in (json.dumps, repr, json.dumps):
            quoted = quote(quoted)
            assert _CANARY.is_in(quoted)


def test_a_message_does_not_show_its_body() -> None:
    assert not any(_CANARY.is_in(repr(posting)) for posting in postings(3, 100))
