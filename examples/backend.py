"""A backend that ingests beside its own work: FastAPI, its own registry, and a diff engine.

With the embedded servers, in two terminals:

    snapshot-ingest up --no-worker --simulate 20
    SNAPSHOT_INGEST_CONFIG=snapshot-ingest-data/snapshot-ingest.toml uvicorn backend:app
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

import snapshot_ingest
from snapshot_domain.ports import NamedListener, SnapshotNotice


class DiffEngine:
    """Is told after each commit; here it only remembers which rows are to be compared."""

    def __init__(self) -> None:
        self.to_compare: list[tuple[str, str]] = []

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        for notice in notices:
            if notice.previous_id is not None:
                self.to_compare.append((str(notice.previous_id), str(notice.snapshot_id)))
            if notice.next_id is not None:  # it came late: the row after it has another before it
                self.to_compare.append((str(notice.snapshot_id), str(notice.next_id)))


diffs = DiffEngine()
registry = CollectorRegistry()
ingestion = snapshot_ingest.lifespan(
    Path(os.environ["SNAPSHOT_INGEST_CONFIG"]),
    registry=registry,
    listeners=[NamedListener("diffs", diffs)],  # a name: its position is kept over a restart
)
app = FastAPI(lifespan=ingestion)
app.mount("/ingestion", ingestion.app)  # /ingestion/metrics, /healthz and /readyz


@app.get("/readyz")
async def readyz() -> dict[str, Any]:
    """Ready is who can answer requests: this backend can, also while OpenBao is away.

    What ingestion lacks is told, and takes nothing out of service: what it could not take stays
    on the stream.
    """
    ready = await ingestion.ready()
    return {"ready": True, "ingestion": {"ready": ready.is_ready, "faults": dict(ready.faults)}}


@app.get("/diffs")
async def to_compare() -> dict[str, int]:
    """The backend's own API works whatever ingestion does."""
    return {"to compare": len(diffs.to_compare)}
