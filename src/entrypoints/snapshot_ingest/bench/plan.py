"""Which stages a bench goes through, for what it was asked."""

from collections.abc import Iterator, Sequence

from attrs import evolve

from snapshot_ingest.bench import marks
from snapshot_ingest.bench.case import MARKS_CASE, Case, Cell, Contender
from snapshot_ingest.bench.distance import DistanceStage
from snapshot_ingest.bench.floors.stage import FloorsStage
from snapshot_ingest.bench.latency import LatencyStage
from snapshot_ingest.bench.options import BenchOptions
from snapshot_ingest.bench.prices import PricesStage
from snapshot_ingest.bench.scale import ScaleStage
from snapshot_ingest.bench.stages import CellsStage, Stage
from snapshot_ingest.bench.world import Servers


def stages(options: BenchOptions, servers: Servers, overrides: Sequence[str]) -> Sequence[Stage]:
    """The stages in their order: what a later one needs to know, an earlier one measures."""
    return list(_stages(options, servers, overrides))


def _stages(options: BenchOptions, servers: Servers, overrides: Sequence[str]) -> Iterator[Stage]:
    base = _base(options)
    ours = [Contender.of(each) for each in options.formats]
    for case in dict.fromkeys([base, *options.cases]):
        contenders = [*options.contenders, *_of_marks(options, case)]
        yield CellsStage(case.name, [Cell(case, each) for each in contenders])
    if options.floors or options.marks:
        yield FloorsStage(base, ours)
    if options.latency or options.marks:
        yield LatencyStage(base, options.contenders, against_one_row=ours)
    if options.prices:
        yield PricesStage(base, ours, overrides, real_texts=options.texts is not None)
    if options.marks:
        yield CellsStage(marks.UNCHANGED, marks.UNCHANGED_CELLS)
        yield CellsStage(marks.TENANTS, marks.TENANTS_CELLS)
        yield CellsStage(marks.PROCESSES, marks.PROCESSES_CELLS)
        yield DistanceStage(base, ours)
        yield ScaleStage(servers, overrides, options.heads)


def _base(options: BenchOptions) -> Case:
    """The load of everything that is measured on one load alone: there all texts change."""
    if options.marks:
        return MARKS_CASE
    return evolve(options.cases[0], unchanged_percent=0)


def _of_marks(options: BenchOptions, case: Case) -> Sequence[Contender]:
    """Who is measured for a mark alone. Real texts must not be stored in clear."""
    if options.marks and case == MARKS_CASE and options.texts is None:
        return [Contender.UNENCRYPTED]
    return []
