"""Measures a backfill: `python -m backfilling --rows 1000000`. See docs/operating.md."""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from backfilling.bystanders import Bystanders, at_work
from backfilling.rows import Former, write
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import Backfill, Filled
from support.backend_database import backend_world

_BEFORE_SECONDS = 15


async def _measure(former: Former) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            EmbeddedStack(Path(folder) / "stack") as stack,
            backend_world(stack.addresses.postgres_admin_dsn) as world,
        ):
            tenants = await write(world.database, former)
            rows = await world.admin.fetch(
                "SELECT id FROM devices WHERE tenant_id = $1 ORDER BY id", tenants[0]
            )
            devices = [row["id"] for row in rows]
            async with at_work(world, devices, tenants[0]) as before:
                await asyncio.sleep(_BEFORE_SECONDS)
            moments = [time.monotonic()]
            owned: list[float] = []

            def tell(filled: Filled) -> None:
                moments.append(time.monotonic())
                if filled.tenants == 0:
                    owned[:] = [moments[-1] - moments[0]]

            async with at_work(world, devices, tenants[0]) as meanwhile:
                filled = await Backfill(world.owning).run(tell)
            steps = [later - sooner for sooner, later in pairwise(moments)]
            _say(f"{filled}")
            _say(f"seconds: {moments[-1] - moments[0]:.0f}, of which owners' rows {owned[0]:.0f}")
            _say(f"longest step {max(steps):.2f} s, median {statistics.median(steps):.3f} s")
            began = time.monotonic()
            again = await Backfill(world.owning).run()
            _say(f"again: {again.rows} rows, {time.monotonic() - began:.0f} s")
            began = time.monotonic()
            await Backfill(world.owning).run(only_owned=True)
            _say(f"again, owners' rows alone: {time.monotonic() - began:.0f} s")
            _say_of("before", before)
            _say_of("meanwhile", meanwhile)
            for relation, mode in sorted(meanwhile.locks):
                _say(f"lock: {relation} {mode}")


def _say_of(when: str, seen: Bystanders) -> None:
    for what, took in (
        ("a worker's batch of 20", seen.batches),
        ("an INSERT of others", seen.rows),
    ):
        ordered = sorted(took)
        _say(
            f"{when}: {what}: {len(took)} times, median {statistics.median(took) * 1000:.1f} ms, "
            f"99 % {ordered[int(len(ordered) * 0.99)] * 1000:.1f} ms, "
            f"longest {ordered[-1] * 1000:.1f} ms"
        )


def main() -> int:
    """The exit status: 0 if it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m backfilling", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--rows-a-device", type=int, default=10)
    parser.add_argument("--text-bytes", type=int, default=2_048)
    asked = parser.parse_args()
    former = Former(asked.rows, asked.tenants, asked.rows_a_device, asked.text_bytes)
    asyncio.run(_measure(former))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
