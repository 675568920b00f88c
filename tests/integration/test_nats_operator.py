"""A credentials file, as an operator's account gives it out, at a real NATS server."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import nkeys
import pytest
from attrs import evolve

from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_ingest.connections import nats_connection
from snapshot_ingest.settings import NatsSettings
from snapshot_nats import (
    ConnectionSettings,
    JetStreamSource,
    SourceSettings,
    StreamShape,
    connect,
    ensure_consumer,
    ensure_stream,
)
from support.nats_operator import Account, Operator, Signer, User
from support.nats_server import OwnNatsServer, own_nats_server
from support.waiting import until_true

STREAM = "S"
CONSUMER = "C"
REFUSED = "refuses our credentials"


@pytest.fixture(scope="module")
def operator() -> Operator:
    return Operator()


@pytest.fixture(scope="module")
def revoked(operator: Operator) -> User:
    return operator.account.new_user()


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, operator: Operator, revoked: User
) -> AsyncIterator[OwnNatsServer]:
    """A server that knows the operator, with a stream and its consumer."""
    folder = tmp_path_factory.mktemp("operator")
    async with own_nats_server(folder, operator.server_config([revoked])) as running:
        client = await connect(way_in(running, operator.account.new_user().write(folder)))
        await ensure_stream(client, StreamShape(name=STREAM, subjects=("config.snapshot.>",)))
        await ensure_consumer(client, STREAM, CONSUMER)
        await client.close()
        yield running


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield


def way_in(server: OwnNatsServer, file: Path, seconds: float = 10) -> ConnectionSettings:
    settings = nats_connection(NatsSettings(url=server.url, credentials_file=file))
    return evolve(
        settings,
        connect_timeout=timedelta(seconds=seconds),
        reconnect_wait=timedelta(seconds=0.05),
    )


async def refusal(server: OwnNatsServer, file: Path) -> str:
    with pytest.raises(Misconfigured) as raised:
        await connect(way_in(server, file, seconds=0.5))
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    return str(raised.value)


def assert_shows_nothing_of(user: User, *texts: str) -> None:
    """Neither the seed, nor whichever part of it, nor what is signed."""
    seed = user.key.seed.decode()
    secrets = {seed[:12], seed[12:24], seed[-12:], user.jwt[-24:]}
    assert [secret for text in texts for secret in secrets if secret in text] == []


async def test_it_lets_in_and_its_user_may_publish(
    server: OwnNatsServer, operator: Operator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    user = operator.account.new_user()
    client = await connect(way_in(server, user.write(tmp_path)))
    acknowledged = await client.jetstream().publish("config.snapshot.create.x", b"x")
    await client.close()
    assert acknowledged.stream == STREAM
    assert_shows_nothing_of(user, caplog.text)


@pytest.mark.parametrize("who", ["a stranger", "expired", "revoked", "with another's key"])
async def test_a_user_that_the_account_does_not_vouch_for_is_misconfigured_and_shows_nothing(
    server: OwnNatsServer,
    operator: Operator,
    revoked: User,
    tmp_path: Path,
    who: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    account = operator.account
    users = {
        "a stranger": Account().new_user(),
        "expired": account.new_user(lives_seconds=-5),
        "revoked": revoked,
        "with another's key": evolve(account.new_user(), key=Signer.new(nkeys.PREFIX_BYTE_USER)),
    }
    line = await refusal(server, users[who].write(tmp_path))
    assert REFUSED in line
    assert_shows_nothing_of(users[who], line, caplog.text)


@pytest.mark.parametrize("spoilt", ["no seed", "a seed cut short", "another word", "no JWT"])
async def test_a_file_that_holds_no_user_is_misconfigured_and_shows_nothing(
    server: OwnNatsServer,
    operator: Operator,
    tmp_path: Path,
    spoilt: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    user = operator.account.new_user()
    file = user.write(tmp_path)
    seed = user.key.seed.decode()
    replaced, by = {
        "no seed": (seed, ""),
        "a seed cut short": (seed, seed[:-4]),
        "another word": (seed, "not a seed at all"),
        "no JWT": (user.jwt, ""),
    }[spoilt]
    file.write_text(user.credentials.replace(replaced, by))
    line = await refusal(server, file)
    assert f"the credentials file {file} cannot be read or is none" in line
    assert_shows_nothing_of(user, line, caplog.text)


@pytest.fixture
async def file(operator: Operator, tmp_path: Path) -> Path:
    return operator.account.new_user().write(tmp_path)


@pytest.fixture
async def source(server: OwnNatsServer, file: Path) -> AsyncIterator[JetStreamSource]:
    """A source on the consumer, whose user is in the file."""
    source = JetStreamSource(
        way_in(server, file, seconds=1), SourceSettings(stream=STREAM, durable=CONSUMER)
    )
    yield source
    await source.close()


async def until_misconfigured(source: JetStreamSource, words: str) -> None:
    async def is_misconfigured() -> bool:
        try:
            await source.check()
        except Misconfigured as fault:
            return words in str(fault)
        except Unavailable:
            pass  # it is just connecting
        return False

    await until_true(is_misconfigured, seconds=20)


async def until_it_works(source: JetStreamSource) -> None:
    async def works() -> bool:
        with suppress(Misconfigured, Unavailable):
            await source.check()
            return True
        return False

    await until_true(works, seconds=20)


async def test_a_user_that_expires_is_misconfigured_until_the_file_holds_another(
    operator: Operator, file: Path, source: JetStreamSource
) -> None:
    operator.account.new_user(lives_seconds=2).write(file.parent)
    await source.check()
    await until_misconfigured(source, REFUSED)
    operator.account.new_user().write(file.parent)
    await until_it_works(source)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN NATS USER JWT-----\na.b.c\n"])
async def test_a_file_that_is_spoilt_while_the_server_is_away_counts_again_once_it_is_mended(
    server: OwnNatsServer,
    operator: Operator,
    file: Path,
    source: JetStreamSource,
    content: bytes,
) -> None:
    await source.check()
    server.kill()
    file.write_bytes(content)  # noqa: ASYNC240 - a few bytes
    await server.start()
    await until_misconfigured(source, "credentials file")
    operator.account.new_user().write(file.parent)
    await until_it_works(source)
