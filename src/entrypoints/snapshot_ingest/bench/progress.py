"""What a person sees while a bench runs: a bar on a terminal, else a line a run."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class BenchProgress:
    """Counts runs. Told of them by whoever measures."""

    def __init__(self, console: Console, runs: int) -> None:
        self._console = console
        self._runs = runs
        self._done = 0
        self._name = ""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting the servers", total=runs)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def say(self, what: str) -> None:
        """Something that is neither a run nor an outcome."""
        self._bar.update(self._task, description=what)
        if not self._console.is_terminal:
            self._print(what)

    def begun(self, name: str) -> None:
        """A run of this begins."""
        self._name = name
        self._bar.update(self._task, description=name)

    def ended(self, outcome: str) -> None:
        """It has ended, and this came of it."""
        self._done += 1
        self._bar.update(self._task, completed=self._done)
        if not self._console.is_terminal:
            self._print(f"{self._done}/{self._runs}  {self._name}: {outcome}")

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)
