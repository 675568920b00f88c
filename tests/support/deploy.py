"""The files of deploy/, as whoever installs uses them."""

from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"


def openbao_policy(role: str) -> str:
    """The policy of a role, without its comments."""
    lines = (DEPLOY / "openbao" / f"{role}.hcl").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def nats_permissions_with_events() -> str:
    """Those of a worker that publishes events: with the line that says so."""
    commented, line = '# "snapshot_ingest.stored.>"', '"snapshot_ingest.stored.>"'
    permissions = nats_permissions("ingest")
    assert commented in permissions
    return permissions.replace(commented, line)


def nats_permissions(role: str) -> str:
    """What a user of that role may do, to be put into the server's configuration."""
    return (DEPLOY / "nats" / f"{role}.conf").read_text()
