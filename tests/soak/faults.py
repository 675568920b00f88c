"""What befalls the servers during a soak, one after the other, each with its end."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from signal import SIGCONT, SIGSTOP
from typing import TypeAlias

import asyncpg
from attrs import frozen

from snapshot_ingest.stack import EmbeddedStack, ServerName
from support.real_world import RealWorld

Fault: TypeAlias = Callable[[EmbeddedStack, RealWorld], Awaitable[None]]

_AWAY_SECONDS = 2.0
_FROZEN_SECONDS = 8.0


@frozen
class NamedFault:
    """A fault that has begun and ended when its call returns."""

    name: str
    strike: Fault


def _kill(server: ServerName) -> Fault:
    async def strike(stack: EmbeddedStack, _: RealWorld) -> None:
        await stack.kill(server)
        await asyncio.sleep(_AWAY_SECONDS)
        await stack.start(server)

    return strike


def _freeze(server: ServerName) -> Fault:
    """It takes requests and answers none, so that everything runs into its timeout."""

    async def strike(stack: EmbeddedStack, _: RealWorld) -> None:
        pid = getattr(stack.addresses.pids, server)
        os.kill(pid, SIGSTOP)
        try:
            await asyncio.sleep(_FROZEN_SECONDS)
        finally:
            os.kill(pid, SIGCONT)

    return strike


async def _cut_sessions(_: EmbeddedStack, world: RealWorld) -> None:
    database = world.postgres.database
    connection = await asyncpg.connect(database.admin_dsn, timeout=10)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1",
            database.ingest_role,
        )
    finally:
        await connection.close(timeout=10)


_OF_NATS = (
    NamedFault("NATS is killed", _kill("nats")),
    NamedFault("NATS is frozen", _freeze("nats")),
)
_OF_OPENBAO = (
    NamedFault("OpenBao is killed", _kill("openbao")),
    NamedFault("OpenBao is frozen", _freeze("openbao")),
)
_OF_POSTGRES = (
    NamedFault("PostgreSQL's sessions are cut", _cut_sessions),
    NamedFault("PostgreSQL is killed", _kill("postgres")),
)

FAULTS: Sequence[NamedFault] = (*3 * _OF_NATS, *3 * _OF_OPENBAO, *3 * _OF_POSTGRES)
"""A server that dies takes with it whatever leaked towards it, so each is spared for a while."""
