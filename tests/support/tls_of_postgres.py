"""Whom a connection to PostgreSQL trusts: one suite for a real server, and for a front of it."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest
from typed_settings import Secret

from snapshot_domain.errors import Misconfigured
from snapshot_ingest.connections import admin_connection, postgres_pool
from snapshot_ingest.settings import PostgresSettings
from snapshot_postgres import PostgresHashRepository
from support.authority import Authority, KeyPair


class TlsServer(Protocol):
    """A PostgreSQL that can be given a certificate."""

    @property
    def dsn(self) -> str:
        """The superuser's way in, without a word of TLS; it holds the password."""
        ...

    def serving(self, certificate: KeyPair | None) -> AbstractAsyncContextManager[None]:
        """With this certificate, or in clear, meanwhile."""
        ...


def settings_for(dsn: str, trusted: Authority) -> PostgresSettings:
    """With the DSN as it is, and a CA."""
    return PostgresSettings(dsn=Secret(dsn), ca_file=trusted.ca_file)


async def refusal(settings: PostgresSettings) -> str:
    """What an operator is told, which holds no secret and drags nothing along."""
    with pytest.raises(Misconfigured) as raised:
        async with admin_connection(settings):
            pass
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert settings.dsn is not None
    login = settings.dsn.get_secret_value().partition("//")[2].partition("@")[0]
    assert login.partition(":")[2] not in str(raised.value)
    return str(raised.value)


async def let_in(settings: PostgresSettings) -> None:
    """Connects, and asks something."""
    async with admin_connection(settings) as connection:
        assert await connection.fetchval("SELECT 1", timeout=10) == 1


class TlsOfPostgres:
    """Subclass it with fixtures `server` and `authority`."""

    async def test_a_certificate_of_the_ca_for_this_host_is_trusted(
        self, server: TlsServer, authority: Authority
    ) -> None:
        async with server.serving(authority.issue("127.0.0.1")):
            await let_in(settings_for(server.dsn, authority))

    async def test_a_foreign_certificate_is_misconfigured(
        self, server: TlsServer, authority: Authority, tmp_path: Path
    ) -> None:
        foreign = Authority(tmp_path)
        async with server.serving(foreign.issue("127.0.0.1")):
            line = await refusal(settings_for(server.dsn, authority))
        assert "certificate is not trusted" in line

    async def test_an_expired_certificate_is_misconfigured(
        self, server: TlsServer, authority: Authority
    ) -> None:
        async with server.serving(authority.issue("127.0.0.1", expired=True)):
            line = await refusal(settings_for(server.dsn, authority))
        assert "certificate has expired" in line

    async def test_a_certificate_for_another_host_is_misconfigured(
        self, server: TlsServer, authority: Authority
    ) -> None:
        async with server.serving(authority.issue("elsewhere.example", "127.0.0.2")):
            line = await refusal(settings_for(server.dsn, authority))
        assert "certificate is for another host" in line

    async def test_a_server_in_clear_is_misconfigured_where_tls_is_meant(
        self, server: TlsServer, authority: Authority
    ) -> None:
        async with server.serving(None):
            assert "speaks no TLS" in await refusal(settings_for(server.dsn, authority))
            await let_in(PostgresSettings(dsn=Secret(server.dsn)))

    async def test_the_pool_of_a_worker_heals_when_the_certificate_is_replaced(
        self, server: TlsServer, authority: Authority
    ) -> None:
        async with postgres_pool("postgres", settings_for(server.dsn, authority)) as pool:
            repository = PostgresHashRepository(pool)
            async with server.serving(authority.issue("127.0.0.1", expired=True)):
                with pytest.raises(Misconfigured, match="certificate has expired"):
                    await repository.check()
            async with server.serving(authority.issue("127.0.0.1")):
                with pytest.raises(Misconfigured, match="snapshot-ingest migrate"):
                    await repository.check()  # it is let in, and finds an empty database

    async def test_a_ca_file_that_is_none_is_misconfigured(
        self, server: TlsServer, authority: Authority, tmp_path: Path
    ) -> None:
        ca_file = tmp_path / "ca.pem"
        settings = PostgresSettings(dsn=Secret(server.dsn), ca_file=ca_file)
        ca_file.write_text("nothing of use\n")
        async with server.serving(authority.issue("127.0.0.1")):
            assert "a file of TLS is none" in await refusal(settings)
