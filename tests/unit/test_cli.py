"""The command line: help, one clear line for whatever is wrong, and no secret on the screen."""

import asyncio
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest

from snapshot_domain.errors import Dependency, Unavailable
from snapshot_ingest.__main__ import main
from snapshot_ingest.commands import config_show, show, status, up
from snapshot_ingest.settings import Settings
from snapshot_ingest.settings.checks import value_of
from snapshot_ingest.settings.loading import ENV_PREFIX, option_paths
from snapshot_ingest.settings.values import is_secret
from support.unchanged_logging import unchanged_logging

__all__ = ["unchanged_logging"]

ROOT = Path(__file__).parents[2]
CANARY = "canary-1c9e77f0"
DEVICE = "6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"
COMMANDS = [
    *("run", "up", "publish", "migrate", "provision", "takeover"),
    *("status", "show", "config", "shred", "uninstall"),
]


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting comes from whoever runs the tests, and no server is started."""

    def no_servers(*_: object, **__: object) -> None:
        raise AssertionError("it was not refused")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(up, "EmbeddedStack", no_servers)
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)


class Ended:
    """How a command ended, and what it printed."""

    def __init__(self, code: object, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def line(self) -> str:
        """Its one clear line, beside which it printed nothing."""
        assert self.out == ""
        assert self.err.count("\n") == 1
        prefix, _, line = self.err.rstrip("\n").partition(": ")
        assert prefix == "snapshot-ingest"
        return line


class CommandLine:
    """Runs commands in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["snapshot-ingest", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code, *self._capsys.readouterr())


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def variable_of(name: str) -> str:
    return ENV_PREFIX + name.upper().replace(".", "_")


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_without_a_command_it_says_which_there_are(
    command: CommandLine, arguments: tuple[str, ...]
) -> None:
    ended = command(*arguments)
    assert not ended.code
    for name in COMMANDS:
        assert f" {name} " in ended.out


def test_it_says_its_version(command: CommandLine) -> None:
    ended = command("--version")
    assert not ended.code
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ended.out == f"{project['name']} {project['version']}\n"


@pytest.mark.parametrize("name", [*COMMANDS, "config show"])
def test_every_command_has_help(command: CommandLine, name: str) -> None:
    ended = command(*name.split(), "--help")
    assert not ended.code
    assert f"Usage: snapshot-ingest {name}" in ended.out
    assert ended.err == ""


def test_the_help_of_up_says_where_it_keeps_everything(command: CommandLine) -> None:
    assert f"{up.DEFAULT_DATA_DIR}." in command("up", "--help").out


def test_a_dry_run_of_publish_says_which_device_each_path_is_and_asks_no_server(
    command: CommandLine,
) -> None:
    folder = Path("configs")
    for name in ("a.rsc", "b.rsc", "series/1.rsc", "series/2.rsc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    ended = command("--set", "nats.url=nats://127.0.0.1:1", "publish", "--dry-run", "configs")
    assert not ended.code
    assert ended.err == ""
    ids = [
        uuid5(NAMESPACE_URL, f"snapshot-ingest:configs/{name}")
        for name in ("a.rsc", "b.rsc", "series")
    ]
    assert ended.out.splitlines() == [
        f"{ids[0]} configs/a.rsc",
        f"{ids[1]} configs/b.rsc",
        f"{ids[2]} configs/series",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nats.url", f"tls://{CANARY}"),
        ("postgres.dsn", f"postgresql://{CANARY}/db"),
        ("openbao.role_id", CANARY),
        ("reader.postgres.dsn", f"postgresql://{CANARY}/db"),
        ("operator.openbao.role_id", CANARY),
        ("admin.openbao.token", CANARY),
        ("nats.stream", CANARY),
    ],
)
def test_up_is_never_led_to_other_servers_by_the_environment(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(variable_of(name), value)
    monkeypatch.setenv("SNAPSHOT_INGEST_CONFIG", "another-installation.toml")
    ended = command("up", "--ephemeral", "--publish", "no-such-file")
    assert ended.line().startswith(f"{name} is set, and `up` works on the servers that it starts")
    assert ended.code == 1


def test_up_may_be_tuned(command: CommandLine) -> None:
    tuned = [f"--set={name}=2" for name in ("postgres.pool_size", "openbao.threads", "http.port")]
    ended = command(*tuned, "up", "--ephemeral", "--publish", "no-such-file")
    assert "no-such-file" in ended.line()


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("bogus",), 2, "No such command 'bogus'; see `snapshot-ingest --help`"),
        (("config",), 2, "Missing command; see `snapshot-ingest config --help`"),
        (("up", "--bogus"), 2, "No such option: --bogus"),
        (("up", "--simulate", "0"), 2, "Invalid value for '--simulate'"),
        (("up", "--simulate", "many"), 2, "Invalid value for '--simulate'"),
        (("publish",), 2, "Missing argument 'PATH…'"),
        (("show",), 2, "Missing argument 'DEVICE|SNAPSHOT'"),
        (("--log-level", "loud", "status"), 1, "--log-level is not known"),
        (("--config", "x", "up"), 1, "up makes its own configuration"),
        (("up", "--ephemeral", "--data-dir", "x"), 1, "--ephemeral and --data-dir are both given"),
        (("up", "--simulate", "1", "--publish", "x"), 1, "--simulate and --publish are both given"),
        (("publish", "x", "--rate", "0"), 1, "--rate is not positive"),
        (("publish", "x", "--rate", "nan"), 1, "--rate is not positive"),
        (("publish", "x", "--rate", "inf"), 1, "--rate is not positive"),
        (("publish", "x", "--tenant", "x"), 1, "--tenant 'x' is no UUID"),
        (("publish", "x", "--start", "x"), 1, "--start 'x' is no time"),
        (("publish", "x", "--repeat", "0"), 1, "repeat"),
        (("provision", "--tenant", "x"), 1, "--tenant 'x' is no UUID"),
        (("takeover", "--inbox-prefix", "x"), 1, "--inbox-prefix is for the way back"),
        (("takeover",), 1, "admin.postgres.dsn is not set"),
        (("publish", "no-such-file"), 1, "no-such-file"),
        (("up", "--publish", "no-such-file"), 1, "no-such-file"),
        (("show", "x"), 1, "'x' is no UUID"),
        (("show", DEVICE), 1, "reader.postgres.dsn is not set"),
        (("migrate",), 1, "admin.postgres.dsn is not set"),
        (("uninstall",), 1, "admin.postgres.dsn is not set"),
        (("run",), 1, "postgres.dsn is not set"),
        (("--config", "missing.toml", "run"), 1, "missing.toml: there is none"),
        (("--set", "bogus=1", "run"), 1, "there is no setting 'bogus'"),
        (("--set", "nats.url=tls://elsewhere", "up"), 1, "nats.url is set, and `up` works on"),
        (("--set", "dedup=canonical", "up"), 1, "this value of dedup is not built yet"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    command: CommandLine, arguments: tuple[str, ...], code: int, line: str
) -> None:
    ended = command(*arguments)
    assert line in ended.line()
    assert ended.code == code


def test_a_fault_of_a_dependency_is_one_clear_line(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise Unavailable(Dependency.SOURCE, "no server answers")

    monkeypatch.setattr(show, "show", fail)
    ended = command("show", DEVICE)
    assert (ended.code, ended.line()) == (1, "source: no server answers")


def test_of_an_unforeseen_error_only_its_class_and_its_way_are_shown(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise RuntimeError(CANARY) from error

    monkeypatch.setattr(show, "show", fail)
    ended = command("show", DEVICE)
    assert ended.code == 1
    assert CANARY not in ended.out + ended.err
    *places, last = ended.err.splitlines()
    assert last == (
        "snapshot-ingest: unforeseen RuntimeError; please report it with the lines above"
    )
    assert any("test_cli.py:" in place and place.endswith(" in fail") for place in places)


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError])
def test_an_interruption_ends_it_without_a_word(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupt(*_: object) -> None:
        raise error(CANARY)

    monkeypatch.setattr(config_show, "config_show", interrupt)
    ended = command("config", "show")
    assert (ended.code, ended.out, ended.err) == (130, "", "")


def test_a_missing_extra_is_one_clear_line(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "snapshot_ingest.cli", raising=False)
    monkeypatch.setitem(sys.modules, "typer", None)
    ended = command("status")
    assert (ended.code, ended.line()) == (
        1,
        "typer is not installed; install snapshot-ingest[cli]",
    )


def test_a_missing_extra_that_only_a_command_needs_is_one_clear_line(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(CANARY, name="asyncpg")

    monkeypatch.setattr(status, "status", fail)
    ended = command("status")
    assert (ended.code, ended.line()) == (
        1,
        "asyncpg is not installed; install snapshot-ingest[cli]",
    )


def test_config_show_lists_every_setting_on_a_whole_line_and_shows_no_secret(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {name for name, kind in option_paths() if is_secret(kind)}
    for name in secrets:
        beginning = "postgresql://host/" if name.endswith(".dsn") else ""
        monkeypatch.setenv(variable_of(name), beginning + CANARY)
    monkeypatch.setenv("COLUMNS", "20")
    ended = command("--set", "nats.user=[red]markup", "config", "show")
    assert not ended.code
    assert CANARY not in ended.out + ended.err
    heading, *lines = (line.split() for line in ended.out.splitlines())
    assert heading == ["setting", "value", "environment"]
    shown = {name: (value, variable) for name, value, variable in lines}
    assert list(shown) == [name for name, _ in option_paths()]
    for name, (value, variable) in shown.items():
        assert variable == variable_of(name)
        if name in secrets:
            assert value == "(set)"
        elif value_of(Settings(), name) is None and name != "nats.user":
            assert value == "-"
    assert shown["nats.user"][0] == "[red]markup"
    assert shown["max_clock_ahead"][0] == "600s"
    assert shown["hash_policy"][0] == "trust"


def test_a_secret_that_is_not_set_shows_as_such(command: CommandLine) -> None:
    lines = [line.split() for line in command("config", "show").out.splitlines()]
    assert ["nats.password", "-", "SNAPSHOT_INGEST_NATS_PASSWORD"] in lines


def imported_by(code: str) -> set[str]:
    """The top-level names of what a fresh interpreter has imported after running this."""
    tell = "import json, sys; json.dump(sorted(sys.modules), sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tell}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {name.partition(".")[0] for name in json.loads(result.stderr)}


def test_help_imports_no_driver_and_no_server() -> None:
    names = imported_by(
        "import sys; sys.argv = ['snapshot-ingest', '--help']\n"
        "from snapshot_ingest.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass"
    )
    assert "typer" in names
    assert not names & {
        *("nats", "asyncpg", "hvac", "requests", "cryptography", "starlette", "uvicorn"),
        *("prometheus_client", "msgspec", "typed_settings", "punq"),
        *("snapshot_nats", "snapshot_postgres", "snapshot_openbao", "snapshot_prometheus"),
    }
