"""What deploy/ grants is what the code grants, and so what the whole suite runs with."""

import re

import pytest

from snapshot_ingest.stack import nats_users
from snapshot_ingest.stack.openbao_roles import INGEST, KEEPER_GRANTS, OPERATOR, READER, Role
from snapshot_postgres.sql import query
from support.deploy import DEPLOY, nats_permissions, openbao_policy

_ROLES = {
    "ingest": INGEST,
    "reader": READER,
    "operator": OPERATOR,
    "admin": Role("snapshot-ingest-admin", KEEPER_GRANTS),
}


@pytest.mark.parametrize("role", sorted(_ROLES))
def test_a_policy_is_that_of_the_embedded_stack(role: str) -> None:
    assert openbao_policy(role) == _ROLES[role].policy()


def test_the_permissions_at_nats_are_those_of_the_embedded_stack() -> None:
    """A worker there has the subjects as well that the file names and leaves out."""
    publish, left_out, subscribe = _subjects("ingest")
    assert nats_users.INGEST.publish == (*publish, *left_out)
    assert nats_users.INGEST.subscribe == subscribe
    assert left_out == ("$JS.API.STREAM.MSG.GET.DEVICE_EVENTS", "snapshot_ingest.stored.>")
    publish, left_out, subscribe = _subjects("provision")
    assert nats_users.PROVISION.publish == publish
    assert nats_users.PROVISION.subscribe == subscribe
    assert left_out == ()


def _subjects(role: str) -> tuple[tuple[str, ...], ...]:
    """What the file allows to be published, what it names in a comment, and what is listened to."""
    permissions = nats_permissions(role).partition("\npermissions: {")[2]
    publish, _, subscribe = permissions.partition("subscribe:")
    lines = publish.splitlines()
    said = [line for line in lines if "#" not in line]
    left_out = [line for line in lines if "#" in line]
    return _quoted(*said), _quoted(*left_out), _quoted(subscribe)


def _quoted(*lines: str) -> tuple[str, ...]:
    return tuple(re.findall(r'"([^"]+)"', "\n".join(lines)))


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
