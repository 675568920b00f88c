"""How long after its publication each message was done."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from snapshot_domain.ports import SnapshotNotice


class Latencies:
    """Told of messages whose `collected_at` is when they were published here."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        """See SnapshotListener."""
        now = datetime.now(UTC)
        self._seconds += [(now - notice.key.collected_at).total_seconds() for notice in notices]

    def add(self, published_at: datetime) -> None:
        """One message is done now."""
        self._seconds.append((datetime.now(UTC) - published_at).total_seconds())

    def write(self, path: Path | None) -> None:
        """All of them, in seconds, as JSON; nowhere if nobody asks."""
        if path is not None:
            path.write_text(json.dumps(self._seconds), "ascii")
