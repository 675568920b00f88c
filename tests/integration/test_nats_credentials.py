"""Each way to be let in by a real NATS server, as the settings say it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import nkeys
import pytest
from attrs import evolve, field, frozen
from nacl.signing import SigningKey
from typed_settings import Secret

from snapshot_domain.errors import Misconfigured
from snapshot_ingest.connections import nats_connection
from snapshot_ingest.settings import NatsSettings
from snapshot_nats import SafeClient, connect
from support.nats_server import OwnNatsServer, own_nats_server
from support.waiting import until

TOKEN = "canary-t0ken-3f1c"


def new_seed() -> bytes:
    """The seed of a user's nkey."""
    return bytes(nkeys.encode_seed(bytes(SigningKey.generate()), nkeys.PREFIX_BYTE_USER))


@frozen
class Nkey:
    """A user's nkey."""

    seed: bytes = field(factory=new_seed, repr=False)

    @property
    def public(self) -> str:
        return str(nkeys.from_seed(bytearray(self.seed)).public_key.decode())


@pytest.fixture(scope="module")
def nkey() -> Nkey:
    return Nkey()


@pytest.fixture(scope="module")
async def by_nkey(
    tmp_path_factory: pytest.TempPathFactory, nkey: Nkey
) -> AsyncIterator[OwnNatsServer]:
    users = f'authorization {{ users: [ {{ nkey: "{nkey.public}" }} ] }}'
    async with own_nats_server(tmp_path_factory.mktemp("nkey"), users) as server:
        yield server


@pytest.fixture(scope="module")
async def by_token(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnNatsServer]:
    extra = f'authorization {{ token: "{TOKEN}" }}'
    async with own_nats_server(tmp_path_factory.mktemp("token"), extra) as server:
        yield server


async def connected(settings: NatsSettings, within: timedelta) -> SafeClient:
    impatient = evolve(
        nats_connection(settings), connect_timeout=within, reconnect_wait=timedelta(seconds=0.05)
    )
    return await connect(impatient)


async def let_in(settings: NatsSettings) -> None:
    client = await connected(settings, within=timedelta(seconds=10))
    await client.flush(5)
    await client.close()


async def refusal(settings: NatsSettings) -> str:
    with pytest.raises(Misconfigured) as raised:
        await connected(settings, within=timedelta(seconds=1))
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    return str(raised.value)


async def test_a_token_lets_in_by_value_and_by_file(
    by_token: OwnNatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    await let_in(NatsSettings(url=by_token.url, token=Secret(TOKEN)))
    await let_in(NatsSettings(url=by_token.url, token_file=file))


async def test_a_wrong_token_is_misconfigured_and_not_shown(
    by_token: OwnNatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    line = await refusal(NatsSettings(url=by_token.url, token=Secret(f"{TOKEN}-wrong")))
    assert "refuses our credentials" in line
    assert TOKEN not in line + caplog.text


async def test_an_nkey_lets_in(by_nkey: OwnNatsServer, nkey: Nkey, tmp_path: Path) -> None:
    file = tmp_path / "seed"
    file.write_bytes(nkey.seed + b"\n")
    await let_in(NatsSettings(url=by_nkey.url, nkey_seed_file=file))


async def test_another_nkey_is_misconfigured(by_nkey: OwnNatsServer, tmp_path: Path) -> None:
    file = tmp_path / "seed"
    file.write_bytes(new_seed())
    line = await refusal(NatsSettings(url=by_nkey.url, nkey_seed_file=file))
    assert "refuses our credentials" in line


@pytest.mark.parametrize("content", [None, b"", b"SUAAAA", b"\xff\xfe", b"not a seed at all"])
async def test_a_seed_file_that_is_none_is_misconfigured_and_not_shown(
    by_nkey: OwnNatsServer, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "nkey"
    if content is not None:
        file.write_bytes(content)
    line = await refusal(NatsSettings(url=by_nkey.url, nkey_seed_file=file))
    assert f"the nkey seed file {file} cannot be read or is none" in line


async def test_a_seed_file_that_is_spoilt_while_the_server_is_away_counts_again_once_it_is_mended(
    by_nkey: OwnNatsServer, nkey: Nkey, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "seed"
    file.write_bytes(nkey.seed)
    settings = NatsSettings(url=by_nkey.url, nkey_seed_file=file)
    client = await connected(settings, within=timedelta(seconds=10))
    by_nkey.kill()
    file.write_bytes(nkey.seed[:-4])
    await by_nkey.start()
    await until(lambda: "IdentityFileUnreadable" in caplog.text, every_seconds=0.02)
    file.write_bytes(nkey.seed)
    await until(lambda: client.is_connected, every_seconds=0.02)
    await client.close()
    assert nkey.seed[:12].decode() not in caplog.text


async def test_a_seed_that_is_cut_short_is_not_shown(
    by_nkey: OwnNatsServer, nkey: Nkey, tmp_path: Path
) -> None:
    file = tmp_path / "nkey"
    file.write_bytes(nkey.seed[:-4])
    line = await refusal(NatsSettings(url=by_nkey.url, nkey_seed_file=file))
    assert nkey.seed[:12].decode() not in line
