"""What a person sees while `up` works: one line that is always true."""

import asyncio
import time

from rich.console import Console
from rich.live import Live
from rich.text import Text

from snapshot_domain.errors import DependencyError
from snapshot_domain.ports import MessageSource
from snapshot_ingest.tally import Tally

_LIVE_SECONDS = 0.5
_PLAIN_SECONDS = 5.0


class Progress:
    """Shows rate, outcomes and backlog until it is cancelled: live on a terminal, else in lines."""

    def __init__(self, console: Console, tally: Tally, source: MessageSource, url: str) -> None:
        self._console = console
        self._tally = tally
        self._source = source
        self._url = url
        self._seen = (time.monotonic(), 0)

    async def run(self) -> None:
        """Shows a line now and then, until it is cancelled."""
        if not self._console.is_terminal:
            while True:
                await asyncio.sleep(_PLAIN_SECONDS)
                self._console.print(await self._line(), highlight=False, soft_wrap=True)
        with Live(console=self._console, transient=True, auto_refresh=False) as live:
            while True:
                live.update(Text(await self._line()), refresh=True)
                await asyncio.sleep(_LIVE_SECONDS)

    async def _line(self) -> str:
        tally = self._tally
        return (
            f"{self._rate():,.0f}/s  stored {tally.stored:,}  unchanged {tally.unchanged:,}  "
            f"rejected {tally.rejected:,}  backlog {await self._backlog()}  {self._url}/metrics"
        )

    def _rate(self) -> float:
        before, settled = self._seen
        self._seen = (time.monotonic(), self._tally.settled)
        seconds = self._seen[0] - before
        return (self._seen[1] - settled) / seconds if seconds else 0.0

    async def _backlog(self) -> str:
        try:
            backlog = await self._source.backlog()
        except DependencyError:
            return "unknown"
        return f"{backlog.pending + backlog.unsettled:,}"
