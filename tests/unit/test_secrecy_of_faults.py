"""A secret goes through every fault of every adapter, and no `except` clause is left out."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from secrecy_drives import of_nats, of_openbao, of_others, of_postgres
from secrecy_drives.clauses import ADAPTERS, Clause, clauses_below, clauses_in, lines_run
from snapshot_conformance.secret_canary_watch import SecretWatch, secret_canary, watching

__all__ = ["secret_canary"]

Drive = Callable[[SecretWatch], Awaitable[None]]

_DRIVES: Mapping[str, Drive] = {
    "OpenBao, every driver error": of_openbao.driver_errors,
    "OpenBao, odd answers": of_openbao.odd_answers,
    "OpenBao, cancellations": of_openbao.cancellations,
    "OpenBao, formats": of_openbao.formats,
    "OpenBao, credentials": of_openbao.credentials,
    "PostgreSQL, every driver error": of_postgres.driver_errors,
    "PostgreSQL, connecting": of_postgres.connecting,
    "PostgreSQL, a host's codecs": of_postgres.codecs_of_a_host,
    "PostgreSQL, cancellations": of_postgres.cancellations,
    "NATS, every driver error": of_nats.driver_errors,
    "NATS, connecting": of_nats.connecting,
    "NATS, cancellations": of_nats.cancellations,
    "NATS, credentials": of_nats.credentials,
    "NATS, messages": of_nats.messages,
    "decoders": of_others.decoders,
    "a decryptor in memory": of_others.decryptor,
    "rewrappers": of_others.rewrappers,
    "Prometheus": of_others.metrics,
}

_COVERED_ELSEWHERE: Mapping[str, str] = {
    "snapshot_nats/identity_files.py _holds_seed except OSError": (
        "integration/test_nats_credentials.py"
        "::test_a_seed_file_that_is_none_is_misconfigured_and_not_shown"
    ),
    "snapshot_nats/identity_files.py _is_seed except (ValueError, nkeys.NkeysError)": (
        "integration/test_nats_operator.py"
        "::test_a_file_that_holds_no_user_is_misconfigured_and_shows_nothing"
    ),
    "snapshot_nats/client.py _connect_command except errors.Error": (
        "integration/test_nats_operator.py"
        "::test_a_file_that_is_spoilt_while_the_server_is_away_counts_again_once_it_is_mended"
    ),
    "snapshot_nats/tls.py context except OSError": (
        "integration/test_tls_nats.py::test_a_ca_file_that_is_none_is_misconfigured"
    ),
    "snapshot_nats/source.py floor except DependencyError": "integration/test_nats_recreation.py"
    "::test_what_a_consumer_that_is_not_as_needed_says_is_no_floor",
}
"""Clauses that no drive goes through, each with the test on real servers that does."""

_MAY_HOLD = [
    *(of_nats.__name__, of_openbao.__name__, of_others.__name__, of_postgres.__name__),
    "snapshot_postgres.pool:open_pool",
    "snapshot_postgres.connecting:connected",
    "snapshot_postgres.connecting:_connect",
    "snapshot_postgres.roles:grant_ingest_role",
    "snapshot_postgres.roles:_grant",
]
"""The frames of the drives, and those that are given a password to hand on."""


@pytest.mark.parametrize("drive", _DRIVES)
async def test_a_fault_shows_nothing_of_the_secret(
    drive: str, secret_canary: SecretWatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    secret_canary.may_hold.extend(_MAY_HOLD)
    await _DRIVES[drive](secret_canary)
    errors, records = len(secret_canary.errors.errors), len(secret_canary.logs.records)
    assert errors
    report = await secret_canary.report()
    assert report.is_proof, str(report)
    # Past what pytest captures, since that is one of the places that were searched.
    with capfdbinary.disabled():
        print(f"| {drive} | {errors:,} | {records:,} | clean |", flush=True)  # noqa: T201 - the proof


async def test_every_clause_is_gone_through() -> None:
    with watching() as watch, lines_run() as ran:
        for drive in _DRIVES.values():
            await drive(watch)
    missed = {str(each) for each in clauses_below() if (each.module, each.line) not in ran}
    assert missed == set(_COVERED_ELSEWHERE)


def test_the_tests_that_cover_a_clause_elsewhere_are_there() -> None:
    tests = Path(__file__).parents[1]
    for place in _COVERED_ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert f"def {name}(" in (tests / path).read_text("utf-8")


def test_a_clause_is_found_wherever_it_stands() -> None:
    source = """
class A:
    async def f(self):
        try:
            pass
        except (OSError, ValueError) as error:
            name = 1
        def g():
            try:
                pass
            except:
                pass
"""
    assert [str(each) for each in clauses_in("a.py", source)] == [
        "a.py f except (OSError, ValueError)",
        "a.py g except everything",
    ]
    assert [each.line for each in clauses_in("a.py", source)] == [7, 12]
    assert len(clauses_below()) > 40
    assert isinstance(clauses_below(ADAPTERS)[0], Clause)
