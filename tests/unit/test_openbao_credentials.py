"""Where tokens and secret ids come from, and what is remembered of missing keys."""

import pickle
from pathlib import Path
from uuid import uuid4

import pytest

from snapshot_domain.errors import Misconfigured
from snapshot_domain.model import TenantId
from snapshot_openbao import (
    Address,
    AppRoleLogin,
    SecretFile,
    SecretText,
    TokenLogin,
    WrappedAppRoleLogin,
    WrappedSecretId,
)
from snapshot_openbao.client import HttpClient
from snapshot_openbao.errors import Problem
from snapshot_openbao.missing_keys import MissingKeys
from support.clock import MovableClock


def test_a_file_is_read_anew_each_time_without_white_space_around(tmp_path: Path) -> None:
    file = tmp_path / "secret_id"
    credential = SecretFile(file)
    file.write_text("one\n")
    assert credential.read() == "one"
    file.write_text("  two")
    assert credential.read() == "two"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_file_without_a_credential_is_unreadable(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret_id"
    if content is not None:
        file.write_bytes(content)
    assert SecretFile(file).read() is Problem.CREDENTIAL_UNREADABLE


@pytest.mark.parametrize("token", ["s.with\nnewline", "s.é", "s.\x00"])
def test_a_token_that_fits_no_header_is_unreadable(token: str) -> None:
    login = TokenLogin(SecretText(token))
    http = HttpClient(Address("http://127.0.0.1:1"))
    assert login.log_in(http, timeout_seconds=1) is Problem.CREDENTIAL_UNREADABLE


def test_a_wrapped_secret_id_shows_nothing_and_is_not_pickled() -> None:
    wrapped = WrappedSecretId(SecretText("s.wrapping"))
    assert "s.wrapping" not in f"{wrapped} {WrappedAppRoleLogin('role', wrapped)!r}"
    with pytest.raises(TypeError, match="sealed"):
        pickle.dumps(wrapped)


def test_a_wrapping_token_that_fits_no_header_is_unreadable() -> None:
    http = HttpClient(Address("http://127.0.0.1:1"))
    login = WrappedAppRoleLogin("role", WrappedSecretId(SecretText("s.with\nnewline")))
    assert login.log_in(http, timeout_seconds=1) is Problem.CREDENTIAL_UNREADABLE


def test_a_login_mount_that_is_no_name_is_misconfigured() -> None:
    with pytest.raises(Misconfigured, match="mount"):
        AppRoleLogin("role", SecretText("x"), mount="../sys")


def test_a_missing_key_is_remembered_for_thirty_seconds() -> None:
    clock = MovableClock()
    missing = MissingKeys(clock)
    first, second, never = (TenantId(uuid4()) for _ in range(3))
    missing.add(first)
    clock.advance(20)
    missing.add(second)
    assert first in missing
    assert second in missing
    assert never not in missing
    clock.advance(11)
    assert first not in missing
    assert second in missing
