"""What OpenBao's answers mean, each as it was seen from the real server."""

import pytest

from snapshot_domain.errors import (
    Dependency,
    KeyMissing,
    Misconfigured,
    RateLimited,
    Refused,
    Unavailable,
)
from snapshot_openbao.errors import Problem, fault_of, problem_of_status

_DENIED = "1 error occurred:\n\t* permission denied\n\n"


@pytest.mark.parametrize(
    ("status", "texts", "kind"),
    [
        (400, ["encryption key not found"], KeyMissing),
        (400, ["refusing to use soft-deleted key"], KeyMissing),
        (400, ["no such key version"], KeyMissing),
        (400, ["missing 'context' for key derivation; the key was created using a"], KeyMissing),
        (400, ["message encryption not supported for key type ed25519"], KeyMissing),
        (
            400,
            ["ciphertext or signature version is disallowed by policy (too old)"],
            KeyMissing,
        ),
        (400, ["cipher: message authentication failed"], Refused),
        (400, ["invalid ciphertext: version is too new"], Refused),
        (400, ["invalid ciphertext length"], Refused),
        (400, ["illegal base64 data at input byte 8"], Refused),
        (400, ["refused JSON input due to high complexity: exceeded maximum number"], Refused),
        (413, ["http: request body too large"], Refused),
        (500, ["failed to parse batch input: '[0].plaintext' missing plaintext"], Refused),
        (403, ["permission denied"], Misconfigured),
        (403, [_DENIED], Misconfigured),
        (404, ['no handler for route "nowhere/encrypt/k". route entry not found.'], Misconfigured),
        (307, None, Misconfigured),
        (400, None, Misconfigured),
        (400, [], Misconfigured),
        (429, ['request path "transit/encrypt/k": rate limit quota exceeded'], RateLimited),
        (429, None, RateLimited),
        (500, ["internal error"], Unavailable),
        (500, ["a text that nobody has seen"], Unavailable),
        (500, None, Unavailable),
        (502, None, Unavailable),
        (503, ["Vault is sealed"], Unavailable),
        (504, None, Unavailable),
    ],
)
def test_an_answer_has_its_kind(status: int, texts: list[str] | None, kind: type) -> None:
    fault = fault_of(problem_of_status(status, texts), "tenant_x")
    assert type(fault) is kind


@pytest.mark.parametrize("problem", list(Problem))
def test_every_problem_is_a_fault_of_the_cipher_and_names_the_key(problem: Problem) -> None:
    fault = fault_of(problem, "snapshot_ingest_canary")
    assert fault.dependency is Dependency.CIPHER
    assert "snapshot_ingest_canary: " in str(fault)


@pytest.mark.parametrize("problem", list(Problem))
def test_who_must_act_is_told_what_is_expected_and_what_to_do(problem: Problem) -> None:
    fault = fault_of(problem)
    if isinstance(fault, Misconfigured):
        assert "expected " in str(fault)
        assert str(fault).count(";") == 2
