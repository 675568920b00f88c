"""How items are put into requests to Transit, and how its answers are read."""

import json
import tracemalloc
from base64 import b64decode, b64encode
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_domain.errors import Misconfigured
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import OwnKey, TenantKey
from snapshot_domain.secret import Configuration, Secret
from snapshot_openbao.batches import (
    DECRYPT,
    ENCRYPT,
    Batch,
    Job,
    Limits,
    batches,
    read_batch,
)
from snapshot_openbao.client import Reply
from snapshot_openbao.errors import Problem
from snapshot_openbao.paths import checked_mount, key_name

_KEYS = [TenantKey(TenantId(uuid4())) for _ in range(3)]
_SMALL = Limits(max_items=5, max_batch_bytes=400, max_body_bytes=600)


def _jobs(*sizes: int) -> list[Job[Secret]]:
    return [
        Job(place, _KEYS[place % 3], Configuration(bytes(size))) for place, size in enumerate(sizes)
    ]


@given(st.lists(st.integers(0, 500), max_size=60))
def test_each_item_is_in_one_request_within_the_limits_or_too_large(sizes: list[int]) -> None:
    jobs = _jobs(*sizes)
    ready, too_large = batches(ENCRYPT, jobs, _SMALL)
    sent = [job.place for batch in ready for job in batch.jobs]
    assert sorted([*sent, *(job.place for job in too_large)]) == list(range(len(sizes)))
    for batch in ready:
        body = batch.body(ENCRYPT)
        assert batch.jobs
        assert {job.key for job in batch.jobs} == {batch.key}
        assert [job.place for job in batch.jobs] == sorted(job.place for job in batch.jobs)
        assert len(batch.jobs) <= _SMALL.max_items
        assert len(body) <= _SMALL.max_body_bytes
        assert len(body) <= _SMALL.max_batch_bytes or len(batch.jobs) == 1
    for job in too_large:
        assert len(Batch(job.key, [job]).body(ENCRYPT)) + 1 > _SMALL.max_body_bytes


def test_items_of_one_key_share_as_few_requests_as_possible() -> None:
    jobs = [Job(place, OwnKey.WAITING, Secret(b"key")) for place in range(12)]
    ready, _ = batches(ENCRYPT, jobs, _SMALL)
    assert [len(batch.jobs) for batch in ready] == [5, 5, 2]


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=8))
def test_an_encrypt_body_is_json_with_the_items_in_base64(texts: list[bytes]) -> None:
    batch = Batch(
        _KEYS[0], [Job(place, _KEYS[0], Secret(text)) for place, text in enumerate(texts)]
    )
    body = json.loads(batch.body(ENCRYPT))
    assert body["partial_failure_response_code"] == 200
    assert [b64decode(entry["plaintext"]) for entry in body["batch_input"]] == texts
    assert all(set(entry) == {"plaintext"} for entry in body["batch_input"])


def test_a_large_item_is_in_memory_once_when_its_body_is_built() -> None:
    text = bytes(range(256)) * 20_000 + b"and what is left over"
    batch = Batch(_KEYS[0], [Job(0, _KEYS[0], Secret(text))])
    tracemalloc.start()
    try:
        body = batch.body(ENCRYPT)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert b64decode(json.loads(body)["batch_input"][0]["plaintext"], validate=True) == text
    assert peak_bytes < 1.5 * len(body)


def test_the_default_limits_stay_below_the_servers() -> None:
    limits = Limits()
    strings_an_item, top_level_strings, server_strings = 2, 2, 1000
    assert limits.max_items * strings_an_item + top_level_strings < server_strings
    assert limits.max_batch_bytes <= 24 * 1024 * 1024
    assert limits.max_body_bytes < 32 * 1024 * 1024


def _reply(status: int, *entries: object) -> Reply:
    return Reply(status, json.dumps({"data": {"batch_results": entries}}).encode())


@pytest.mark.parametrize("status", [200, 207, 400, 500])
def test_an_answer_is_read_item_by_item_whatever_its_status(status: int) -> None:
    good = {"ciphertext": "vault:v1:AAAA", "key_version": 1}
    bad = {"error": "illegal base64 data at input byte 8"}
    assert read_batch(ENCRYPT, _reply(status, good, bad), 2) == [
        Ciphertext("vault:v1:AAAA"),
        Problem.INPUT_REFUSED,
    ]


def test_a_failed_item_is_not_taken_for_an_empty_plaintext() -> None:
    failed = {"plaintext": "", "error": "cipher: message authentication failed"}
    empty = {"plaintext": "", "reference": ""}
    answers = read_batch(DECRYPT, _reply(200, failed, empty), 2)
    assert not isinstance(answers, Problem)
    assert answers[0] is Problem.NOT_AUTHENTIC
    assert isinstance(answers[1], Secret)
    assert answers[1].reveal() == b""


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b""),
        Reply(200, b"<html>"),
        Reply(200, b"[]"),
        Reply(200, b'{"data":null}'),
        Reply(200, b'{"data":{"batch_results":[]}}'),
        Reply(200, b'{"data":{"batch_results":[1]}}'),
        Reply(200, b"[" * 100_000),
        Reply(204, b""),
        Reply(400, b"Client sent an HTTP request to an HTTPS server."),
        Reply(405, b""),
    ],
)
def test_what_is_not_of_openbaos_form_is_misconfigured_and_never_one_items_fault(
    reply: Reply,
) -> None:
    assert read_batch(ENCRYPT, reply, 1) is Problem.NOT_OPENBAO


@pytest.mark.parametrize(
    "entry",
    [{}, {"ciphertext": 1}, {"ciphertext": ""}, {"ciphertext": "plain"}, {"ciphertext": None}],
)
def test_an_entry_without_a_ciphertext_is_no_ciphertext(entry: dict[str, object]) -> None:
    assert read_batch(ENCRYPT, _reply(200, entry), 1) == [Problem.NOT_OPENBAO]


@pytest.mark.parametrize("entry", [{}, {"plaintext": 1}, {"plaintext": "é"}, {"plaintext": "A"}])
def test_an_entry_without_a_plaintext_is_no_plaintext(entry: dict[str, object]) -> None:
    assert read_batch(DECRYPT, _reply(200, entry), 1) == [Problem.NOT_OPENBAO]


def test_a_refused_request_is_one_problem_for_all() -> None:
    reply = Reply(400, b'{"errors":["encryption key not found"]}')
    assert read_batch(ENCRYPT, reply, 3) is Problem.KEY_MISSING
    assert read_batch(ENCRYPT, Reply(403, b""), 3) is Problem.FORBIDDEN


def test_a_plaintext_comes_back_as_it_was() -> None:
    text = bytes(range(256))
    [answer] = read_batch(DECRYPT, _reply(200, {"plaintext": b64encode(text).decode()}), 1)  # type: ignore[misc]  # a Problem would fail to unpack
    assert isinstance(answer, Secret)
    assert answer.reveal() == text


def test_a_tenants_key_is_named_by_its_id_in_lower_case() -> None:
    tenant_id = TenantId(UUID("C2A9D7F4-1B3E-4C66-8F20-7D5E6F708192"))
    assert key_name(TenantKey(tenant_id)) == "tenant_c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192"
    assert key_name(OwnKey.CANARY) == "snapshot_ingest_canary"


def test_a_hostile_id_never_becomes_a_tenant() -> None:
    with pytest.raises(ValueError, match="badly formed"):
        TenantId(UUID("x/../../sys/seal"))


def test_a_batchs_path_has_its_mount_operation_and_key() -> None:
    batch = Batch(OwnKey.WAITING, [Job(0, OwnKey.WAITING, Ciphertext("vault:v1:AAAA"))])
    assert batch.path("transit", DECRYPT) == "transit/decrypt/snapshot_ingest_waiting"


@pytest.mark.parametrize(
    "mount", ["", "/", "..", "transit/../sys", "a b", "a//b", "é", "a?b", "a%2fb"]
)
def test_a_mount_that_is_no_name_is_misconfigured(mount: str) -> None:
    with pytest.raises(Misconfigured, match="mount"):
        checked_mount(mount)


def test_slashes_around_a_mount_do_not_matter() -> None:
    assert checked_mount("/teams/transit/") == "teams/transit"


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (200, Problem.SERVER_FAILED),
        (207, Problem.SERVER_FAILED),
        (400, Problem.INPUT_REFUSED),
        (500, Problem.SERVER_FAILED),
    ],
)
def test_a_failure_that_nobody_knows_gives_an_item_up_only_where_none_could_be_used(
    status: int, problem: Problem
) -> None:
    entry = {"error": "a text that no version has had so far"}
    assert read_batch(ENCRYPT, _reply(status, entry), 1) == [problem]
