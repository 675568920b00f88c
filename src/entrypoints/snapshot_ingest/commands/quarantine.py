"""`snapshot-ingest quarantine`: looks at what could not be ingested, replays it, or drops it."""

import json
import sys
from collections.abc import Sequence

from attrs import frozen

from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.outcome import DependencyMisconfigured
from snapshot_domain.ports import (
    DecryptorItem,
    QuarantinedMessage,
    QuarantineEntry,
    QuarantineId,
    QuarantineReview,
    QuarantineSelection,
    QuarantineState,
)
from snapshot_domain.ports.decryptor import DecryptorAnswer
from snapshot_domain.replay import DependencyFailed, ReplaySource, sealed_item
from snapshot_domain.secret import Secret
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao, postgres_pool
from snapshot_ingest.quarantine.decryptor import QuarantineDecryptor
from snapshot_ingest.quarantine.replaying import open_replay
from snapshot_ingest.quarantine.view import as_json, details, lines
from snapshot_ingest.settings import OpenBaoSettings, Settings
from snapshot_ingest.tally import Tally
from snapshot_openbao import TransitDecryptor
from snapshot_postgres import PostgresQuarantineReview


class QuarantineError(SnapshotIngestError):
    """The messages cannot be shown, replayed or dropped."""


async def list_kept(
    settings: Settings, selection: QuarantineSelection, limit: int, *, json_wanted: bool
) -> None:
    """Prints a line for each of the newest messages, or one JSON array."""
    async with postgres_pool("reader.postgres", settings.reader.postgres) as pool:
        found = await PostgresQuarantineReview(pool).newest(selection, limit + 1)
    entries = found[:limit]
    if json_wanted:
        _print(json.dumps([as_json(entry) for entry in entries]))
        return
    for line in lines(entries):
        _print(line)
    if len(found) > limit:
        _say(f"there are more than these {limit}; ask for one reason, or for more with --limit")


async def show(settings: Settings, entry_id: QuarantineId) -> None:
    """Prints what is known of the message without opening it."""
    async with postgres_pool("reader.postgres", settings.reader.postgres) as pool:
        (entry,) = await _entries(PostgresQuarantineReview(pool), [entry_id])
    for line in details(entry):
        _print(line)


async def reveal(settings: Settings, entry_id: QuarantineId) -> None:
    """Writes the body of the message to standard output, byte for byte, and nothing else."""
    async with postgres_pool("reader.postgres", settings.reader.postgres) as pool:
        review = PostgresQuarantineReview(pool)
        await _kept(review, [entry_id])
        message = (await review.messages([entry_id])).get(entry_id)
    if message is None:
        raise QuarantineError(f"message {entry_id} was replayed or dropped just now")
    body = await _decrypt(settings, message)
    # Beside `show`, the only place where plaintext is shown: a person with the role asked for it.
    sys.stdout.buffer.write(body.reveal())
    sys.stdout.buffer.flush()


async def replay(
    settings: Settings, chosen: list[QuarantineId] | QuarantineSelection, *, json_wanted: bool
) -> None:
    """Ingests the messages once more, and prints what became of them, however it ends."""
    tally = Tally()
    async with postgres_pool("postgres", settings.postgres) as pool:
        ids = await _chosen(PostgresQuarantineReview(pool), chosen)
        async with open_replay(settings, pool, ids, [tally]) as replaying:
            try:
                failed = await replaying.run()
            finally:
                await _print_counts(tally, replaying.source, json_wanted=json_wanted)
    if failed is not None:
        raise QuarantineError(
            f"the replay ended early: {_words(failed)}",
            next_step="what was not replayed is still in the quarantine; replay it again later",
        )


async def drop(settings: Settings, entry_ids: Sequence[QuarantineId]) -> None:
    """Gives the messages up for good: their ciphertexts are erased."""
    async with postgres_pool("postgres", settings.postgres) as pool:
        review = PostgresQuarantineReview(pool)
        await _kept(review, entry_ids)
        dropped = await review.drop(entry_ids)
    _print(f"dropped {len(dropped)}")


async def _chosen(
    review: QuarantineReview, chosen: list[QuarantineId] | QuarantineSelection
) -> Sequence[QuarantineId]:
    """The ids in order of time."""
    if isinstance(chosen, QuarantineSelection):
        return await review.select(chosen)
    entries = await _kept(review, chosen)
    by_time = sorted(entries, key=lambda entry: (entry.received_at, entry.entry_id))
    return [entry.entry_id for entry in by_time]


async def _kept(
    review: QuarantineReview, entry_ids: Sequence[QuarantineId]
) -> Sequence[QuarantineEntry]:
    """The entries of these ids; raises `QuarantineError` if one of them is not kept any more."""
    entries = await _entries(review, entry_ids)
    for entry in entries:
        if entry.state is not QuarantineState.KEPT:
            raise QuarantineError(
                f"message {entry.entry_id} was {entry.state} before: its content is gone",
                expected="one that `snapshot-ingest quarantine list` shows",
            )
    return entries


async def _entries(
    review: QuarantineReview, entry_ids: Sequence[QuarantineId]
) -> Sequence[QuarantineEntry]:
    """The entries of these ids; raises `QuarantineError` if one of them never was."""
    entries = await review.entries(entry_ids)
    unknown = set(entry_ids) - {entry.entry_id for entry in entries}
    if unknown:
        raise QuarantineError(
            f"there is no message {min(unknown)} in the quarantine",
            expected="one that `snapshot-ingest quarantine list` shows",
        )
    return entries


@frozen
class _LoginOnDemand:
    """Decryptor with the login of one section, whose credentials only its use asks for."""

    name: str
    section: OpenBaoSettings
    settings: Settings

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        """See Decryptor. Raises `SettingsError` too."""
        async with openbao(self.name, self.section, self.settings, SystemClock()) as bao:
            decryptor = TransitDecryptor(bao, mount=self.settings.openbao.mount)
            return await decryptor.decrypt(items)


async def _decrypt(settings: Settings, message: QuarantinedMessage) -> Secret:
    """Opens it with the login that may: the ingest role's is needed only for its own key."""
    decryptor = QuarantineDecryptor(
        ingest=_LoginOnDemand("openbao", settings.openbao, settings),
        reader=_LoginOnDemand("reader.openbao", settings.reader.openbao, settings),
    )
    (answer,) = await decryptor.decrypt([sealed_item(message)])
    if isinstance(answer, Secret):
        return answer
    raise answer


async def _print_counts(tally: Tally, source: ReplaySource, *, json_wanted: bool) -> None:
    counts = {
        "stored": tally.stored,
        "unchanged": tally.unchanged,
        "already_stored": tally.already_stored,
        "malformed": tally.malformed,
        "orphaned": tally.orphaned,
        "refused": tally.refused + tally.keyless,
        "failed": tally.retried,
        "unopened": len(source.unopened),
        "untried": (await source.backlog()).pending,
    }
    if json_wanted:
        _print(json.dumps(counts))
        return
    for name, count in counts.items():
        _print(f"{name.replace('_', ' '):<16}{count:>8}")


def _words(failed: DependencyFailed) -> str:
    if isinstance(failed, DependencyMisconfigured):
        return failed.what
    return f"the {failed.dependency} does not do its work now"


def _print(line: str) -> None:
    print(line)  # noqa: T201 - the command's output


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - beside the command's output
