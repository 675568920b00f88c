"""What deploy/ grants is what the code grants, and so what the whole suite runs with."""

import re

import pytest

from snapshot_ingest.stack.openbao_roles import INGEST, KEEPER_GRANTS, OPERATOR, READER, Role
from snapshot_postgres.sql import query
from support.deploy import DEPLOY, openbao_policy

_ROLES = {
    "ingest": INGEST,
    "reader": READER,
    "operator": OPERATOR,
    "admin": Role("snapshot-ingest-admin", KEEPER_GRANTS),
}


@pytest.mark.parametrize("role", sorted(_ROLES))
def test_a_policy_is_that_of_the_embedded_stack(role: str) -> None:
    assert openbao_policy(role) == _ROLES[role].policy()


@pytest.mark.parametrize("role", ["ingest", "reader", "operator"])
def test_the_rights_at_postgresql_are_those_that_the_code_grants(role: str) -> None:
    script = (DEPLOY / "postgres" / f"{role}.sql").read_text()
    _, begin, rest = script.partition("\nBEGIN;\n")
    granted, commit, end = rest.partition("\nCOMMIT;\n")
    assert (bool(begin), bool(commit), end) == (True, True, "")
    assert granted == query(f"grant_{role}", "roles.sql").replace("%1$I", ':"role"')


def test_every_file_is_named_in_the_readme() -> None:
    named = set(re.findall(r"\]\(((?:nats|postgres|openbao)/[\w.]+)\)", _readme()))
    there = {path.relative_to(DEPLOY).as_posix() for path in DEPLOY.glob("*/*")}
    assert named == there


def _readme() -> str:
    return (DEPLOY / "README.md").read_text()
