"""TLS to a PostgreSQL that speaks it itself, and roles that only a certificate lets in."""

from pathlib import Path

import asyncpg
import pytest
from attrs import evolve
from typed_settings import Secret

from snapshot_ingest.connections import admin_connection
from snapshot_ingest.settings import PostgresSettings
from support.authority import Authority
from support.reloaded_postgres import CERTIFIED_ROLE, ReloadedPostgres
from support.tls_of_postgres import TlsOfPostgres, let_in, refusal, settings_for


@pytest.fixture(scope="module")
async def server(debian_postgres: str) -> ReloadedPostgres:
    connection = await asyncpg.connect(debian_postgres, timeout=10)
    await connection.execute(f"CREATE ROLE {CERTIFIED_ROLE} LOGIN")
    await connection.close(timeout=10)
    return ReloadedPostgres(debian_postgres)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class TestTlsOfDebianPostgres(TlsOfPostgres):
    """The server's own TLS."""


async def test_the_server_says_that_the_connection_is_encrypted(
    server: ReloadedPostgres, authority: Authority
) -> None:
    async with (
        server.serving(authority.issue("127.0.0.1")),
        admin_connection(settings_for(server.dsn, authority)) as connection,
    ):
        assert await connection.fetchval(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", timeout=10
        )


async def test_a_client_certificate_lets_its_role_in_and_a_foreign_one_or_none_does_not(
    server: ReloadedPostgres, authority: Authority, tmp_path: Path
) -> None:
    own = authority.issue("worker@example.org", common_name=CERTIFIED_ROLE)
    forged = Authority(tmp_path).issue("worker@example.org", common_name=CERTIFIED_ROLE)
    bare = settings_for(f"postgresql://{CERTIFIED_ROLE}:unused@{server.address}", authority)
    async with server.serving(authority.issue("127.0.0.1"), authority.ca_file):
        await let_in(evolve(bare, cert_file=own.cert_file, key_file=own.key_file))
        line = await refusal(evolve(bare, cert_file=forged.cert_file, key_file=forged.key_file))
        assert "refuses our certificate" in line
        assert "check the user" in await refusal(bare)


async def test_the_certificates_may_be_named_in_the_dsn(
    server: ReloadedPostgres, authority: Authority
) -> None:
    own = authority.issue("worker@example.org", common_name=CERTIFIED_ROLE)
    dsn = (
        f"postgresql://{CERTIFIED_ROLE}@{server.address}?sslmode=verify-full"
        f"&sslrootcert={authority.ca_file}&sslcert={own.cert_file}&sslkey={own.key_file}"
    )
    async with server.serving(authority.issue("127.0.0.1"), authority.ca_file):
        await let_in(PostgresSettings(dsn=Secret(dsn)))
