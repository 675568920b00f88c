"""What a bench goes through: stages, each of them runs that are taken in turn."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from attrs import frozen

from snapshot_ingest.bench.case import Cell
from snapshot_ingest.bench.figures import Figures, Group, Measured
from snapshot_ingest.bench.ground import Ground
from snapshot_ingest.bench.measuring import Watcher, in_turn
from snapshot_ingest.bench.results import Results


@frozen(eq=False)
class Bench:
    """What every stage has at hand."""

    ground: Ground
    rounds: int
    watcher: Watcher
    results: Results

    async def measure(
        self, title: str, turns: Mapping[Cell, Callable[[], Awaitable[Figures]]]
    ) -> None:
        """Runs cells in turn, and adds their group to the results."""
        runs = await in_turn(
            turns,
            self.rounds,
            self.watcher,
            named=lambda cell: f"{cell.case.name} · {cell.name}",
            said=lambda figures: f"{figures.rate:,.0f}/s",
        )
        self.results.groups.append(
            Group(title, [Measured(cell, each) for cell, each in runs.items()])
        )


class Stage(Protocol):
    """Some runs that belong together."""

    @property
    def runs_a_round(self) -> int:
        """How many runs it takes in each round."""
        ...

    async def run(self, bench: Bench) -> None:
        """Does them all, and adds what it saw to the results."""
        ...


@frozen
class CellsStage:
    """Cells on the servers as they are."""

    title: str
    cells: Sequence[Cell]

    @property
    def runs_a_round(self) -> int:
        """See Stage."""
        return len(self.cells)

    async def run(self, bench: Bench) -> None:
        """See Stage."""
        ground = bench.ground
        await bench.measure(
            self.title,
            {cell: lambda cell=cell: ground.measure(cell) for cell in self.cells},  # type: ignore[misc]
        )
