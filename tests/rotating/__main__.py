"""Rotates the keys of many stored texts of 2 KB, and says how long rewrapping them takes."""

import argparse
import asyncio
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from rotating.filling import Filling, fill
from snapshot_domain.rotation import Rotation
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import Address, OpenBao, TransitRewrapper
from support.openbao import RawOpenBao, login_of
from support.operated import operated_world

_FORMATS = ("transit", "compressed", "envelope")


async def _measure(fillings: list[Filling]) -> int:
    _say("    format |      rows | tenants | data keys and texts rewrapped | seconds | rows/s")
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedStack(Path(folder) / "stack") as stack, RawOpenBao.of(stack) as raw:
            for filling in fillings:
                rewrapped, seconds = await _rotated(stack, raw, filling)
                _say(
                    f"{filling.format:>10} | {filling.rows:9,} | {filling.tenants:7,} | "
                    f"{rewrapped:29,} | {seconds:7.0f} | {filling.rows / seconds:6,.0f}"
                )
    return 0


async def _rotated(stack: EmbeddedStack, raw: RawOpenBao, filling: Filling) -> tuple[int, float]:
    """How much was rewrapped, and how long that took, the look at the end included."""
    clock = SystemClock()
    address, login = Address(stack.addresses.openbao_url), stack.addresses.operator_approle
    async with operated_world(stack.addresses.postgres_admin_dsn) as world:
        tenants = await fill(world.database, raw, filling)
        async with OpenBao(address, login_of(login), clock) as openbao:
            for tenant_id in tenants:
                await raw.call("POST", f"transit/keys/tenant_{tenant_id}/rotate")
            rotation = Rotation(
                world.stored_texts, TransitRewrapper(openbao), timedelta(minutes=20)
            )
            began = time.monotonic()
            for tenant_id in tenants:
                async for _ in rotation.rewrap(tenant_id):
                    pass
                # As the command does: of few tenants it counts the rows of others as well.
                oldest = await rotation.oldest(tenant_id, count_others=len(tenants) == 1)
                assert oldest.version == oldest.newest == 2
            seconds = time.monotonic() - began
    return rotation.rewritten.replaced, seconds


def main() -> int:
    """The exit status: 0 if everything came under the newest version."""
    parser = argparse.ArgumentParser(prog="python -m rotating", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tenants", type=int, nargs="+", default=[1, 5_000])
    parser.add_argument("--formats", choices=_FORMATS, nargs="+", default=list(_FORMATS))
    asked = parser.parse_args()
    return asyncio.run(
        _measure(
            [
                Filling(asked.rows, tenants, chosen)
                for tenants in asked.tenants
                for chosen in asked.formats
            ]
        )
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
