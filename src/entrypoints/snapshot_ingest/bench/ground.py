"""Where cells are run: a world with the devices of each load, made when it is first needed."""

from pathlib import Path

from snapshot_ingest.bench.case import Case, Cell
from snapshot_ingest.bench.figures import Figures
from snapshot_ingest.bench.load import Load, fleet_of
from snapshot_ingest.bench.running import Sizing, measured, running
from snapshot_ingest.bench.texts import Texts
from snapshot_ingest.bench.world import World


class Ground:
    """A world, and what is known of it so far."""

    def __init__(self, world: World, sizing: Sizing, texts: Path | None) -> None:
        self.world = world
        self.sizing = sizing
        self.texts = texts
        self._of_size: dict[int, Texts] = {}
        self._loads: dict[Case, Load] = {}
        self._registered: set[int] = set()

    async def load(self, case: Case) -> Load:
        """The case's messages, once its tenants and devices are registered."""
        if case not in self._loads:
            fleet = fleet_of(case)
            if case.tenants not in self._registered:
                await self.world.register(fleet.tenants(), fleet.devices())
                self._registered.add(case.tenants)
            self._loads[case] = Load(case, self._texts_of(case.size_bytes), fleet)
        return self._loads[case]

    async def measure(self, cell: Cell, settings_file: Path | None = None) -> Figures:
        """One run of the cell. Raises `BenchError` if it did not do its work."""
        load = await self.load(cell.case)
        await self.world.empty(load)
        access = await self.world.access(cell, settings_file=settings_file)
        async with running(self.world, load, cell, access) as run:
            return await measured(run, cell, self.sizing)

    def _texts_of(self, size_bytes: int) -> Texts:
        if size_bytes not in self._of_size:
            self._of_size[size_bytes] = Texts(size_bytes, self.texts)
        return self._of_size[size_bytes]
