"""The stage of a bench on databases of very different sizes."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen

from snapshot_domain.model import TenantId
from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.figures import Figures
from snapshot_ingest.bench.filling import SNAPSHOTS_A_DEVICE, fill, fill_heads, sample
from snapshot_ingest.bench.load import Load, first_of_a_new_turn
from snapshot_ingest.bench.running import Sizing, measured, running
from snapshot_ingest.bench.stages import Bench
from snapshot_ingest.bench.texts import Texts
from snapshot_ingest.bench.world import Servers, World, opened_world

FEW, MANY = 10_000, 1_000_000
TITLE = "Databases of different sizes"
_CASE = Case(size_bytes=2048)
_SAMPLE = 60_000


def at_scale(devices: int, *, heads_only: bool = False) -> Cell:
    """The contender on a database with so many devices."""
    rows = "" if heads_only else f", {devices * SNAPSHOTS_A_DEVICE:,} rows"
    what = f"{devices:,} heads" if heads_only else f"{devices:,} devices"
    return Cell(_CASE, Contender.ENVELOPE, remark=what + rows)


class _Place:
    """A filled world, and the load on a sample of its devices; each run goes on from the last."""

    def __init__(self, world: World, tenant_id: TenantId, sizing: Sizing, load: Load) -> None:
        self.world = world
        self.tenant_id = tenant_id
        self._sizing = sizing
        self._load = load
        self._next_number = 0

    async def sample_again(self) -> None:
        """Chooses devices anew."""
        before = self._load.devices.device_count
        self._load = await _sampled(self.world, self.tenant_id, self._load.texts)
        after = self._load.devices.device_count
        self._next_number = first_of_a_new_turn(self._next_number, before, after)

    async def measure(self, cell: Cell) -> Figures:
        """One run. Its rows stay."""
        access = await self.world.access(cell)
        async with running(self.world, self._load, cell, access, first=self._next_number) as run:
            figures = await measured(run, cell, self._sizing)
            self._next_number = run.next_number
        return figures


@frozen
class ScaleStage:
    """A load over 10,000 devices, and over a sample of 1,000,000; then of more heads, if asked."""

    servers: Servers
    overrides: Sequence[str]
    heads: int | None
    few: int = FEW
    many: int = MANY

    @property
    def runs_a_round(self) -> int:
        """See Stage."""
        return 2 if self.heads is None else 4

    async def run(self, bench: Bench) -> None:
        """See Stage. The worlds are its own, and both are up, so that they are run in turn."""
        texts = Texts(_CASE.size_bytes, bench.ground.texts)
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="snapshot-ingest-")))
            places = {}
            for devices in (self.few, self.many):
                world = await stack.enter_async_context(
                    opened_world(folder / str(devices), self.servers, self.overrides)
                )
                tenant_id = await fill(world, devices, bench.watcher.say)
                load = await _sampled(world, tenant_id, texts)
                places[devices] = _Place(world, tenant_id, bench.ground.sizing, load)
            few, many = places[self.few], places[self.many]
            small, large = at_scale(self.few), at_scale(self.many)
            await bench.measure(
                TITLE, {small: partial(few.measure, small), large: partial(many.measure, large)}
            )
            if self.heads is not None:
                await fill_heads(
                    many.world, many.tenant_id, self.many, self.heads, bench.watcher.say
                )
                await many.sample_again()
                huge = at_scale(self.heads, heads_only=True)
                await bench.measure(
                    f"{TITLE}, more heads",
                    {small: partial(few.measure, small), huge: partial(many.measure, huge)},
                )


async def _sampled(world: World, tenant_id: TenantId, texts: Texts) -> Load:
    return Load(_CASE, texts, await sample(world, tenant_id, _SAMPLE))
