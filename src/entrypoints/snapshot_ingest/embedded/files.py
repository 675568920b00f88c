"""The files that tell others how to join: stack.json and snapshot-ingest.toml."""

import json
import os
from pathlib import Path

from attrs import frozen

from snapshot_ingest.stack import INBOX_PREFIX, AppRole, NatsLogin, StackAddresses

_PRIVATE = 0o600


@frozen
class RoleAccess:
    """A database role of the embedded stack: its name and the file that holds its password."""

    role: str
    password_file: Path

    def dsn(self, admin_dsn: str) -> str:
        """The stack's database as this role, without the password."""
        return f"postgresql://{self.role}@{admin_dsn.rpartition('@')[2]}"

    def dsn_with_password(self, admin_dsn: str) -> str:
        """The same with it, for clients that take nothing else."""
        password = self.password_file.read_text("utf-8")
        return f"postgresql://{self.role}:{password}@{admin_dsn.rpartition('@')[2]}"


def write_stack_json(
    path: Path, addresses: StackAddresses, ingest: RoleAccess, http_url: str
) -> None:
    """Everything that another client needs, readable by its owner alone."""
    content = {
        "nats_url": addresses.nats_url,
        "nats_credentials": addresses.nats_credentials and str(addresses.nats_credentials),
        "postgres_dsn": ingest.dsn_with_password(addresses.postgres_admin_dsn),
        "postgres_admin_dsn": addresses.postgres_admin_dsn,
        "openbao_url": addresses.openbao_url,
        "ingest_approle": _approle(addresses.ingest_approle),
        "reader_approle": _approle(addresses.reader_approle),
        "operator_approle": _approle(addresses.operator_approle),
        "admin_approle": _approle(addresses.admin_approle),
        "http_url": http_url,
        "pids": {
            "nats": addresses.pids.nats,
            "postgres": addresses.pids.postgres,
            "openbao": addresses.pids.openbao,
        },
    }
    write_private(path, json.dumps(content, indent=2) + "\n")


def write_settings(
    path: Path,
    addresses: StackAddresses,
    ingest: RoleAccess,
    reader: RoleAccess,
    operator: RoleAccess,
    admin_password_file: Path,
) -> None:
    """Settings for a second worker beside the first, and for every other command."""
    admin_dsn = addresses.postgres_admin_dsn
    admin = RoleAccess("postgres", admin_password_file)
    write_private(
        path,
        "\n".join(
            [
                "# Written by `snapshot-ingest up`; the ports change at each start.",
                *_section(
                    "nats",
                    url=addresses.nats_server,
                    **_nats_login(addresses.nats_ingest),
                    inbox_prefix=INBOX_PREFIX,
                ),
                *_section(
                    "postgres", dsn=ingest.dsn(admin_dsn), password_file=ingest.password_file
                ),
                *_section("openbao", url=addresses.openbao_url, **_login(addresses.ingest_approle)),
                "\n[http]\nport = 0",
                *_section(
                    "reader.postgres",
                    dsn=reader.dsn(admin_dsn),
                    password_file=reader.password_file,
                ),
                *_section("reader.openbao", **_login(addresses.reader_approle)),
                *_section(
                    "operator.postgres",
                    dsn=operator.dsn(admin_dsn),
                    password_file=operator.password_file,
                ),
                *_section("operator.openbao", **_login(addresses.operator_approle)),
                *_section("admin.nats", **_nats_login(addresses.nats_admin)),
                *_section(
                    "admin.postgres", dsn=admin.dsn(admin_dsn), password_file=admin.password_file
                ),
                *_section("admin.openbao", **_login(addresses.admin_approle)),
                "",
            ]
        ),
    )


def _approle(role: AppRole) -> dict[str, str]:
    return {"role_id": role.role_id, "secret_id_file": str(role.secret_id_file)}


def _login(role: AppRole) -> dict[str, str | Path]:
    return {"role_id": role.role_id, "secret_id_file": role.secret_id_file}


def _nats_login(login: NatsLogin) -> dict[str, str | Path]:
    return {"user": login.user, "password_file": login.password_file}


def _section(name: str, **values: str | Path) -> list[str]:
    """JSON strings are TOML strings too."""
    return [f"\n[{name}]", *(f"{key} = {json.dumps(str(each))}" for key, each in values.items())]


def write_private(path: Path, text: str) -> None:
    """For its owner alone, and whole or not at all: others may be reading it."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
