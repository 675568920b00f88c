"""Every place where an installation of `up` leaves something, with a way to leave something there.

A control takes the way of a leak wherever there is one: through SQL into PostgreSQL's files, log
and tables, through a request into OpenBao's audit log, through a registry into /metrics.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import httpx
from attrs import field, frozen
from prometheus_client import CollectorRegistry, Counter

from snapshot_conformance.secret_canary_files import files_below, pieces_of
from snapshot_conformance.secret_canary_forms import TEXT_WRITINGS
from snapshot_conformance.secret_canary_objects import Content
from snapshot_conformance.secret_canary_places import FilesPlace, Place, ReadPlace
from snapshot_ingest.http.app import http_app
from snapshot_postgres import connected
from support.http import fetched
from support.table_texts import dump_tables

_ENDPOINTS = ("/metrics", "/healthz", "/readyz")


def places_of_up(folder: Path, data_dir: Path, stack: dict[str, Any]) -> Sequence[Place]:
    """The places of the `up` with this data directory; the commands' output is in the folder."""
    database, logs = _Database(stack["postgres_admin_dsn"]), data_dir / "logs"
    (wal,) = (data_dir / "postgres").rglob("pg_wal")
    data = [path for path in wal.parent.iterdir() if path != wal]
    openbao = _AuditedOpenBao(stack["openbao_url"])
    endpoints = _Endpoints(stack["http_url"])
    named: list[Place] = [
        FilesPlace("our log at DEBUG", [logs / "snapshot-ingest.log"]),
        FilesPlace("output of the commands", sorted(folder.glob("output-*"))),
        ReadPlace("/metrics, /healthz, /readyz", endpoints.read, endpoints.plant),
        ReadPlace("PostgreSQL's tables, the quarantine among them", database.read, database.plant),
        FilesPlace("PostgreSQL's data files", data, plant_with=database.plant_bytes),
        FilesPlace("PostgreSQL's write-ahead log", [wal], plant_with=database.plant_bytes),
        FilesPlace(
            "PostgreSQL's log, every statement with its values",
            [logs / "postgres.log"],
            TEXT_WRITINGS,
            database.plant,
        ),
        FilesPlace(
            "OpenBao's audit log", [logs / "openbao_audit.log"], TEXT_WRITINGS, openbao.plant
        ),
        FilesPlace("OpenBao's log", [logs / "openbao.log"]),
        FilesPlace("OpenBao's storage", [data_dir / "openbao"]),
        FilesPlace("JetStream's store, encrypted at rest", [data_dir / "nats"]),
        FilesPlace("NATS' log", [logs / "nats.log"]),
    ]
    searched = {path for place in named for path in files_of(place)}
    rest = sorted(path for path in files_below([data_dir]) if path not in searched)
    return [*named, FilesPlace("what else is in the data directory", rest)]


def files_of(place: Place) -> Iterable[Path]:
    """The files that the place searches."""
    return files_below(place.roots) if isinstance(place, FilesPlace) else ()


@frozen
class _Database:
    """Holds what is planted in a table of its own."""

    dsn: str

    async def read(self) -> Iterable[Content]:
        with TemporaryDirectory() as folder:
            await dump_tables(self.dsn, Path(folder))
            return [piece for path in files_below([Path(folder)]) for piece in pieces_of(path)]

    async def plant(self, content: bytes) -> None:
        async with connected(self.dsn) as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS planted (secret text)")
            await connection.execute("INSERT INTO planted VALUES ($1)", content.decode())

    async def plant_bytes(self, content: bytes) -> None:
        async with connected(self.dsn) as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS planted_bytes (secret bytea)")
            await connection.execute("INSERT INTO planted_bytes VALUES ($1)", content)
            await connection.execute("CHECKPOINT")


@frozen
class _AuditedOpenBao:
    """Writes down which path it was asked for."""

    url: str

    async def plant(self, content: bytes) -> None:
        path = quote(content, safe="")
        async with httpx.AsyncClient(trust_env=False) as client:
            headers = {"X-Vault-Token": "none"}
            await client.get(f"{self.url}/v1/transit/keys/{path}", headers=headers)


@frozen
class _Endpoints:
    """The worker's, and the same application in this process, into which something is planted."""

    url: str
    registry: CollectorRegistry = field(factory=CollectorRegistry)
    faults: dict[str, str] = field(factory=dict)
    counter: Counter = field(init=False)

    @counter.default
    def _labelled(self) -> Counter:
        return Counter("planted", "A label that holds a secret.", ["label"], registry=self.registry)

    async def read(self) -> Iterable[Content]:
        transport = httpx.ASGITransport(http_app(lambda: self.registry, self._faults))
        async with httpx.AsyncClient(transport=transport, base_url="http://control") as control:
            planted = [(await control.get(path)).content for path in _ENDPOINTS]
        return [(await fetched(self.url + path)).content for path in _ENDPOINTS] + planted

    async def plant(self, content: bytes) -> None:
        self.counter.labels(content.decode())
        self.faults[str(len(self.faults))] = content.decode()

    async def _faults(self) -> Mapping[str, str]:
        return self.faults
