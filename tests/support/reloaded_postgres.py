"""TLS of a running PostgreSQL, given another certificate as an administrator does it."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from support.authority import KeyPair
from support.waiting import until_true

CERTIFIED_ROLE = "certified"
_HBA = f"""
hostssl all {CERTIFIED_ROLE} 127.0.0.1/32 cert
host    all all              127.0.0.1/32 scram-sha-256
"""


class ReloadedPostgres:
    """A cluster that speaks TLS while it is asked to, and lets a role in by its certificate."""

    def __init__(self, admin_dsn: str) -> None:
        self.dsn = admin_dsn

    @property
    def address(self) -> str:
        """Host, port and database."""
        return self.dsn.rpartition("@")[2]

    @asynccontextmanager
    async def serving(
        self, certificate: KeyPair | None, client_ca: Path | None = None
    ) -> AsyncIterator[None]:
        """With this certificate or in clear meanwhile; afterwards in clear as before."""
        connection = await self._connect()
        try:
            folder = Path(await connection.fetchval("SHOW data_directory"))
            former = (folder / "pg_hba.conf").read_text()
            (folder / "pg_hba.conf").write_text(_HBA)
            await self._turn_on(connection, folder, certificate, client_ca)
            await self._reload(connection)
            try:
                yield
            finally:
                (folder / "pg_hba.conf").write_text(former)
                await connection.execute("ALTER SYSTEM SET ssl = off")
                await self._reload(connection)
        finally:
            await connection.close(timeout=10)

    async def _turn_on(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        folder: Path,
        certificate: KeyPair | None,
        client_ca: Path | None,
    ) -> None:
        await connection.execute(f"ALTER SYSTEM SET ssl = {'off' if certificate is None else 'on'}")
        if certificate is None:
            return
        files = {"ssl_cert_file": certificate.cert_file, "ssl_key_file": certificate.key_file}
        for setting, file in (files | {"ssl_ca_file": client_ca}).items():
            if file is None:
                await connection.execute(f"ALTER SYSTEM RESET {setting}")
                continue
            _hand_over(file, folder / setting)
            await connection.execute(f"ALTER SYSTEM SET {setting} = '{setting}'")

    async def _reload(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Returns when whoever connects meets the new settings."""
        before = await self._loaded_at()
        await connection.execute("SELECT pg_reload_conf()")

        async def is_newer() -> bool:
            return await self._loaded_at() != before

        await until_true(is_newer, seconds=10)

    async def _loaded_at(self) -> object:
        connection = await self._connect()
        try:
            return await connection.fetchval("SELECT pg_conf_load_time()")
        finally:
            await connection.close(timeout=10)

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self.dsn, ssl=False, timeout=10)


def _hand_over(file: Path, to: Path) -> None:
    shutil.copyfile(file, to)
    to.chmod(0o600)
    owner = to.parent.stat()
    os.chown(to, owner.st_uid, owner.st_gid)
