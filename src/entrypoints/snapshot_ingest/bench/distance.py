"""The stage of a bench with longer ways to the servers."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from attrs import evolve, frozen

from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.children import started
from snapshot_ingest.bench.proxy import ProxyOrder
from snapshot_ingest.bench.stages import Bench
from snapshot_ingest.bench.world import World
from snapshot_ingest.embedded.files import RoleAccess, write_settings
from snapshot_ingest.stack import StackAddresses

TITLE = "Longer ways to all three servers, by proxies"
_PROXY = "snapshot_ingest.bench.proxy"
ROUND_TRIPS_MS = (0, 10)


def at_distance(case: Case, contender: Contender, round_trip_ms: int) -> Cell:
    """The contender behind proxies."""
    return Cell(case, contender, remark=f"{round_trip_ms} ms of round trip")


@frozen
class DistanceStage:
    """Ours behind proxies that add nothing, and behind the same with 10 ms."""

    case: Case
    contenders: Sequence[Contender]

    @property
    def runs_a_round(self) -> int:
        """See Stage."""
        return len(self.contenders) * len(ROUND_TRIPS_MS)

    async def run(self, bench: Bench) -> None:
        """See Stage."""
        world = bench.ground.world
        async with AsyncExitStack() as stack:
            files = {
                each: await stack.enter_async_context(_settings_by_proxies(world, each))
                for each in ROUND_TRIPS_MS
            }
            await bench.measure(
                TITLE,
                {
                    (cell := at_distance(self.case, contender, each)): partial(
                        bench.ground.measure, cell, files[each]
                    )
                    for contender in self.contenders
                    for each in ROUND_TRIPS_MS
                },
            )


@asynccontextmanager
async def _settings_by_proxies(world: World, round_trip_ms: int) -> AsyncIterator[Path]:
    """A settings file that leads to the servers by proxies, which live while the block lasts."""
    addresses = world.ready.addresses
    urls = (addresses.nats_url, addresses.postgres_admin_dsn, addresses.openbao_url)
    ports = [urlsplit(url).port or 0 for url in urls]
    order = ProxyOrder(ports, round_trip_ms / 2000)
    async with started(_PROXY, [], order.encode(), world.log) as proxy:
        by_proxy = _evolved(addresses, ports, json.loads(await proxy.answer()))
        path = world.ready.settings_file.with_name(f"by-proxy-{round_trip_ms}-ms.toml")
        _write(path, by_proxy, world)
        yield path


def _evolved(
    addresses: StackAddresses, ports: Sequence[int], instead: Sequence[int]
) -> StackAddresses:
    nats, postgres, openbao = zip(ports, instead, strict=True)

    def moved(url: str, ports: tuple[int, int]) -> str:
        return url.replace(f":{ports[0]}", f":{ports[1]}")

    return evolve(
        addresses,
        nats_url=moved(addresses.nats_url, nats),
        postgres_admin_dsn=moved(addresses.postgres_admin_dsn, postgres),
        openbao_url=moved(addresses.openbao_url, openbao),
    )


def _write(path: Path, addresses: StackAddresses, world: World) -> None:
    ingest = world.ready.ingest
    # The other roles have nothing to do in a bench.
    unused = RoleAccess("nobody", ingest.password_file)
    write_settings(path, addresses, ingest, unused, unused, ingest.password_file)
