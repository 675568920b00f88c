"""Each stage of a bench, once through, on real servers: that it runs, and not how fast."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from snapshot_ingest.bench import distance, prices, scale
from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.distance import DistanceStage
from snapshot_ingest.bench.errors import BenchError
from snapshot_ingest.bench.figures import OPENBAO, POSTGRES, WORKER
from snapshot_ingest.bench.floors.order import FLOORS_OF, Floor
from snapshot_ingest.bench.floors.stage import FloorsStage
from snapshot_ingest.bench.ground import Ground
from snapshot_ingest.bench.latency import LatencyStage
from snapshot_ingest.bench.prices import PricesStage
from snapshot_ingest.bench.results import Results
from snapshot_ingest.bench.running import Sizing, running
from snapshot_ingest.bench.scale import ScaleStage
from snapshot_ingest.bench.stages import Bench, CellsStage
from snapshot_ingest.bench.world import Servers, World, opened_world

CASE = Case(size_bytes=2048)
BARE = Servers(audited=False, encrypted=False)
OURS = (Contender.TRANSIT, Contender.COMPRESSED, Contender.ENVELOPE)
FEW, MANY, HEADS = 200, 400, 600


class Silence:
    """Nobody watches."""

    def say(self, what: str) -> None: ...

    def begun(self, name: str) -> None: ...

    def ended(self, outcome: str) -> None: ...


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened_world(tmp_path_factory.mktemp("bench") / "stack", BARE) as opened:
        yield opened


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(Ground(world, Sizing(0.05), None), 1, Silence(), Results())


async def test_every_contender_stores_what_it_is_given(bench: Bench) -> None:
    contenders = [each for each in Contender if each is not Contender.ONE_ROW]
    cells = [
        *(Cell(CASE, each) for each in contenders),
        Cell(Case(2048, tenants=3, unchanged_percent=50), Contender.ENVELOPE, workers=2),
    ]
    await CellsStage("any", cells).run(bench)
    (group,) = bench.results.groups
    assert [each.cell for each in group.measured] == cells
    for each in group.measured:
        assert each.rate > 0
        assert each.cpu_us[WORKER] > 0
        assert each.peak_mib > 0


async def test_every_bare_stage_takes_the_time_of_its_own_process(bench: Bench) -> None:
    await FloorsStage(CASE, OURS).run(bench)
    assert {each.floor for each in bench.results.floors} == set(Floor)
    used = {each.floor: each.cpu_us for each in bench.results.floors}
    assert all(cpu_us[WORKER] > 0 for cpu_us in used.values())
    assert used[Floor.TRANSIT][OPENBAO] > 0
    assert used[Floor.STORE_ENVELOPE][POSTGRES] > 0
    for contender in FLOORS_OF:
        assert bench.results.sum_of_floors(Cell(CASE, contender))


async def test_latency_is_taken_of_each_message(bench: Bench) -> None:
    cells = [Cell(CASE, Contender.BASELINE), Cell(CASE, Contender.ENVELOPE)]
    await CellsStage("any", cells).run(bench)
    stage = LatencyStage(CASE, [each.contender for each in cells], [Contender.ENVELOPE])
    await stage.run(bench)
    assert [each.cell.contender for each in bench.results.latencies] == [
        Contender.BASELINE,
        Contender.ENVELOPE,
        Contender.ONE_ROW,
    ]
    for each in bench.results.latencies:
        assert 0 < each.p50_ms <= each.p99_ms <= each.max_ms


async def test_a_longer_way_is_by_proxies(bench: Bench) -> None:
    await DistanceStage(CASE, [Contender.ENVELOPE]).run(bench)
    group = bench.results.group(distance.TITLE)
    assert group is not None
    assert [each.cell.remark for each in group.measured] == [
        "0 ms of round trip",
        "10 ms of round trip",
    ]


async def test_large_databases_are_filled_and_gone_through(bench: Bench) -> None:
    await ScaleStage(BARE, [], HEADS, few=FEW, many=MANY).run(bench)
    sizes, heads = bench.results.groups
    assert sizes.title == scale.TITLE
    assert sizes.find(scale.at_scale(FEW))
    assert sizes.find(scale.at_scale(MANY))
    assert heads.find(scale.at_scale(HEADS, heads_only=True))


async def test_what_audit_log_and_encryption_cost_is_measured_without_each(bench: Bench) -> None:
    await PricesStage(CASE, [Contender.TRANSIT], [], real_texts=False).run(bench)
    (group,) = bench.results.groups
    assert {each.part for each in prices.prices(group)} == {"audit log", "stream encryption"}


async def test_a_run_that_stored_something_else_is_no_figure(bench: Bench) -> None:
    cell = Cell(CASE, Contender.BASELINE)
    load = await bench.ground.load(CASE)
    await bench.ground.world.empty(load)
    access = await bench.ground.world.access(cell)
    running_cell = running(bench.ground.world, load, cell, access)
    run = await running_cell.__aenter__()
    await run.stretch(10)
    await bench.ground.world.admin.execute(
        "INSERT INTO router_config_snapshots (device_id, tenant_id, config_text, sha256_hash)"
        " SELECT id, tenant_id, '', '' FROM devices LIMIT 1"
    )
    with pytest.raises(BenchError, match=r"11 rows were stored.*expected 10 rows"):
        await running_cell.__aexit__(None, None, None)


async def test_a_contender_that_ends_before_its_time_is_an_error(
    bench: Bench, tmp_path: Path
) -> None:
    cell = Cell(CASE, Contender.ENVELOPE)
    load = await bench.ground.load(CASE)
    await bench.ground.world.empty(load)
    nowhere = tmp_path / "no-settings.toml"
    access = await bench.ground.world.access(cell, settings_file=nowhere)
    with pytest.raises(BenchError, match="it failed with SettingsError"):
        async with running(bench.ground.world, load, cell, access):
            pass
