"""TLS to a real NATS server: whom it trusts, what it refuses, and who it is let in as."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from snapshot_domain.errors import DependencyError, Misconfigured
from snapshot_ingest.connections import nats_connection
from snapshot_ingest.settings import NatsSettings
from snapshot_nats import (
    JetStreamSource,
    SourceSettings,
    StreamShape,
    connect,
    ensure_consumer,
    ensure_stream,
)
from support.authority import Authority, KeyPair
from support.nats_server import OwnNatsServer, own_nats_server
from support.waiting import until_true

SHORTLY = timedelta(seconds=1)
AMPLY = timedelta(seconds=10)
AT_ONCE = timedelta(seconds=0.05)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def tls(certificate: KeyPair, rest: str = "") -> str:
    files = f'cert_file: "{certificate.cert_file}", key_file: "{certificate.key_file}"'
    return f"tls {{ {files}, {rest} }}"


def tls_url(server: OwnNatsServer) -> str:
    return server.url.replace("nats://", "tls://")


async def let_in(settings: NatsSettings) -> None:
    client = await connect(evolve(nats_connection(settings), connect_timeout=AMPLY))
    await client.flush(5)
    await client.close()


async def refusal(settings: NatsSettings) -> str:
    """What an operator is told, and nothing that travels with it.

    A server that refuses our certificate may close before its reason is read: many attempts.
    """
    impatient = evolve(nats_connection(settings), connect_timeout=SHORTLY, reconnect_wait=AT_ONCE)
    with pytest.raises(Misconfigured) as raised:
        await connect(impatient)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    return str(raised.value)


@asynccontextmanager
async def refused(folder: Path, extra: str, trusted: Authority) -> AsyncIterator[str]:
    async with own_nats_server(folder, extra) as server:
        yield await refusal(NatsSettings(url=tls_url(server), ca_file=trusted.ca_file))


async def test_a_certificate_of_the_ca_for_this_host_is_trusted(
    tmp_path: Path, authority: Authority
) -> None:
    async with own_nats_server(tmp_path, tls(authority.issue("127.0.0.1"))) as server:
        await let_in(NatsSettings(url=tls_url(server), ca_file=authority.ca_file))


async def test_a_foreign_certificate_is_misconfigured(tmp_path: Path, authority: Authority) -> None:
    foreign = Authority(tmp_path / "foreign")
    async with refused(tmp_path, tls(foreign.issue("127.0.0.1")), authority) as line:
        assert "certificate is not trusted" in line


async def test_a_private_ca_is_not_trusted_unless_it_is_configured(
    tmp_path: Path, authority: Authority
) -> None:
    async with own_nats_server(tmp_path, tls(authority.issue("127.0.0.1"))) as server:
        line = await refusal(NatsSettings(url=tls_url(server)))
    assert "certificate is not trusted" in line


async def test_an_expired_certificate_is_misconfigured(
    tmp_path: Path, authority: Authority
) -> None:
    expired = authority.issue("127.0.0.1", expired=True)
    async with refused(tmp_path, tls(expired), authority) as line:
        assert "certificate has expired" in line


async def test_a_certificate_for_another_host_is_misconfigured(
    tmp_path: Path, authority: Authority
) -> None:
    another = authority.issue("elsewhere.example", "127.0.0.2")
    async with refused(tmp_path, tls(another), authority) as line:
        assert "certificate is for another host" in line


async def test_a_server_in_clear_behind_a_tls_address_is_misconfigured(
    tmp_path: Path, authority: Authority
) -> None:
    async with refused(tmp_path, "", authority) as line:
        assert "speaks no TLS" in line


async def test_files_of_tls_demand_tls_also_behind_an_address_in_clear(
    tmp_path: Path, authority: Authority
) -> None:
    async with own_nats_server(tmp_path, "") as server:
        line = await refusal(NatsSettings(url=server.url, ca_file=authority.ca_file))
    assert "speaks no TLS" in line


async def test_a_client_certificate_lets_in_and_a_foreign_one_or_none_does_not(
    tmp_path: Path, authority: Authority
) -> None:
    own = authority.issue("worker@example.org")
    forged = Authority(tmp_path / "foreign").issue("worker@example.org")
    demanding = tls(
        authority.issue("127.0.0.1"), f'ca_file: "{authority.ca_file}", verify_and_map: true'
    )
    users = 'authorization { users: [ { user: "worker@example.org" } ] }'
    async with own_nats_server(tmp_path, f"{demanding}\n{users}") as server:
        bare = NatsSettings(url=tls_url(server), ca_file=authority.ca_file)
        await let_in(evolve(bare, cert_file=own.cert_file, key_file=own.key_file))
        for each in (bare, evolve(bare, cert_file=forged.cert_file, key_file=forged.key_file)):
            assert "refuses our certificate, or that we have none" in await refusal(each)


@pytest.mark.parametrize("content", [None, "nothing of use\n"])
async def test_a_ca_file_that_is_none_is_misconfigured(
    tmp_path: Path, authority: Authority, content: str | None
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    async with own_nats_server(tmp_path, tls(authority.issue("127.0.0.1"))) as server:
        line = await refusal(NatsSettings(url=tls_url(server), ca_file=ca_file))
    assert "cannot be read or is none" in line


@pytest.mark.parametrize("worse", ["expired", "in clear"])
async def test_a_running_source_says_why_it_stays_away_and_heals_with_its_server(
    tmp_path: Path, authority: Authority, worse: str
) -> None:
    good = tls(authority.issue("127.0.0.1"))
    async with own_nats_server(tmp_path, good) as server:
        settings = nats_connection(NatsSettings(url=tls_url(server), ca_file=authority.ca_file))
        settings = evolve(settings, connect_timeout=SHORTLY, reconnect_wait=AT_ONCE)
        admin = await connect(evolve(settings, connect_timeout=AMPLY))
        await ensure_stream(admin, StreamShape())
        await ensure_consumer(admin, "DEVICE_EVENTS", "config_snapshot_ingest")
        await admin.close()
        source = JetStreamSource(settings, SourceSettings(answer_timeout=SHORTLY))

        async def works() -> bool:
            return not await fault_of(source)

        await until_true(works)
        server.kill()
        expired = tls(authority.issue("127.0.0.1", expired=True))
        await server.start_with(expired if worse == "expired" else "")
        said = "certificate has expired" if worse == "expired" else "speaks no TLS"

        async def says_why() -> bool:
            return said in await fault_of(source)

        await until_true(says_why)
        server.kill()
        await server.start_with(good)

        await until_true(works)
        await source.close()


async def fault_of(source: JetStreamSource) -> str:
    try:
        await source.check()
    except DependencyError as error:
        return str(error)
    return ""


async def test_in_clear_no_server_is_followed_that_nobody_configured(tmp_path: Path) -> None:
    """Two servers of one cluster tell of each other; only the configured one may be used."""
    routes = [OwnNatsServer(tmp_path).port for _ in range(2)]
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    clusters = [
        f'server_name: "n{place}"\n'
        f'cluster {{ name: "c", listen: "127.0.0.1:{routes[place]}", '
        f'routes: ["nats://127.0.0.1:{routes[1 - place]}"] }}'
        for place in range(2)
    ]
    first, second = (
        OwnNatsServer(folder, cluster) for folder, cluster in zip(folders, clusters, strict=True)
    )
    try:
        for server in (first, second):
            await server.start(has_jetstream=False)
        settings = nats_connection(NatsSettings(url=first.url))
        following = await connect(evolve(settings, clear_beyond_configured=True))
        faithful = await connect(settings)

        async def is_told() -> bool:
            return len(following.servers) == 2

        await until_true(is_told)
        assert [server.netloc for server in faithful.servers] == [f"127.0.0.1:{first.port}"]
        await following.close()
        await faithful.close()
    finally:
        first.kill()
        second.kill()
