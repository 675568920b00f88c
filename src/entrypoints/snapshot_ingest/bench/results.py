"""Everything that a bench has measured so far."""

from collections.abc import Iterator, Sequence

from attrs import Factory, define

from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.figures import Group, Measured


@define
class Results:
    """Grows with each stage. What is not there was not asked for, or cannot be had."""

    groups: list[Group] = Factory(list)

    def group(self, title: str) -> Group | None:
        """The group of this title."""
        return next((each for each in self.groups if each.title == title), None)

    def of_case(self, case: Case) -> Group | None:
        """The group in which all contenders met on this load."""
        return self.group(case.name)

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
