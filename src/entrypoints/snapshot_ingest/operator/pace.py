"""A long piece of work as a person sees it: a bar, and no faster than was asked for."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from snapshot_domain.ports import Clock

_PLAIN_SECONDS = 5.0


class Pace:
    """Shows how far the work is, on standard error, and holds it back to `texts_per_second`."""

    def __init__(self, what: str, total: int, texts_per_second: float | None, clock: Clock) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=total)
        self._what = what
        self._total = total
        self._texts_per_second = texts_per_second
        self._clock = clock
        self._began = clock.monotonic()
        self._told = self._began
        self._done = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    async def took(self, texts: int) -> None:
        """So many more are done; returns when the next ones may begin."""
        self.reached(self._done + texts)
        if self._texts_per_second is not None:
            due = self._began + self._done / self._texts_per_second
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))

    def reached(self, done: int, of: int = 0) -> None:
        """So many are done in all, out of as many as that, as far as is known by now."""
        self._done = done
        # More may come up than were counted: workers go on meanwhile.
        self._total = max(self._total, self._done, of)
        self._bar.update(self._task, completed=self._done, total=self._total)
        self._tell()

    def _tell(self) -> None:
        """In lines now and then, where nobody can see a bar."""
        now = self._clock.monotonic()
        if not self._bar.disable or now - self._told < _PLAIN_SECONDS:
            return
        self._told = now
        self._console.print(f"{self._what}: {self._done:,} of {self._total:,}", highlight=False)
