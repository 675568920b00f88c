"""How long after its publication each message was done."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from snapshot_domain.ports import SnapshotNotice


class Latencies:
    """Told of messages whose `collected_at` is when they were published, on this machine's clock."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        """See SnapshotListener."""
        now = datetime.now(UTC)
        self._seconds += [(now - notice.key.collected_at).total_seconds() for notice in notices]

    def add(self, published_at: datetime) -> None:
        """One message is done now."""
        self._seconds.append(time.time() - published_at.timestamp())

    def write(self, path: Path) -> None:
        """All of them, in seconds, as JSON."""
        path.write_text(json.dumps(self._seconds), "ascii")
