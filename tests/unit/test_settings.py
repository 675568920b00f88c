"""Settings from a TOML file, the environment and --set: which wins, and what is refused."""

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import pytest
from typed_settings import Secret

from snapshot_domain.policy import HashPolicy, OnRejected
from snapshot_ingest.settings import Settings
from snapshot_ingest.settings.checks import value_of
from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.loading import ENV_PREFIX, load_settings, option_paths
from snapshot_ingest.settings.values import is_secret

CANARY = "canary-1c9e77f0"

ALL_SETTINGS = [name for name, _ in option_paths()]
SWITCHES = {name for name, kind in option_paths() if kind is bool}
SECRETS = [name for name, kind in option_paths() if is_secret(kind)]
NO_SCALARS = [f'["{CANARY}"]', f'{{x = "{CANARY}"}}']
_BEGINNINGS = {"url": "https://host", "dsn": "postgresql://host"}


def variable_of(name: str) -> str:
    return ENV_PREFIX + name.upper().replace(".", "_")


def a_value_for(name: str) -> str:
    """A value of the setting's kind, and no other setting's where it is text."""
    default = value_of(Settings(), name)
    if isinstance(default, StrEnum):
        return default
    if isinstance(default, timedelta):
        return "7s"
    if isinstance(default, bool):
        return "false"
    last = name.rpartition(".")[2]
    return "7" if isinstance(default, int) else f"{_BEGINNINGS.get(last, '')}/value/of/{name}"


def text_of(value: object) -> str:
    if isinstance(value, Secret):
        return str(value.get_secret_value())
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value.total_seconds():g}s" if isinstance(value, timedelta) else str(value)


def from_toml(path: Path, text: str, *overrides: str, **environment: str) -> Settings:
    config = path / "snapshot-ingest.toml"
    config.write_text(text, "utf-8")
    return load_settings(config, overrides, environment)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """The error and all that travels along with it."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__


def refusal(
    config: Path | None = None,
    overrides: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> str:
    """The one line that the bad settings end in, which shows no value."""
    with pytest.raises(SettingsError) as raised:
        load_settings(config, overrides, environment or {})
    for error in chain_of(raised.value):
        assert CANARY not in f"{error} {error!r} {error.args} {vars(error)}"
    line = str(raised.value)
    assert line.isprintable()
    return line


def toml_refusal(path: Path, text: str | bytes) -> str:
    config = path / "snapshot-ingest.toml"
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    return refusal(config)


def test_with_nothing_set_the_defaults_are_the_designs() -> None:
    settings = load_settings(environment={})
    assert settings == Settings()
    assert (settings.hash_policy, settings.on_rejected) == (
        HashPolicy.TRUST,
        OnRejected.QUARANTINE,
    )
    assert settings.max_clock_ahead == timedelta(minutes=10)
    assert (settings.nats.stream, settings.nats.consumer, settings.nats.subject) == (
        "DEVICE_EVENTS",
        "config_snapshot_ingest",
        "config.snapshot.>",
    )


def test_each_source_is_stronger_than_the_one_before(tmp_path: Path) -> None:
    text = '[nats]\nstream = "FILE"\nconsumer = "file"\nsubject = "file"\n'
    environment = {"SNAPSHOT_INGEST_NATS_CONSUMER": "env", "SNAPSHOT_INGEST_NATS_SUBJECT": "env"}
    settings = from_toml(tmp_path, text, "nats.subject=set", **environment)
    assert settings.nats.stream == "FILE"
    assert settings.nats.consumer == "env"
    assert settings.nats.subject == "set"


def test_of_two_overrides_of_one_setting_the_last_counts() -> None:
    assert load_settings(None, ["http.port=1", "http.port=2"], {}).http.port == 2


def test_an_override_keeps_every_further_equals_sign() -> None:
    assert load_settings(None, ["nats.user=a=b=c"], {}).nats.user == "a=b=c"


def test_values_of_every_kind_are_read_from_a_file(tmp_path: Path) -> None:
    settings = from_toml(
        tmp_path,
        'hash_policy = "enforce"\nmax_clock_ahead = "1h30m"\norphan_grace = "0s"\n'
        '[postgres]\ndsn = "postgresql://role@host/db"\npool_size = 3\n'
        "[worker]\ngrace = 1.5\n"
        '[reader.openbao]\nrole_id = "reader"\n',
    )
    assert settings.policy.hash_policy is HashPolicy.ENFORCE
    assert settings.policy.max_clock_ahead == timedelta(minutes=90)
    assert settings.postgres.pool_size == 3
    assert settings.worker.limits.grace == timedelta(seconds=1.5)
    assert settings.reader.openbao.role_id == "reader"
    assert settings.postgres.dsn is not None
    assert settings.postgres.dsn.get_secret_value() == "postgresql://role@host/db"


def test_the_worker_and_the_policy_get_every_setting_that_is_theirs(tmp_path: Path) -> None:
    settings = from_toml(
        tmp_path,
        'on_rejected = "discard"\n[worker]\nbatch_messages = 1\nbatch_bytes = 2\n'
        'batches_in_flight = 3\nmax_in_flight_bytes = 4\ngrace = "5s"\n',
    )
    limits = settings.worker.limits
    assert (limits.batch_messages, limits.batch_bytes) == (1, 2)
    assert (limits.batches_in_flight, limits.in_flight_bytes) == (3, 4)
    assert limits.grace == timedelta(seconds=5)
    assert settings.policy.on_rejected is OnRejected.DISCARD


def test_a_relative_path_in_a_file_is_relative_to_the_file(tmp_path: Path) -> None:
    settings = from_toml(
        tmp_path,
        '[nats]\ncredentials_file = "creds/nats.creds"\n'
        '[reader.openbao]\nsecret_id_file = "../reader.secret"\n[openbao]\nca_file = "/etc/ca"\n',
    )
    assert settings.nats.credentials_file == tmp_path / "creds" / "nats.creds"
    assert settings.reader.openbao.secret_id_file == tmp_path.parent / "reader.secret"
    assert settings.openbao.ca_file == Path("/etc/ca")


def test_a_relative_path_elsewhere_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"SNAPSHOT_INGEST_NATS_CREDENTIALS_FILE": "nats.creds"}
    settings = load_settings(None, ["openbao.ca_file=ca.pem"], environment)
    assert settings.nats.credentials_file == tmp_path / "nats.creds"
    assert settings.openbao.ca_file == tmp_path / "ca.pem"


def test_the_file_may_be_named_by_the_environment_and_the_argument_is_stronger(
    tmp_path: Path,
) -> None:
    files = {}
    for name in ("environment", "argument"):
        files[name] = tmp_path / f"{name}!.toml"
        files[name].write_text(f'[nats]\nuser = "{name}"\n', "utf-8")
    environment = {"SNAPSHOT_INGEST_CONFIG": str(files["environment"])}
    assert load_settings(None, (), environment).nats.user == "environment"
    assert load_settings(files["argument"], (), environment).nats.user == "argument"


def test_every_setting_can_come_from_the_environment() -> None:
    values = {name: a_value_for(name) for name in ALL_SETTINGS}
    values |= {
        "nats.url": "tls://host",
        "nats.inbox_prefix": "_INBOX_ours",
        "hash_policy": "audit",
        "on_rejected": "discard",
        "cipher.format": "envelope",
        "events.stream": "OURS",
    }
    values |= {name: "ours" for name in ALL_SETTINGS if name.endswith("openbao.mount")}
    settings = load_settings(None, (), {variable_of(name): values[name] for name in ALL_SETTINGS})
    assert {name: text_of(value_of(settings, name)) for name in ALL_SETTINGS} == values


def test_no_two_settings_share_a_variable() -> None:
    assert len({variable_of(name) for name in ALL_SETTINGS}) == len(ALL_SETTINGS)


@pytest.mark.parametrize("value", ["true", "1979-05-27T07:32:00Z", '""', *NO_SCALARS])
def test_a_value_of_a_wrong_type_is_refused_whichever_setting_has_it(
    tmp_path: Path, value: str
) -> None:
    line = toml_refusal(tmp_path, "\n".join(f"{name} = {value}" for name in ALL_SETTINGS))
    named, _, _ = line.partition("; expected ")
    refused = set(ALL_SETTINGS) - (SWITCHES if value == "true" else set())
    assert named == f"bad value for {', '.join(sorted(refused))}"


@pytest.mark.parametrize("value", ["", "yes", "1", "TRUE", CANARY])
def test_a_switch_is_true_or_false_and_nothing_else(value: str) -> None:
    line = refusal(overrides=(f"nats.recreate_consumer={value}",))
    assert line == "bad value for nats.recreate_consumer; expected true or false"


@pytest.mark.parametrize("value", ["", "10 parsecs", "inf", "1e400", CANARY])
def test_what_is_no_duration_is_refused(value: str) -> None:
    line = refusal(environment={"SNAPSHOT_INGEST_MAX_CLOCK_AHEAD": value})
    assert line == "bad value for max_clock_ahead; expected a duration such as 10m"


@pytest.mark.parametrize("value", ["_INBOX.>", "a..b", ".a", "a b", "a\n", "*"])
def test_an_inbox_that_is_no_subject_is_refused(value: str) -> None:
    line = refusal(overrides=(f"nats.inbox_prefix={value}",))
    assert line.startswith("nats.inbox_prefix is no subject")


def test_a_data_key_without_a_lifetime_is_refused() -> None:
    line = refusal(overrides=("cipher.data_key_lifetime=0s",))
    assert line == "cipher.data_key_lifetime is not positive; expected a duration such as 15m"


@pytest.mark.parametrize("name", ["max_clock_ahead", "orphan_grace", "worker.grace"])
def test_a_duration_that_is_negative_is_refused(name: str) -> None:
    assert f"{name} is negative" in refusal(environment={variable_of(name): "-5m"})


@pytest.mark.parametrize("value", ["", "1.5", "0x10", CANARY, "9" * 5000])
def test_what_is_no_whole_number_is_refused(value: str) -> None:
    line = refusal(overrides=(f"worker.batch_messages={value}",))
    assert line == "bad value for worker.batch_messages; expected a whole number"


@pytest.mark.parametrize("section", ["reader", "operator", "admin"])
def test_a_mount_of_another_section_is_refused_unless_it_is_the_one_mount(section: str) -> None:
    other = f"{section}.openbao.mount=elsewhere"
    line = refusal(overrides=(other,))
    assert line.startswith(f"{section}.openbao.mount is not that of openbao.mount")
    assert "set openbao.mount alone" in line
    load_settings(overrides=("openbao.mount=elsewhere", other), environment={})
    load_settings(overrides=("openbao.mount=elsewhere",), environment={})


@pytest.mark.parametrize(
    "name", [n for n in ALL_SETTINGS if type(value_of(Settings(), n)) is int and n != "http.port"]
)
def test_a_count_or_size_is_at_least_one(name: str) -> None:
    assert f"{name} is not positive" in refusal(overrides=(f"{name}=0",))


@pytest.mark.parametrize("value", ["-1", "65536"])
def test_a_port_that_is_none_is_refused(value: str) -> None:
    assert "http.port is no port" in refusal(overrides=(f"http.port={value}",))


def test_a_choice_that_does_not_exist_is_refused_with_those_that_do() -> None:
    assert refusal(environment={"SNAPSHOT_INGEST_HASH_POLICY": CANARY}) == (
        "bad value for hash_policy; expected trust or audit or enforce"
    )


def test_a_value_that_is_not_built_yet_is_refused_and_never_ignored() -> None:
    line = refusal(overrides=("dedup=canonical",))
    assert line == 'this value of dedup is not built yet; expected dedup = "poller"'


def test_several_bad_values_are_named_together(tmp_path: Path) -> None:
    line = toml_refusal(tmp_path, f'digest = "{CANARY}"\n[reader.postgres]\npool_size = "{CANARY}"')
    assert "bad value for digest, reader.postgres.pool_size" in line


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f'bogus = "{CANARY}"', "'bogus'"),
        (f'[nats]\npasswort = "{CANARY}"', "'nats.passwort'"),
        (f'[reader.postgres]\ndsm = "{CANARY}"', "'reader.postgres.dsm'"),
        (f'[postgre]\ndsn = "{CANARY}"', "'postgre'"),
        ("[bogus]", "'bogus'"),
        (f'"two\\nlines" = "{CANARY}"', r"'two\nlines'"),
    ],
)
def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path, text: str, named: str) -> None:
    assert f"has unknown settings: {named}; correct or remove" in toml_refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "section"),
    [(f'nats = "{CANARY}"', "nats"), (f'[reader]\npostgres = ["{CANARY}"]', "reader.postgres")],
)
def test_a_value_in_place_of_a_section_is_refused(tmp_path: Path, text: str, section: str) -> None:
    assert toml_refusal(tmp_path, text) == (
        f"{section} is a section; expected [{section}] and settings below it"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f'[nats]\npassword = "{CANARY}\n', r"\(at line 2, column \d+\)"),
        (f"[nats]\npassword = {CANARY}\n", r"\(at line 2, column \d+\)"),
        (f"{CANARY}", r"\(at (end of document|line 1, column \d+)\)"),
        (f'["{CANARY}"]\n["{CANARY}"]\n', r"\(at line 2, column \d+\)"),
        ('x = "\0"', r"\(at line 1, column \d+\)"),
        (f"x = {'9' * 5000}", r"\(a number too long, or too many brackets\)"),
        (f"x = {'[' * 50_000}", r"no TOML"),
    ],
    ids=["open-string", "bare", "no-value", "twice", "nul", "long-number", "deep"],
)
def test_what_is_no_toml_is_refused_with_its_place_alone(
    tmp_path: Path, text: str, place: str
) -> None:
    line = toml_refusal(tmp_path, text)
    assert "it is no TOML" in line
    assert re.search(place, line)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    line = toml_refusal(tmp_path, b'x = "' + CANARY.encode() + b'\xff"')
    assert f"it is not UTF-8 (at byte {5 + len(CANARY)})" in line


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert f"configuration file {missing}: there is none" in refusal(missing)
    environment = {"SNAPSHOT_INGEST_CONFIG": str(missing)}
    assert f"configuration file {missing}: there is none" in refusal(environment=environment)


def test_a_directory_is_no_configuration_file(tmp_path: Path) -> None:
    assert "it cannot be read (IsADirectoryError)" in refusal(tmp_path)


def test_an_unknown_variable_is_refused_by_its_name_alone() -> None:
    line = refusal(environment={"SNAPSHOT_INGEST_NATS_PASSWORT": CANARY, "OTHER": "x"})
    assert "the environment has unknown settings: 'SNAPSHOT_INGEST_NATS_PASSWORT'" in line


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (CANARY, "--set without a value; expected --set NAME=VALUE, such as http.port=0"),
        (f"bogus={CANARY}", "there is no setting 'bogus'"),
        (f"nats={CANARY}", "there is no setting 'nats'"),
        (f"={CANARY}", "there is no setting ''"),
    ],
)
def test_an_override_that_means_nothing_is_refused(override: str, line: str) -> None:
    assert refusal(overrides=(override,)).startswith(line)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_never_taken_from_the_command_line(name: str) -> None:
    assert refusal(overrides=(f"{name}={CANARY}",)).startswith(f"{name} is a secret")


@pytest.mark.parametrize("name", [n for n in ALL_SETTINGS if n.rpartition(".")[2] == "url"])
@pytest.mark.parametrize("credentials", [f"user:{CANARY}", CANARY])
def test_an_address_with_credentials_is_refused(name: str, credentials: str) -> None:
    line = refusal(environment={variable_of(name): f"nats://one,nats://{credentials}@host:4222"})
    assert line.startswith(f"{name} holds credentials")


def test_settings_show_no_secret() -> None:
    values = dict.fromkeys(SECRETS, CANARY)
    values |= {name: f"postgresql://role:{CANARY}@host/db" for name in SECRETS if "dsn" in name}
    settings = load_settings(None, (), {variable_of(name): values[name] for name in SECRETS})
    assert CANARY not in f"{settings} {settings!r}"
    for name in SECRETS:
        assert CANARY not in f"{value_of(settings, name)} {value_of(settings, name)!r}"
        assert value_of(settings, name).get_secret_value() == values[name]


def test_the_secrets_are_all_known_as_such() -> None:
    sections = ["postgres", "reader.postgres", "operator.postgres", "admin.postgres"]
    vaults = ["openbao", "reader.openbao", "operator.openbao", "admin.openbao"]
    assert set(SECRETS) == {
        "nats.password",
        "nats.token",
        "admin.nats.password",
        "admin.nats.token",
        *(f"{each}.{secret}" for each in sections for secret in ("dsn", "password")),
        *(f"{each}.{secret}" for each in vaults for secret in ("token", "secret_id")),
    }
