"""A bare stage on a world: its process is started, told to begin, and asked what it took."""

from attrs import evolve

from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.children import started
from snapshot_ingest.bench.cpu import cpu_of_each
from snapshot_ingest.bench.errors import BenchError
from snapshot_ingest.bench.figures import WORKER, FloorFigures
from snapshot_ingest.bench.floors.order import STORING, Floor, Order, Taken
from snapshot_ingest.bench.ground import Ground

_PROCESS = "snapshot_ingest.bench.floors"
_MEMORY_BYTES = 64 * 1024 * 1024
_MESSAGES_AT_MOST = 10_000


async def measured_floor(ground: Ground, case: Case, floor: Floor) -> FloorFigures:
    """One run of it. Raises `BenchError` if it did not do all that it was given."""
    order = await _prepared(ground, case, floor)
    world = ground.world
    async with started(_PROCESS, [floor.name.lower()], order.encode(), world.log) as child:
        before = cpu_of_each(world.server_pids)
        await child.tell("begin")
        taken = Taken.decode(await child.answer())
        after = cpu_of_each(world.server_pids)
    if taken.messages % order.messages:
        raise BenchError(f"{floor.value} did {taken.messages} messages", expected="all of them")
    servers = {name: (after[name] - before[name]) / taken.messages * 1e6 for name in before}
    own = taken.cpu_seconds / taken.messages * 1e6
    return FloorFigures(taken.messages, taken.seconds, {WORKER: own, **servers})


async def _prepared(ground: Ground, case: Case, floor: Floor) -> Order:
    world, load = ground.world, await ground.load(case)
    access = await world.access(Cell(case, Contender.TRANSIT))
    ready = world.ready
    messages = min(_MEMORY_BYTES // case.size_bytes, _MESSAGES_AT_MOST)
    if floor in STORING:
        await world.empty(load)
    if floor is Floor.FETCH_ACK:
        await world.make_consumer(access.consumer)
        await world.publish(load, 0, messages)
    as_ingest = ready.ingest.dsn_with_password(ready.addresses.postgres_admin_dsn)
    return Order(
        floor=floor,
        case=case,
        texts=ground.texts,
        messages=messages,
        seconds=ground.sizing.seconds / 2,
        access=evolve(access, postgres_dsn=as_ingest),
    )
