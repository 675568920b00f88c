"""Everything that a bench has measured so far."""

from collections.abc import Iterator, Sequence

from attrs import Factory, define

from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.figures import WORKER, FloorMeasured, Group, LatencyMeasured, Measured
from snapshot_ingest.bench.floors.order import FLOORS_OF


@define
class Results:
    """Grows with each stage. What is not there was not asked for, or cannot be had."""

    groups: list[Group] = Factory(list)
    floors: list[FloorMeasured] = Factory(list)
    latencies: list[LatencyMeasured] = Factory(list)
    is_complete: bool = False

    def group(self, title: str) -> Group | None:
        """The group of this title."""
        return next((each for each in self.groups if each.title == title), None)

    def of_case(self, case: Case) -> Group | None:
        """The group in which all contenders met on this load."""
        return self.group(case.name)

    def latency_of(self, cell: Cell) -> LatencyMeasured | None:
        """The cell's latency at its rate."""
        return next((each for each in self.latencies if each.cell == cell), None)

    def sum_of_floors(self, cell: Cell) -> float | None:
        """Microseconds a message that the format's bare stages take together, in the worker."""
        by_floor = {each.floor: each for each in self.floors if each.case == cell.case}
        floors = FLOORS_OF[cell.contender]
        if not all(floor in by_floor for floor in floors):
            return None
        return sum(by_floor[floor].cpu_us[WORKER] for floor in floors)

    @property
    def baselines(self) -> Sequence[tuple[Group, Measured]]:
        """Every baseline, with the group that it was measured in."""
        return [
            (group, each)
            for group in self.groups
            for each in group.measured
            if each.cell.contender is Contender.BASELINE
        ]

    def rate_of(self, cell: Cell) -> float | None:
        """How fast the cell was, in the first group that has it."""
        return next((each.rate for each in self._all() if each.cell == cell), None)

    def _all(self) -> Iterator[Measured]:
        for group in self.groups:
            yield from group.measured
