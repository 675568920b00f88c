"""The parts of the embedded stack that need no server."""

import doctest
import os
from pathlib import Path
from signal import Signals

import pytest

from snapshot_ingest.stack import StackError, StackPorts, nats, openbao_roles
from snapshot_ingest.stack.identity import keep_search_capability, may_reach, setpriv
from snapshot_ingest.stack.openbao_config import OpenBaoPaths, openbao_config
from snapshot_ingest.stack.openbao_roles import ADMIN, INGEST, READER, ROLES
from snapshot_ingest.stack.ports import ReservedPorts
from snapshot_ingest.stack.process import Command, is_running
from snapshot_ingest.stack.wheels import WheelProgram, locate

_STRANGER = 987_654


def test_the_examples_in_the_documentation_are_true() -> None:
    for module in (nats, openbao_roles):
        tried = doctest.testmod(module)
        assert (tried.failed, tried.attempted > 0) == (0, True)


def test_ingest_may_encrypt_and_open_what_waits_and_the_digest_key() -> None:
    assert {grant.path: grant.capabilities for grant in INGEST.grants} == {
        "transit/encrypt/tenant_*": ("update",),
        "transit/encrypt/snapshot_ingest_*": ("update",),
        "transit/decrypt/snapshot_ingest_waiting": ("update",),
        "transit/decrypt/snapshot_ingest_digest": ("update",),
    }


def test_the_reader_may_only_decrypt() -> None:
    assert {grant.path: grant.capabilities for grant in READER.grants} == {
        "transit/decrypt/tenant_*": ("update",),
        "transit/decrypt/snapshot_ingest_quarantine": ("update",),
    }


def test_the_admin_is_no_root_and_touches_no_content() -> None:
    for grant in ADMIN.grants:
        assert "sudo" not in grant.capabilities
        assert not grant.path.startswith(("transit/encrypt", "transit/decrypt"))
        assert grant.path not in ("*", "sys/*", "auth/*")


def test_a_path_with_quotes_stays_one_string_in_openbaos_configuration() -> None:
    paths = OpenBaoPaths(
        data=Path('/d "x"/data'),
        seal_key=Path("/d/seal.key"),
        audit_log=Path("/d/audit.log"),
        secret_ids={role.name: Path(f"/d/{role.name}.secret_id") for role in ROLES},
    )
    text = openbao_config(8200, 8201, paths)
    assert r'path                   = "/d \"x\"/data"' in text


def test_becoming_another_user_comes_before_the_signal_that_it_would_clear() -> None:
    command = Command(
        name="server",
        argv=("/bin/server", "--flag"),
        log_file=Path("/d/log"),
        stop=Signals.SIGINT,
        orphan=Signals.SIGQUIT,
        run_as=("become", "nobody"),
    )
    death = (setpriv(), "--pdeathsig=QUIT", "--")
    assert command.full_argv() == ("become", "nobody", *death, "/bin/server", "--flag")


@pytest.mark.parametrize(
    "program",
    [
        WheelProgram("no-such-distribution", "bin/program"),
        WheelProgram("attrs", "bin/program"),
        WheelProgram("attrs", "attrs/py.typed"),
    ],
    ids=["no wheel", "no such file in it", "not a program"],
)
def test_a_program_that_is_not_there_is_one_clear_line(program: WheelProgram) -> None:
    with pytest.raises(StackError, match="was not found; expected it in the installed wheel"):
        locate(program)


@pytest.mark.parametrize(
    ("ports", "line"),
    [
        (StackPorts(nats=70_000), "not all TCP ports: nats 70000"),
        (StackPorts(openbao=-1), "not all TCP ports: nats 0, postgres 0, openbao -1"),
        (StackPorts(nats=4222, postgres=4222), "one port is named for two servers"),
    ],
)
def test_ports_that_cannot_be_are_one_clear_line(ports: StackPorts, line: str) -> None:
    with pytest.raises(StackError, match=line):
        ReservedPorts(ports)


def test_a_stranger_reaches_what_every_directory_lets_them_enter(tmp_path: Path) -> None:
    folders = (tmp_path / "a", tmp_path / "a" / "b")
    for folder in folders:
        folder.mkdir()
        folder.chmod(0o711)
    inside = folders[-1] / "file"
    reachable_from = may_reach(tmp_path, _STRANGER, _STRANGER)
    tmp_path_is_open = bool(tmp_path.stat().st_mode & 0o001)
    assert may_reach(inside, _STRANGER, _STRANGER) is (reachable_from and tmp_path_is_open)
    folders[0].chmod(0o700)
    assert not may_reach(inside, _STRANGER, _STRANGER)


@pytest.mark.parametrize(
    ("held", "capability"),
    [(0b110, "dac_read_search"), (0b100, "dac_read_search"), (0b010, "dac_override")],
)
def test_of_the_capabilities_to_pass_the_least_is_kept(held: int, capability: str) -> None:
    options = keep_search_capability(Path("/d"), held)
    assert options[1:] == (f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}")


def test_no_capability_to_pass_is_one_clear_line() -> None:
    with pytest.raises(StackError, match="which runs as nobody, cannot reach /d/postgres"):
        keep_search_capability(Path("/d/postgres"), 0b001)


def test_a_process_is_running_until_it_is_no_more_than_a_zombie() -> None:
    assert is_running(os.getpid())
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert not is_running(child)
    os.waitpid(child, 0)
    assert not is_running(child)
