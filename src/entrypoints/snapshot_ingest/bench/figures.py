"""What was measured: the figures of a run, and the medians of several."""

from collections.abc import Callable, Sequence
from statistics import median, quantiles

from attrs import frozen

from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.floors.order import Floor

WORKER, OPENBAO, POSTGRES, NATS = "worker", "OpenBao", "PostgreSQL", "NATS"
SERVERS = (OPENBAO, POSTGRES, NATS)
PROCESSES = (WORKER, *SERVERS)


@frozen
class Warming:
    """The first messages after a start: clients connect, plans and data keys are made."""

    messages: int
    seconds: float
    cpu_us: float
    """Of all processes, for each message."""


@frozen
class Figures:
    """What one run was seen to take. Processor times are microseconds a message, by process."""

    messages: int
    seconds: float
    cpu_us: dict[str, float]
    peak_mib: float
    warming: Warming

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_us_of_all(self) -> float:
        """All processes together."""
        return sum(self.cpu_us.values())

    @property
    def cores_used(self) -> float:
        """How many processors were busy, on average."""
        return self.rate * self.cpu_us_of_all / 1e6


@frozen
class Measured:
    """A cell with its runs, one a round."""

    cell: Cell
    runs: Sequence[Figures]

    def median(self, figure: Callable[[Figures], float]) -> float:
        """The figure's median over the rounds."""
        return median(map(figure, self.runs))

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.median(lambda run: run.rate)

    @property
    def cpu_us(self) -> dict[str, float]:
        """Microseconds a message, by process."""
        return {name: median(run.cpu_us[name] for run in self.runs) for name in PROCESSES}

    @property
    def cpu_us_of_all(self) -> float:
        """All processes together."""
        return self.median(lambda run: run.cpu_us_of_all)

    @property
    def cores_used(self) -> float:
        """How many processors were busy, on average."""
        return self.median(lambda run: run.cores_used)

    @property
    def peak_mib(self) -> float:
        """The most memory that a worker's process held in any round."""
        return max(run.peak_mib for run in self.runs)

    @property
    def spread(self) -> float:
        """The fastest round against the slowest."""
        rates = [run.rate for run in self.runs]
        return max(rates) / min(rates)


def ratio(
    these: Measured, those: Measured, figure: Callable[[Figures], float] = lambda run: run.rate
) -> float:
    """The median of the rounds' ratios: what disturbs a round disturbs both sides of it."""
    pairs = zip(these.runs, those.runs, strict=True)
    return median(figure(this) / figure(that) for this, that in pairs)


@frozen
class Group:
    """Cells that were measured in turn, so that they may be compared."""

    title: str
    measured: Sequence[Measured]

    def find(self, cell: Cell) -> Measured | None:
        """The cell, if it is here."""
        return next((each for each in self.measured if each.cell == cell), None)

    def baseline_of(self, cell: Cell) -> Measured | None:
        """The baseline on the same load."""
        return self.find(Cell(cell.case, Contender.BASELINE))


@frozen
class FloorFigures:
    """What one run of a bare stage took. The worker is the process of the stage."""

    messages: int
    seconds: float
    cpu_us: dict[str, float]

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


@frozen
class FloorMeasured:
    """A bare stage with its runs, one a round."""

    case: Case
    floor: Floor
    runs: Sequence[FloorFigures]

    @property
    def rate(self) -> float:
        """Messages a second."""
        return median(run.rate for run in self.runs)

    @property
    def cpu_us(self) -> dict[str, float]:
        """Microseconds a message, by process."""
        return {name: median(run.cpu_us[name] for run in self.runs) for name in PROCESSES}


@frozen
class LatencyFigures:
    """One run: milliseconds from publication to commit, and whether it kept pace."""

    messages: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    behind_seconds: float
    """How long after the last publication everything was settled."""

    @classmethod
    def of(cls, seconds: Sequence[float], behind_seconds: float) -> "LatencyFigures":
        """The figures of so many latencies."""
        percentiles = quantiles(seconds, n=100, method="inclusive")
        return cls(
            messages=len(seconds),
            p50_ms=percentiles[49] * 1000,
            p99_ms=percentiles[98] * 1000,
            max_ms=max(seconds) * 1000,
            behind_seconds=behind_seconds,
        )


@frozen
class LatencyMeasured:
    """A cell at a rate, with its runs, one a round."""

    cell: Cell
    rate: float
    runs: Sequence[LatencyFigures]

    @property
    def p50_ms(self) -> float:
        """Half are done within it."""
        return median(run.p50_ms for run in self.runs)

    @property
    def p99_ms(self) -> float:
        """All but one in a hundred are done within it."""
        return median(run.p99_ms for run in self.runs)

    @property
    def max_ms(self) -> float:
        """The median of the rounds' slowest ones."""
        return median(run.max_ms for run in self.runs)

    @property
    def behind_seconds(self) -> float:
        """How long the last messages took in the worst round: long if it did not keep pace."""
        return max(run.behind_seconds for run in self.runs)
