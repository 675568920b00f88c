"""Clear text beyond loopback is refused, by one line that names the setting and shows no secret."""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import evolve
from typed_settings import Secret

from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import admin_connection, nats_connection, openbao, postgres_pool
from snapshot_ingest.settings import (
    NatsSettings,
    OpenBaoSettings,
    PostgresSettings,
    Settings,
    load_settings,
)
from snapshot_ingest.settings.dsn import Dsn
from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.hosts import is_loopback
from snapshot_ingest.settings.transport import nats_servers, openbao_url, postgres_dsn

CANARY = "canary-1c9e77f0"
POSTGRES = ["postgres", "reader.postgres", "operator.postgres", "admin.postgres"]
OPENBAO = ["openbao", "reader.openbao", "operator.openbao", "admin.openbao"]
CLEAR_DSN = f"postgresql://role:{CANARY}@db.example/backend?sslmode=disable"


def loaded(values: Mapping[str, str]) -> Settings:
    names = {"SNAPSHOT_INGEST_" + name.upper().replace(".", "_"): name for name in values}
    return load_settings(None, (), {variable: values[name] for variable, name in names.items()})


def refused(do: Callable[[], object]) -> str:
    with pytest.raises(SettingsError) as raised:
        do()
    assert raised.value.__context__ is None
    assert CANARY not in f"{raised.value} {raised.value!r} {vars(raised.value)}"
    assert str(raised.value).isprintable()
    return str(raised.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LocalHost", "/run/postgresql"]
)
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",  # noqa: S104 - compared, never bound
        "::",
        "10.0.0.1",
        "128.0.0.1",
        "127.1",
        "2130706433",
        "localhost.example",
        "127.0.0.1.example",
        "nats",
    ],
)
def test_whatever_may_be_elsewhere_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"nats.url": "nats://nats.example:4222"}, "nats.url leads beyond loopback in clear"),
        ({"nats.url": "nats.example"}, "nats.url leads beyond loopback in clear"),
        ({"nats.url": "tls://a.example,nats://b.example"}, "nats.url leads beyond loopback"),
        ({"nats.url": "nats://127.0.0.1,nats://b.example"}, "nats.url leads beyond loopback"),
        *(
            ({f"{name}.url": "http://bao.example:8200"}, f"{name}.url leads beyond loopback")
            for name in OPENBAO
        ),
        *(({f"{name}.dsn": CLEAR_DSN}, f"{name}.dsn has an sslmode") for name in POSTGRES),
    ],
)
def test_clear_text_beyond_loopback_is_refused_when_the_settings_are_loaded(
    values: Mapping[str, str], line: str
) -> None:
    section = next(iter(values)).rpartition(".")[0]
    said = refused(lambda: loaded(values))
    assert said.startswith(line)
    assert f"{section}.insecure = true allows it" in said
    loaded({**values, f"{section}.insecure": "true"})


def test_one_section_s_word_counts_for_no_other() -> None:
    for section in [*POSTGRES[1:], *OPENBAO, "nats"]:
        with pytest.raises(SettingsError, match=r"^postgres\.dsn"):
            loaded({"postgres.dsn": CLEAR_DSN, f"{section}.insecure": "true"})


async def test_settings_that_were_never_loaded_are_refused_where_they_are_used() -> None:
    clear = PostgresSettings(dsn=Secret(CLEAR_DSN))
    root = Settings(openbao=OpenBaoSettings(url="http://bao.example", token=Secret(CANARY)))
    own = OpenBaoSettings(url="http://other.example", token=Secret(CANARY))
    refused(lambda: nats_connection(NatsSettings(url="nats://nats.example")))
    refused(lambda: admin_connection(clear))
    with pytest.raises(SettingsError):
        await postgres_pool("postgres", clear).__aenter__()
    clock = SystemClock()
    assert "openbao.url" in refused(lambda: openbao("openbao", root.openbao, root, clock))
    shared = OpenBaoSettings(token=Secret(CANARY), insecure=True)  # its own url alone is meant
    assert "openbao.url" in refused(lambda: openbao("reader.openbao", shared, root, clock))
    assert "reader.openbao.url" in refused(lambda: openbao("reader.openbao", own, root, clock))


@pytest.mark.parametrize(
    "url",
    [
        "nats://127.0.0.1:4222",
        "nats://localhost:4222, nats://[::1]:4223",
        "127.0.0.1",
        "tls://nats.example:4222",
        "tls://10.0.0.1,tls://[2001:db8::1]:4222",
    ],
)
def test_loopback_and_tls_are_taken_for_nats(url: str) -> None:
    assert nats_servers(NatsSettings(url=url)) == tuple(map(str.strip, url.split(",")))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8200", "https://bao.example:8200/at/a/path"])
def test_loopback_and_tls_are_taken_for_openbao(url: str) -> None:
    assert openbao_url("openbao", url, insecure=False) == url


@pytest.mark.parametrize(
    "url",
    [
        "ws://127.0.0.1:4222",
        "nats://127.0.0.1\\.example",
        "nats://127.0.0.1#.example",
        "nats://127.0.0.1:4222?x=.example",
        "nats://",
        "nats://[::1",
        "tls://a,",
        CANARY + "/x",
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_none(url: str) -> None:
    assert refused(lambda: nats_servers(NatsSettings(url=url))).startswith(
        "nats.url is no address of NATS"
    )
    bao = url.replace("nats://", "http://")
    assert "is no address of OpenBao" in refused(lambda: openbao_url("openbao", bao, insecure=True))


def dsn_of(dsn: str, settings: PostgresSettings | None = None) -> dict[str, str]:
    """The parameters that the driver gets."""
    text = postgres_dsn("postgres", dsn, settings or PostgresSettings())
    assert urlsplit(text).netloc == urlsplit(dsn).netloc
    assert urlsplit(text).path == urlsplit(dsn).path
    return {name: values[-1] for name, values in parse_qs(urlsplit(text).query).items()}


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://role@db.example/backend",
        "postgresql://role@127.0.0.1,db.example/backend",
        "postgresql:///backend?host=db.example",
        "postgresql:///backend?service=production",
        "postgresql://role@db.example/backend?sslmode=verify-full",
        "postgresql://role@db.example/backend?sslmode=verify_full",
        "postgresql://role@%64b.example/backend",
    ],
)
def test_beyond_loopback_sslmode_is_verify_full(dsn: str) -> None:
    assert dsn_of(dsn)["sslmode"].replace("_", "-") == "verify-full"


@pytest.mark.parametrize("variable", ["PGHOST", "PGSERVICE"])
def test_a_host_that_comes_from_the_environment_is_not_taken_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    assert dsn_of("postgresql:///backend") == {}
    monkeypatch.setenv(variable, "db.example")
    assert dsn_of("postgresql:///backend") == {"sslmode": "verify-full"}


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://role@127.0.0.1:5432/backend",
        "postgresql://role@[::1]:5432,localhost/backend",
        "postgresql://role@127.0.0.1/backend?sslmode=disable",
        "postgresql://%2Frun%2Fpostgresql/backend",
        "postgresql:///backend?host=/run/postgresql",
    ],
)
def test_on_loopback_the_dsn_stays_as_it_is(dsn: str) -> None:
    assert postgres_dsn("postgres", dsn, PostgresSettings()) == dsn


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", CANARY])
def test_whatever_is_less_than_verify_full_is_refused_beyond_loopback(mode: str) -> None:
    dsn = f"postgresql://role@db.example/backend?sslmode={mode}"
    refused(lambda: dsn_of(dsn))
    assert dsn_of(dsn, PostgresSettings(insecure=True))["sslmode"] == mode


def test_insecure_alone_gives_up_nothing() -> None:
    assert dsn_of("postgresql://db.example/b", PostgresSettings(insecure=True)) == {
        "sslmode": "verify-full"
    }


def test_of_two_sslmodes_the_last_counts_as_for_the_driver() -> None:
    both = "postgresql://db.example/b?sslmode={}&sslmode={}"
    refused(lambda: dsn_of(both.format("verify-full", "disable")))
    assert dsn_of(both.format("disable", "verify-full"))["sslmode"] == "verify-full"


def test_a_second_at_sign_would_be_another_host_for_the_driver() -> None:
    assert Dsn.read("postgresql://role@db.example,x@127.0.0.1/backend") is None


def test_files_of_tls_go_to_the_driver_and_mean_verify_full_everywhere() -> None:
    files = PostgresSettings(ca_file=Path("/a/ca"), cert_file=Path("/a/c"), key_file=Path("/a/k"))
    dsn = "postgresql://role@127.0.0.1/backend?application_name=a+b%26c"
    assert dsn_of(dsn, files) == {
        "application_name": "a b&c",
        "sslmode": "verify-full",
        "sslrootcert": "/a/ca",
        "sslcert": "/a/c",
        "sslkey": "/a/k",
    }
    twice = "postgresql://role@127.0.0.1/backend?sslrootcert=/x"
    assert "holds sslrootcert" in refused(lambda: dsn_of(twice, files))
    alone = PostgresSettings(cert_file=Path("/a/c"))
    assert "go together" in refused(lambda: dsn_of(dsn, alone))


def test_a_file_of_tls_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    settings = PostgresSettings(dsn=Secret(f"postgresql://x:{CANARY}@db/b"), ca_file=missing)
    assert refused(lambda: admin_connection(settings)).startswith(
        f"admin.postgres.ca_file {missing} cannot be read"
    )


def test_the_documented_example_is_taken_and_speaks_tls_to_all(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "operating.md").read_text("utf-8")
    config = tmp_path / "snapshot-ingest.toml"
    config.write_text(dedent(text.partition("   ```toml\n")[2].partition("   ```\n")[0]))
    settings = load_settings(config, (), {})
    assert nats_connection(evolve(settings.nats, user=None, password_file=None)).demands_tls
    assert settings.openbao.url == "https://openbao.example:8200"
    for section in (settings, settings.reader, settings.operator, settings.admin):
        assert section.postgres.dsn is not None
        dsn = section.postgres.dsn.get_secret_value()
        assert dsn_of(dsn, section.postgres)["sslmode"] == "verify-full"


def test_the_certificate_and_key_of_nats_go_together() -> None:
    alone = NatsSettings(url="tls://nats.example", key_file=Path("key"))
    assert "nats.cert_file and nats.key_file go together" in refused(lambda: nats_connection(alone))


def test_in_clear_nats_follows_no_server_that_it_is_told_of_unless_that_is_meant() -> None:
    assert not nats_connection(NatsSettings()).follows
    assert nats_connection(NatsSettings(url="tls://nats.example")).follows
    assert nats_connection(NatsSettings(insecure=True)).follows
