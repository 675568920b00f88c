"""Searches everything that the run left on disk for the secret that each message held."""

from collections.abc import Sequence
from pathlib import Path

from chaos.world import World
from snapshot_conformance.secret_canary import SecretCanary
from snapshot_conformance.secret_canary_files import files_with
from support.table_texts import dump_tables


async def files_with_plaintext(world: World, canary: SecretCanary) -> Sequence[Path]:
    """The files below the world's folder that hold it in any form, relative to that.

    Data directories, write-ahead log, every server's and worker's log, OpenBao's audit log and
    storage, the NATS store (encrypted at rest), and the tables as text.
    """
    tables = world.folder / "tables"
    tables.mkdir()
    await dump_tables(world.stack.addresses.postgres_admin_dsn, tables)
    return [path.relative_to(world.folder) for path in files_with(canary, [world.folder])]
