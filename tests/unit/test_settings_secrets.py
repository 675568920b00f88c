"""Secrets by file or by value, and the connections that are made with them."""

from pathlib import Path

import pytest
from typed_settings import Secret

from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import (
    admin_connection,
    admin_nats_connection,
    nats_connection,
    openbao,
    postgres_pool,
)
from snapshot_ingest.openbao_login import openbao_login
from snapshot_ingest.settings import (
    AdminSettings,
    NatsLoginSettings,
    NatsSettings,
    OpenBaoSettings,
    PostgresSettings,
    Settings,
)
from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.secret_values import secret_value
from snapshot_openbao import KUBERNETES_JWT_FILE, AppRoleLogin, JwtLogin, SecretFile

CANARY = "canary-1c9e77f0"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{CANARY}\n", "utf-8")
    return path


def refusal(error: pytest.ExceptionInfo[SettingsError]) -> str:
    """What is refused, which shows no secret and drags none along."""
    assert error.value.__cause__ is None
    assert error.value.__context__ is None
    assert CANARY not in f"{error.value} {error.value!r} {vars(error.value)}"
    return str(error.value)


def test_a_secret_comes_from_its_value_or_from_its_file_without_the_space_around_it(
    file: Path,
) -> None:
    assert secret_value("x", Secret(CANARY), None) == CANARY
    assert secret_value("x", None, file) == CANARY
    assert secret_value("x", None, None) is None


def test_a_secret_and_its_file_together_are_refused(file: Path) -> None:
    with pytest.raises(SettingsError) as error:
        secret_value("nats.password", Secret(CANARY), file)
    assert refusal(error) == (
        "nats.password and nats.password_file are both set; expected one of them"
    )


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_secret_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty"
    path.write_text(content, "utf-8")
    with pytest.raises(SettingsError) as error:
        secret_value("nats.password", None, path)
    assert f"nats.password_file {path} is empty" in refusal(error)
    with pytest.raises(SettingsError) as error:
        secret_value("nats.password", Secret(""), None)
    assert "nats.password is empty" in refusal(error)


def test_a_secret_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(CANARY.encode() + b"\xff")
    problems = {
        tmp_path / "missing": "FileNotFoundError",
        tmp_path: "IsADirectoryError",
        binary: "UnicodeDecodeError",
    }
    for path, problem in problems.items():
        with pytest.raises(SettingsError) as error:
            secret_value("nats.password", None, path)
        assert f"cannot be read ({problem})" in refusal(error)


def test_nats_gets_its_servers_and_credentials(file: Path) -> None:
    settings = nats_connection(
        NatsSettings(url="tls://a:1, tls://b:2", user="worker", password_file=file)
    )
    assert settings.servers == ("tls://a:1", "tls://b:2")
    assert (settings.user, settings.password) == ("worker", CANARY)
    assert CANARY not in repr(settings)
    assert nats_connection(NatsSettings(credentials_file=file)).credentials_file == file
    assert nats_connection(NatsSettings(nkey_seed_file=file)).nkey_seed_file == file
    assert nats_connection(NatsSettings(token_file=file)).token == CANARY
    assert CANARY not in repr(nats_connection(NatsSettings(token_file=file)))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (NatsSettings(user="worker"), "nats.user and nats.password go together"),
        (NatsSettings(password=Secret(CANARY)), "nats.user and nats.password go together"),
        (
            NatsSettings(user="w", password=Secret(CANARY), credentials_file=Path("x")),
            "nats has a user and a credentials_file",
        ),
        (
            NatsSettings(token=Secret(CANARY), nkey_seed_file=Path("x")),
            "nats has a token and a nkey_seed_file",
        ),
    ],
)
def test_credentials_of_nats_that_contradict_each_other_are_refused(
    settings: NatsSettings, line: str
) -> None:
    with pytest.raises(SettingsError) as error:
        nats_connection(settings)
    assert line in refusal(error)


def test_an_administrator_of_nats_has_a_login_of_their_own_or_that_of_a_worker(file: Path) -> None:
    nats = NatsSettings(credentials_file=file, inbox_prefix="_INBOX_ours")
    assert admin_nats_connection(Settings(nats=nats)) == nats_connection(nats)
    login = NatsLoginSettings(user="admin", password_file=file)
    settings = admin_nats_connection(Settings(nats=nats, admin=AdminSettings(nats=login)))
    assert (settings.user, settings.password) == ("admin", CANARY)
    assert settings.credentials_file is None
    assert (settings.servers, settings.inbox_prefix) == (("nats://127.0.0.1:4222",), "_INBOX_ours")
    assert CANARY not in repr(settings)


@pytest.mark.parametrize(
    ("login", "line"),
    [
        (NatsLoginSettings(user="a"), "admin.nats.user and admin.nats.password go together"),
        (
            NatsLoginSettings(token=Secret(CANARY), nkey_seed_file=Path("x")),
            "admin.nats has a token and a nkey_seed_file",
        ),
        (NatsLoginSettings(token_file=Path("/none")), "admin.nats.token_file /none cannot be read"),
    ],
)
def test_a_login_of_an_administrator_that_is_none_is_refused_by_its_name(
    login: NatsLoginSettings, line: str
) -> None:
    with pytest.raises(SettingsError) as error:
        admin_nats_connection(Settings(admin=AdminSettings(nats=login)))
    assert line in refusal(error)


async def test_a_dsn_that_is_not_set_is_refused_by_the_name_of_its_section() -> None:
    with pytest.raises(SettingsError) as error:
        await postgres_pool("reader.postgres", PostgresSettings()).__aenter__()
    assert refusal(error).startswith("reader.postgres.dsn is not set")
    with pytest.raises(SettingsError) as error:
        admin_connection(PostgresSettings())
    assert refusal(error).startswith("admin.postgres.dsn is not set")


@pytest.mark.parametrize(
    "dsn",
    [
        CANARY,
        f"http://user:{CANARY}@host/db",
        f"postgresql://user:{CANARY}:{CANARY}",
        f"postgresql://user:{CANARY}/{CANARY}@host/db",
        f"postgresql://user:{CANARY}#@host/db",
        f"postgresql://user:{CANARY}@[::1/db",
    ],
)
async def test_a_dsn_that_is_none_is_refused_and_not_shown(dsn: str) -> None:
    with pytest.raises(SettingsError) as error:
        await postgres_pool("postgres", PostgresSettings(dsn=Secret(dsn))).__aenter__()
    assert refusal(error).startswith("postgres.dsn is no DSN")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://role@host/db",
        f"postgres://role:{CANARY}@one:5432,two:5433/db?sslmode=verify-full",
        "postgresql://role@[::1]:5432/db",
        "postgresql:///db?host=/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/db",
    ],
)
async def test_a_pool_of_any_sensible_dsn_opens_without_a_server(dsn: str) -> None:
    async with postgres_pool("postgres", PostgresSettings(dsn=Secret(dsn))) as pool:
        assert pool.get_size() == 0


async def opened(settings: OpenBaoSettings, root: Settings | None = None) -> None:
    """Opens and closes the connection, which asks no server."""
    root = root or Settings(openbao=OpenBaoSettings(url="https://bao.example"))
    async with openbao("reader.openbao", settings, root, SystemClock()):
        pass


@pytest.mark.parametrize(
    "settings",
    [
        OpenBaoSettings(token=Secret(CANARY)),
        OpenBaoSettings(token_file=Path("token")),
        OpenBaoSettings(role_id="reader", secret_id=Secret(CANARY)),
        OpenBaoSettings(role_id="reader", secret_id_file=Path("secret")),
        OpenBaoSettings(role_id="reader", wrapped_secret_id_file=Path("wrapped")),
        OpenBaoSettings(kubernetes_role="reader"),
        OpenBaoSettings(jwt_role="reader", jwt_file=Path("jwt")),
    ],
    ids=["token", "token-file", "approle", "approle-file", "wrapped", "kubernetes", "jwt"],
)
async def test_openbao_is_entered_in_one_of_many_ways(settings: OpenBaoSettings) -> None:
    await opened(settings)


def test_a_jwt_comes_from_where_kubernetes_puts_it_or_from_its_file() -> None:
    pod = openbao_login("openbao", OpenBaoSettings(kubernetes_role="ingest"))
    assert pod == JwtLogin("ingest", SecretFile(KUBERNETES_JWT_FILE), "kubernetes")
    own = OpenBaoSettings(kubernetes_role="ingest", jwt_file=Path("t"), auth_mount="k8s/east")
    assert openbao_login("openbao", own) == JwtLogin("ingest", SecretFile(Path("t")), "k8s/east")
    jwt = OpenBaoSettings(jwt_role="ingest", jwt_file=Path("t"))
    assert openbao_login("openbao", jwt) == JwtLogin("ingest", SecretFile(Path("t")), "jwt")


def test_an_approle_may_be_mounted_elsewhere() -> None:
    login = openbao_login(
        "openbao", OpenBaoSettings(role_id="r", secret_id_file=Path("s"), auth_mount="machines")
    )
    assert isinstance(login, AppRoleLogin)
    assert login.mount == "machines"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (OpenBaoSettings(), "reader.openbao has no credentials"),
        (OpenBaoSettings(secret_id=Secret(CANARY)), "reader.openbao has no credentials"),
        (OpenBaoSettings(role_id="reader"), "reader.openbao has a role_id alone"),
        (
            OpenBaoSettings(token=Secret(CANARY), role_id="reader"),
            "reader.openbao has a token and an AppRole",
        ),
        (
            OpenBaoSettings(token_file=Path("t"), secret_id=Secret(CANARY)),
            "reader.openbao has a token and an AppRole",
        ),
        (
            OpenBaoSettings(token=Secret(CANARY), token_file=Path("t")),
            "reader.openbao.token and reader.openbao.token_file are both set",
        ),
        (
            OpenBaoSettings(role_id="r", secret_id=Secret(CANARY), secret_id_file=Path("s")),
            "reader.openbao.secret_id and reader.openbao.secret_id_file are both set",
        ),
        (OpenBaoSettings(token=Secret("")), "reader.openbao.token is empty"),
        (OpenBaoSettings(jwt_role="r"), "reader.openbao has a jwt_role alone"),
        (OpenBaoSettings(jwt_file=Path("t")), "reader.openbao has a jwt_file alone"),
        (
            OpenBaoSettings(jwt_role="r", jwt_file=Path("t"), kubernetes_role="r"),
            "reader.openbao has a kubernetes_role and a jwt_role",
        ),
        (
            OpenBaoSettings(role_id="r", kubernetes_role="r", secret_id=Secret(CANARY)),
            "reader.openbao has an AppRole and a kubernetes_role",
        ),
        (
            OpenBaoSettings(role_id="r", secret_id=Secret(CANARY), wrapped_secret_id_file=Path()),
            "reader.openbao has a secret_id and a wrapped_secret_id_file",
        ),
    ],
)
async def test_credentials_of_openbao_that_do_not_do_are_refused(
    settings: OpenBaoSettings, line: str
) -> None:
    with pytest.raises(SettingsError) as error:
        await opened(settings)
    assert refusal(error).startswith(line)


async def test_without_any_address_of_openbao_it_is_asked_for() -> None:
    with pytest.raises(SettingsError) as error:
        await opened(OpenBaoSettings(token=Secret(CANARY)), Settings())
    assert refusal(error).startswith("openbao.url is not set")
    await opened(OpenBaoSettings(token=Secret(CANARY), url="https://own.example"), Settings())
