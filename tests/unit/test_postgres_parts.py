"""The parts of the PostgreSQL adapter that need no server."""

import hashlib
import hmac
import re
import ssl
from base64 import b64decode
from importlib.resources import files

import asyncpg
import pytest

from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_postgres.errors import FaultKind, fault_of
from snapshot_postgres.migrate import packaged_migrations
from snapshot_postgres.quarantine import storable
from snapshot_postgres.scram import scram_verifier
from snapshot_postgres.sql import query


def server_error(sqlstate: str, **fields: str) -> BaseException:
    """An error as asyncpg makes it of what the server sends."""
    error = asyncpg.PostgresError.new(
        {"S": "ERROR", "C": sqlstate, "M": "vault:v1:in-the-message", **fields}
    )
    assert isinstance(error, asyncpg.PostgresError)
    return error


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("08006", FaultKind.UNAVAILABLE),
        ("22021", FaultKind.REFUSED),
        ("23505", FaultKind.REFUSED),
        ("23514", FaultKind.REFUSED),
        ("23503", FaultKind.REFERENCE_GONE),
        ("25006", FaultKind.UNAVAILABLE),
        ("26000", FaultKind.MISCONFIGURED),
        ("28000", FaultKind.MISCONFIGURED),
        ("28P01", FaultKind.MISCONFIGURED),
        ("3D000", FaultKind.MISCONFIGURED),
        ("3F000", FaultKind.MISCONFIGURED),
        ("40001", FaultKind.REPEATABLE),
        ("40P01", FaultKind.REPEATABLE),
        ("40003", FaultKind.UNAVAILABLE),
        ("42501", FaultKind.MISCONFIGURED),
        ("42P01", FaultKind.MISCONFIGURED),
        ("53100", FaultKind.UNAVAILABLE),
        ("53300", FaultKind.UNAVAILABLE),
        ("55P03", FaultKind.REPEATABLE),
        ("57014", FaultKind.UNAVAILABLE),
        ("57P01", FaultKind.UNAVAILABLE),
        ("57P03", FaultKind.UNAVAILABLE),
        ("58030", FaultKind.UNAVAILABLE),
        ("XX001", FaultKind.UNAVAILABLE),
        ("99999", FaultKind.UNAVAILABLE),
    ],
)
def test_each_sqlstate_has_its_kind(sqlstate: str, kind: FaultKind) -> None:
    assert fault_of(server_error(sqlstate)).kind is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), FaultKind.UNAVAILABLE),
        (ConnectionRefusedError(111, "vault:v1:x"), FaultKind.UNAVAILABLE),
        (asyncpg.InterfaceError("pool is closing"), FaultKind.UNAVAILABLE),
        (asyncpg.InternalClientError("x"), FaultKind.UNAVAILABLE),
        (asyncpg.ConnectionDoesNotExistError("x"), FaultKind.UNAVAILABLE),
        (asyncpg.DataError("vault:v1:an-argument"), FaultKind.REFUSED),
        (asyncpg.exceptions.ClientConfigurationError("x"), FaultKind.MISCONFIGURED),
        (asyncpg.InvalidCachedStatementError("x"), FaultKind.REPEATABLE),
        (ssl.SSLCertVerificationError(1, "x"), FaultKind.MISCONFIGURED),
    ],
)
def test_each_error_of_the_client_has_its_kind(error: BaseException, kind: FaultKind) -> None:
    assert fault_of(error).kind is kind


def test_an_error_tells_sqlstate_and_constraint_and_no_row() -> None:
    fault = fault_of(
        server_error("23514", D="Failing row contains (vault:v1:in-the-detail).", n="no_bad")
    )
    error = fault.as_error(Dependency.REPOSITORY)
    assert isinstance(error, Unavailable)
    assert "23514" in str(error)
    assert "no_bad" in str(error)
    assert "vault" not in f"{error} {vars(error)} {fault}"


@pytest.mark.parametrize(
    ("sqlstate", "advice"),
    [
        ("28P01", "user, the password"),
        ("3D000", "create the database"),
        ("42501", "grant the role its rights"),
        ("42883", "snapshot-ingest migrate"),
        ("26000", "statement_cache_size"),
    ],
)
def test_what_an_operator_must_mend_says_how(sqlstate: str, advice: str) -> None:
    error = fault_of(server_error(sqlstate)).as_error(Dependency.DIRECTORY)
    assert isinstance(error, Misconfigured)
    assert error.dependency is Dependency.DIRECTORY
    assert advice in error.next_step


def test_a_verifier_proves_the_password_of_the_standards_example() -> None:
    """RFC 7677, section 3: user `user`, password `pencil`."""
    salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    verifier = scram_verifier("pencil", salt)
    match = re.fullmatch(r"SCRAM-SHA-256\$4096:(\S+)\$(\S+):(\S+)", verifier)
    assert match is not None
    assert b64decode(match[1]) == salt
    exchange = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    server_signature = hmac.digest(b64decode(match[3]), exchange, "sha256")
    assert server_signature == b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    client_signature = hmac.digest(b64decode(match[2]), exchange, "sha256")
    proof = b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    client_key = bytes(a ^ b for a, b in zip(proof, client_signature, strict=True))
    assert hashlib.sha256(client_key).digest() == b64decode(match[2])


def test_a_verifier_has_a_salt_of_its_own_each_time() -> None:
    assert scram_verifier("pencil") != scram_verifier("pencil")


@pytest.mark.parametrize("password", ["", "pässword", "tab\tbed", "nul\x00"])
def test_a_password_that_clients_may_read_differently_is_not_taken(password: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        scram_verifier(password)
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("config.snapshot.create.x", "config.snapshot.create.x"),
        ("a\x00b", "a\\x00b"),
        ("\ud800", "\\ud800"),
        ("Zürich \U0001f4a9", "Zürich \U0001f4a9"),
    ],
)
def test_a_name_is_made_storable_and_otherwise_left_alone(name: str, stored: str) -> None:
    assert storable(name) == stored


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = [int(step.name.partition("_")[0]) for step in packaged_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_statement_that_is_asked_for_exists_and_each_is_asked_for() -> None:
    package = files("snapshot_postgres")
    asked: set[tuple[str, str]] = set()
    for file in package.iterdir():
        if file.name.endswith(".py"):
            source = file.read_text(encoding="utf-8")
            for name, sql_file in re.findall(r'query\(\s*"(\w+)"(?:,\s*"([\w.]+)")?', source):
                asked.add((name, sql_file or "queries.sql"))
    asked |= {(name, "roles.sql") for name in ("create_role", "set_login")}
    asked |= {(name, "roles.sql") for name in ("grant_ingest", "grant_reader", "grant_operator")}
    decided = ("claim", "keep_for_a_person", "discard_orphans")
    asked |= {(name, "waiting_messages.sql") for name in decided}
    there = {
        (name, file.name)
        for file in (package / "sql").iterdir()
        for name in re.findall(r"^-- name: (\w+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert asked == there
    for name, sql_file in there:
        assert query(name, sql_file).endswith(";")


def test_a_statement_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        query("no_such_statement")
