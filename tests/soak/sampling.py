"""What a worker process takes at one moment, by the kernel's and PostgreSQL's word."""

import math
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import asyncpg
import httpx
from attrs import frozen

from snapshot_ingest.settings import OpenBaoSettings, PostgresSettings
from snapshot_ingest.stack import EmbeddedStack
from support.command import RunningCommand
from support.http import is_ready
from support.proc import connections, descriptors, resident_bytes, threads
from support.real_world import RealWorld

_MIB = 1024 * 1024
_ASK_SECONDS = 10.0


@frozen
class Sample:
    """What the worker takes while it is ready."""

    memory_mib: float
    descriptors: int
    threads: int
    postgres_sessions: int
    postgres_sockets: int
    nats_sockets: int
    openbao_sockets: int


@frozen
class Figure:
    """One figure of a sample: by how much it may rise and still be flat, and its bound, if any."""

    name: str
    of: Callable[[Sample], float]
    allowance: float
    at_most: float = math.inf


# By its settings a worker has so many connections at most; how many it has, follows the load.
_POOL_SIZE = PostgresSettings().pool_size
_THREADS = OpenBaoSettings().threads

FIGURES: Sequence[Figure] = (
    Figure("memory, MiB", lambda sample: sample.memory_mib, 16),
    Figure("descriptors", lambda sample: sample.descriptors, 6),
    Figure("threads", lambda sample: sample.threads, 2),
    Figure("PostgreSQL: sessions", lambda sample: sample.postgres_sessions, 4, _POOL_SIZE),
    Figure("PostgreSQL: sockets", lambda sample: sample.postgres_sockets, 4, _POOL_SIZE),
    Figure("NATS: sockets", lambda sample: sample.nats_sockets, 0, 1),
    Figure("OpenBao: sockets", lambda sample: sample.openbao_sockets, 2, _THREADS),
)


async def sample_of(
    worker: RunningCommand, url: str, stack: EmbeddedStack, world: RealWorld
) -> Sample | None:
    """A sample, None where a server is away or the worker is not ready."""
    try:
        if not await is_ready(url):
            return None
        sessions = await _sessions_of_the_role(world)
    except (httpx.HTTPError, OSError, TimeoutError, asyncpg.PostgresError):
        return None
    pid, addresses = worker.pid, stack.addresses
    return Sample(
        memory_mib=resident_bytes(pid) / _MIB,
        descriptors=descriptors(pid),
        threads=threads(pid),
        postgres_sessions=sessions,
        postgres_sockets=connections(pid, _port(addresses.postgres_admin_dsn)),
        nats_sockets=connections(pid, _port(addresses.nats_url)),
        openbao_sockets=connections(pid, _port(addresses.openbao_url)),
    )


async def _sessions_of_the_role(world: RealWorld) -> int:
    """On a connection of its own, because the server may have been another one a moment ago."""
    database = world.postgres.database
    connection = await asyncpg.connect(database.admin_dsn, timeout=_ASK_SECONDS)
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = $1",
            database.ingest_role,
            timeout=_ASK_SECONDS,
        )
    finally:
        await connection.close(timeout=_ASK_SECONDS)
    return count


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
