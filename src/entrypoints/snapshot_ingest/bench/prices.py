"""The stage of a bench that says what audit log and stream encryption cost."""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen

from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.figures import Group, Measured, ratio
from snapshot_ingest.bench.ground import Ground
from snapshot_ingest.bench.stages import Bench
from snapshot_ingest.bench.world import Servers, opened_world

TITLE = "With and without audit log and stream encryption"
_ALL = Servers()
_PARTS = {
    "audit log": Servers(audited=False),
    "stream encryption": Servers(encrypted=False),
}


@frozen
class Price:
    """What a contender pays for one of the two."""

    part: str
    contender: Contender
    times_as_fast: float
    """With it, against without."""
    cpu_us_more: float
    """Of all processes, for each message."""


@frozen
class PricesStage:
    """Ours with both, without the one, and without the other.

    Real texts are on no stream in clear: of them only the audit log's price is said.
    """

    case: Case
    contenders: Sequence[Contender]
    overrides: Sequence[str]
    real_texts: bool

    @property
    def runs_a_round(self) -> int:
        """See Stage."""
        return len(self.contenders) * (1 + len(self._without))

    async def run(self, bench: Bench) -> None:
        """See Stage."""
        grounds = {_ALL: bench.ground}
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="snapshot-ingest-")))
            for number, servers in enumerate(self._without):
                world = await stack.enter_async_context(
                    opened_world(folder / str(number), servers, self.overrides)
                )
                grounds[servers] = Ground(world, bench.ground.sizing, bench.ground.texts)
            await bench.measure(
                TITLE,
                {
                    (cell := _cell(self.case, contender, servers)): partial(ground.measure, cell)
                    for contender in self.contenders
                    for servers, ground in grounds.items()
                },
            )

    @property
    def _without(self) -> Sequence[Servers]:
        return [each for each in _PARTS.values() if each.encrypted or not self.real_texts]


def prices(group: Group) -> Iterator[Price]:
    """What each contender of the group pays."""
    for with_all in group.measured:
        cell = with_all.cell
        if cell.remark != _ALL.name:
            continue
        for part, servers in _PARTS.items():
            without = group.find(_cell(cell.case, cell.contender, servers))
            if without is not None:
                yield _price(part, with_all, without)


def _price(part: str, with_it: Measured, without: Measured) -> Price:
    return Price(
        part=part,
        contender=with_it.cell.contender,
        times_as_fast=ratio(with_it, without),
        cpu_us_more=with_it.cpu_us_of_all - without.cpu_us_of_all,
    )


def _cell(case: Case, contender: Contender, servers: Servers) -> Cell:
    return Cell(case, contender, remark=servers.name)
