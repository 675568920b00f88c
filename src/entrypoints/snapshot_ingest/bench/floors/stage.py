"""The stage of a bench in which the bare stages are measured in turn."""

from collections.abc import Sequence
from functools import partial

from attrs import frozen

from snapshot_ingest.bench.case import Case, Contender
from snapshot_ingest.bench.figures import FloorMeasured
from snapshot_ingest.bench.floors.order import FLOORS_OF, Floor
from snapshot_ingest.bench.floors.running import measured_floor
from snapshot_ingest.bench.measuring import in_turn
from snapshot_ingest.bench.stages import Bench


@frozen
class FloorsStage:
    """What the formats consist of, each by itself, on one load in which everything changes."""

    case: Case
    formats: Sequence[Contender]

    @property
    def runs_a_round(self) -> int:
        """See Stage."""
        return len(self._floors)

    async def run(self, bench: Bench) -> None:
        """See Stage."""
        runs = await in_turn(
            {
                floor: partial(measured_floor, bench.ground, self.case, floor)
                for floor in self._floors
            },
            bench.rounds,
            bench.watcher,
            named=lambda floor: f"{self.case.name} · {floor.value} alone",
            said=lambda figures: f"{figures.rate:,.0f}/s",
        )
        bench.results.floors += [
            FloorMeasured(self.case, floor, each) for floor, each in runs.items()
        ]

    @property
    def _floors(self) -> Sequence[Floor]:
        wanted = [floor for each in self.formats for floor in FLOORS_OF[each]]
        return list(dict.fromkeys(wanted))
