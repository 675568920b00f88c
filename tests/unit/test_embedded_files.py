"""The files that `up` writes: for their owner alone, whole, and enough to join."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshot_ingest.embedded.files import (
    RoleAccess,
    write_private,
    write_settings,
    write_stack_json,
)
from snapshot_ingest.settings.loading import load_settings
from snapshot_ingest.stack import AppRole, NatsLogin, StackAddresses
from snapshot_ingest.stack.addresses import Pids

PASSWORD = "canary-1c9e77f0"
ADMIN_PASSWORD = "canary-of-the-superuser"


@pytest.fixture(autouse=True)
def careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def addresses(tmp_path: Path) -> StackAddresses:
    def role(name: str) -> AppRole:
        return AppRole(f"role-of-{name}", tmp_path / f"{name}.secret_id")

    def user(name: str) -> NatsLogin:
        return NatsLogin(name, tmp_path / f"nats_{name}.password")

    return StackAddresses(
        nats_url=f"nats://admin:{ADMIN_PASSWORD}@127.0.0.1:4222",
        nats_credentials=None,
        nats_ingest=user("ingest"),
        nats_provision=user("provision"),
        nats_admin=user("admin"),
        postgres_admin_dsn=f"postgresql://postgres:{ADMIN_PASSWORD}@127.0.0.1:5432/backend",
        openbao_url="http://127.0.0.1:8200",
        ingest_approle=role("ingest"),
        reader_approle=role("reader"),
        operator_approle=role("operator"),
        admin_approle=role("admin"),
        pids=Pids(nats=1, postgres=2, openbao=3),
        **{
            name: tmp_path / name
            for name in (
                *("nats_log", "postgres_log", "openbao_log", "openbao_audit_log"),
                *("nats_store", "postgres_data", "openbao_data"),
            )
        },
    )


def role_with_password(folder: Path, name: str) -> RoleAccess:
    path = folder / f"{name}.password"
    write_private(path, PASSWORD)
    return RoleAccess(name, path)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_private_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, PASSWORD)
    assert mode_of(path) == 0o600
    assert path.read_text("utf-8") == PASSWORD


def test_a_private_file_replaces_the_one_before_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.write_text("before", "utf-8")
    path.chmod(0o644)
    write_private(path, "after")
    assert (mode_of(path), path.read_text("utf-8")) == (0o600, "after")
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_crash_left_half_written_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    (tmp_path / "stack.new").write_text("half", "utf-8")
    write_private(path, "whole")
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("dear", "utf-8")
    (tmp_path / "stack.new").symlink_to(victim)
    write_private(tmp_path / "stack.json", PASSWORD)
    assert victim.read_text("utf-8") == "dear"


def test_stack_json_has_all_that_another_client_needs(
    tmp_path: Path, addresses: StackAddresses
) -> None:
    path = tmp_path / "stack.json"
    write_stack_json(path, addresses, role_with_password(tmp_path, "worker"), "http://x:1")
    assert mode_of(path) == 0o600
    assert json.loads(path.read_text("utf-8")) == {
        "nats_url": addresses.nats_url,
        "nats_credentials": None,
        "postgres_dsn": f"postgresql://worker:{PASSWORD}@127.0.0.1:5432/backend",
        "postgres_admin_dsn": addresses.postgres_admin_dsn,
        "openbao_url": "http://127.0.0.1:8200",
        **{
            f"{name}_approle": {
                "role_id": f"role-of-{name}",
                "secret_id_file": str(tmp_path / f"{name}.secret_id"),
            }
            for name in ("ingest", "reader", "operator", "admin")
        },
        "http_url": "http://x:1",
        "pids": {"nats": 1, "postgres": 2, "openbao": 3},
    }


def test_the_settings_file_gives_each_section_its_own_role(
    tmp_path: Path, addresses: StackAddresses
) -> None:
    folder = tmp_path / 'odd "name" \\ here'
    folder.mkdir()
    path = folder / "snapshot-ingest.toml"
    ingest, reader, operator = (
        role_with_password(folder, name) for name in ("worker", "reader", "operator")
    )
    write_settings(path, addresses, ingest, reader, operator, folder / "admin.password")
    assert mode_of(path) == 0o600
    assert PASSWORD not in path.read_text("utf-8")
    assert ADMIN_PASSWORD not in path.read_text("utf-8")
    settings = load_settings(path, (), {})
    for section, role in (
        (settings.postgres, "worker"),
        (settings.reader.postgres, "reader"),
        (settings.operator.postgres, "operator"),
        (settings.admin.postgres, "postgres"),
    ):
        assert section.dsn is not None
        assert section.dsn.get_secret_value() == f"postgresql://{role}@127.0.0.1:5432/backend"
    assert settings.postgres.password_file == ingest.password_file
    assert settings.admin.postgres.password_file == folder / "admin.password"
    assert settings.nats.url == "nats://127.0.0.1:4222"
    assert settings.nats.user == "ingest"
    assert settings.nats.password_file == tmp_path / "nats_ingest.password"
    assert settings.admin.nats.user == "admin"
    assert settings.admin.nats.password_file == tmp_path / "nats_admin.password"
    assert settings.openbao.role_id == "role-of-ingest"
    assert settings.reader.openbao.role_id == "role-of-reader"
    assert settings.admin.openbao.role_id == "role-of-admin"
    assert settings.http.port == 0
