"""The roles at OpenBao, and the least that each must be allowed."""

from pathlib import Path

from attrs import frozen


@frozen
class AppRole:
    """How a client logs in; the secret id stays in its file, which has no trailing newline."""

    role_id: str
    secret_id_file: Path


@frozen
class Grant:
    """What may be done at one path."""

    path: str
    capabilities: tuple[str, ...]


@frozen
class Role:
    """A name, which is role id and policy too, and what its policy grants."""

    name: str
    grants: tuple[Grant, ...]

    def policy(self) -> str:
        """Returns the policy as OpenBao reads it.

        >>> Role("r", (Grant("transit/encrypt/tenant_*", ("update",)),)).policy()
        'path "transit/encrypt/tenant_*" { capabilities = ["update"] }'
        """
        return "\n".join(_policy_line(grant) for grant in self.grants)


def _policy_line(grant: Grant) -> str:
    capabilities = ", ".join(f'"{capability}"' for capability in grant.capabilities)
    return f'path "{grant.path}" {{ capabilities = [{capabilities}] }}'


_UPDATE = ("update",)
_MANAGE = ("create", "read", "update", "delete", "list")

# `update` alone: with `create`, a name that is wrong would make a new key.
INGEST = Role(
    "snapshot-ingest-ingest",
    (
        Grant("transit/encrypt/tenant_*", _UPDATE),
        Grant("transit/encrypt/snapshot_ingest_*", _UPDATE),
        Grant("transit/decrypt/snapshot_ingest_waiting", _UPDATE),
        Grant("transit/decrypt/snapshot_ingest_digest", _UPDATE),
    ),
)

READER = Role(
    "snapshot-ingest-reader",
    (
        Grant("transit/decrypt/tenant_*", _UPDATE),
        Grant("transit/decrypt/snapshot_ingest_quarantine", _UPDATE),
    ),
)

# It reads no plaintext: rewrapping happens inside of OpenBao.
OPERATOR = Role(
    "snapshot-ingest-operator",
    (
        Grant("transit/rewrap/tenant_*", _UPDATE),
        Grant("transit/keys/tenant_*", ("read",)),
    ),
)

# What `provision` and `shred` need. OpenBao looks at the longest path that fits, so that a
# tenant's key may be deleted, and never one of our own, under which messages wait.
KEEPER_GRANTS = (
    Grant("transit/keys/*", ("create", "read", "update")),
    Grant("transit/keys/tenant_*", ("create", "read", "update", "delete")),
)

# There is no root token: what this role may not do, it can only grant itself through policies.
ADMIN = Role(
    "snapshot-ingest-admin",
    (
        *KEEPER_GRANTS,
        Grant("transit/keys", ("list",)),
        Grant("transit/config/keys", ("read",)),
        Grant("sys/policies/acl", ("list",)),
        Grant("sys/policies/acl/*", _MANAGE),
        Grant("auth/approle/role", ("list",)),
        Grant("auth/approle/role/*", _MANAGE),
        Grant("sys/mounts", ("read",)),
        Grant("sys/auth", ("read",)),
    ),
)

ROLES = (INGEST, READER, OPERATOR, ADMIN)
