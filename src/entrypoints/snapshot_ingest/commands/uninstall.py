"""`snapshot-ingest uninstall`: takes the schema `snapshot_ingest` away, and leaves the rest."""

import sys
from collections.abc import Iterator

from attrs import frozen

from snapshot_domain.errors import SnapshotIngestError
from snapshot_ingest.connections import admin_connection
from snapshot_ingest.settings import Settings
from snapshot_postgres import Installed, look_at_installation
from snapshot_postgres import uninstall as remove


class UninstallError(SnapshotIngestError):
    """Something of ours is still needed."""


@frozen(kw_only=True)
class Uninstalling:
    """What a person asked for: for real or not, and whether quarantined messages may be lost."""

    is_meant: bool
    discard_quarantine: bool

    def object_to(self, installed: Installed) -> None:
        """Raises `UninstallError` with all that stands against it."""
        objections = list(_objections(installed, discard_quarantine=self.discard_quarantine))
        if objections:
            raise UninstallError("uninstall is refused: " + "; ".join(objections))


async def uninstall(settings: Settings, asked: Uninstalling) -> None:
    """Does it, or says what it would do, with the credentials of `[admin.postgres]`."""
    async with admin_connection(settings.admin.postgres) as connection:
        if asked.is_meant:
            installed = await remove(connection, asked.object_to)
        else:
            installed = await look_at_installation(connection)
    for line in _lines(installed, asked):
        print(line, file=sys.stdout)  # noqa: T201 - the command's output
    if installed is not None and not asked.is_meant:
        asked.object_to(installed)


def _objections(installed: Installed, *, discard_quarantine: bool) -> Iterator[str]:
    if installed.compressed or installed.envelope:
        yield (
            f"{installed.compressed:,} rows are compressed and {installed.envelope:,} are "
            "envelope, which only snapshot-ingest can read: stop the workers and run "
            "`snapshot-ingest convert --to transit`"
        )
    if installed.keyed:
        yield (
            f"the digests of {installed.keyed:,} rows are keyed, which cannot be undone: without "
            "their key no text is known again. They must be gone first"
        )
    if installed.quarantined and not discard_quarantine:
        yield (
            f"the quarantine holds {installed.quarantined:,} messages: replay or drop them "
            "(`snapshot-ingest quarantine list`), or add --discard-quarantine"
        )
    if installed.sessions or installed.floor_moves:
        yield (
            f"{installed.sessions} sessions of snapshot-ingest are open"
            + (" and the ack floor was kept within 30 s" if installed.floor_moves else "")
            + ": stop the workers"
        )


def _lines(installed: Installed | None, asked: Uninstalling) -> Iterator[str]:
    if installed is None:
        yield "nothing to do: there is no schema snapshot_ingest"
        return
    verb = "dropped" if asked.is_meant else "would drop"
    yield f"{verb} the schema snapshot_ingest: {installed.runs:,} runs of timelines, and with them"
    yield f"  {installed.quarantined:,} messages of the quarantine"
    yield f"the backend's {installed.rows:,} rows stay as they are"
    yield from _left_to_do(installed)
    if not asked.is_meant:
        yield "nothing was changed: add --yes"


def _left_to_do(installed: Installed) -> Iterator[str]:
    if installed.policies:
        yield "left to the tables' owner: psql -f deploy/postgres/policies_undo.sql"
    for role in installed.roles:
        yield f"left to the tables' owner: psql -v role={role} -f deploy/postgres/undo.sql"
    yield "left elsewhere: the consumer at NATS, and the keys snapshot_ingest_* at OpenBao"
