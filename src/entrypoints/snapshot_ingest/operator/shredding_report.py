"""What a freeze, a restore or a shredding came to, for a person and as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.model import TenantId
from snapshot_domain.ports import KeyState, Records
from snapshot_domain.shredding import OutOfUse, Trial


class ReportError(SnapshotIngestError):
    """The report cannot be written."""


@frozen
class Copy:
    """A place that may still hold something of the tenant; `messages` where it can be counted."""

    where: str
    what: str
    messages: int | None = None


@frozen
class Report:
    """`out_of_use` is None after a restore; `trial` and `erased` are there after a shredding."""

    tenant_id: TenantId
    key: KeyState
    at: datetime
    out_of_use: OutOfUse | None = None
    trial: Trial | None = None
    erased: Records | None = None
    copies: Sequence[Copy] = ()

    def as_json(self) -> str:
        """All of it, as one object."""
        return json.dumps(dict(self._items()), indent=2) + "\n"

    def lines(self) -> Iterator[str]:
        """All of it, in sentences."""
        yield f"tenant {self.tenant_id}: {_SENTENCES[self.key]}"
        if self.out_of_use is not None:
            yield (
                f"until {_time(self.out_of_use.warm_until)} a worker may still use a data key of "
                f"it, and until {_time(self.out_of_use.stores_until)} store what it has in hand"
            )
        if self._no_new_key_before is not None:
            yield (
                f"make no new key for it before {self._no_new_key_before}, unless all workers were "
                "started again: what one seals with such a data key is acknowledged and never opens"
            )
        if self.trial is not None:
            yield (
                f"before, {self.trial.rehearsed_opened} of {self.trial.rehearsed} rows that were "
                "tried opened"
            )
            yield (
                f"tried {self.trial.tried} of {self.trial.rows} rows: {self.trial.beyond_reach} "
                f"are beyond reach, {self.trial.opened} still open"
            )
        if self.erased is not None:
            yield (
                f"erased {self.erased.heads} heads, {self.erased.runs} runs, "
                f"{self.erased.data_keys} data keys and the content of "
                f"{self.erased.quarantined} quarantined messages"
            )
        for copy in self.copies:
            count = "" if copy.messages is None else f" ({copy.messages} messages)"
            yield f"may still hold something: {copy.where}{count}: {copy.what}"

    @property
    def _no_new_key_before(self) -> str | None:
        """Until then a worker may seal with a data key that the deleted key wrapped."""
        if self.key is not KeyState.GONE or self.out_of_use is None:
            return None
        return _time(self.out_of_use.stores_until)

    def _items(self) -> Iterator[tuple[str, object]]:
        yield "tenant", str(self.tenant_id)
        yield "key", self.key.value
        yield "at", _time(self.at)
        if self.out_of_use is not None:
            yield "data_keys_warm_until", _time(self.out_of_use.warm_until)
            yield "workers_store_until", _time(self.out_of_use.stores_until)
        if self._no_new_key_before is not None:
            yield "no_new_key_before", self._no_new_key_before
        if self.trial is not None:
            yield (
                "rehearsal",
                {"tried": self.trial.rehearsed, "opened": self.trial.rehearsed_opened},
            )
            yield (
                "rows",
                {
                    "found": self.trial.rows,
                    "tried": self.trial.tried,
                    "beyond_reach": self.trial.beyond_reach,
                    "opened": self.trial.opened,
                },
            )
        if self.erased is not None:
            yield "erased", _counts(self.erased)
        if self.copies:
            yield (
                "may_still_hold_a_copy",
                [
                    {"where": each.where, "what": each.what}
                    | ({} if each.messages is None else {"messages": each.messages})
                    for each in self.copies
                ],
            )


_SENTENCES: Mapping[KeyState, str] = {
    KeyState.FROZEN: "its key is frozen, so nothing of it opens and new messages wait; "
    "`shred --restore` undoes it",
    KeyState.USABLE: "its key works again; what waits is stored within a minute",
    KeyState.GONE: "its key is deleted for good",
}


def copies_of(stream: str, unattributed: int) -> Sequence[Copy]:
    """Where something of a shredded tenant may be that no command of ours reaches."""
    return (
        Copy("backups and raft snapshots of OpenBao", "the tenant's key, until they are deleted"),
        Copy(
            "backups, standbys, WAL and unvacuumed pages of PostgreSQL",
            "ciphertexts, digests, data keys and quarantined messages; the latter are under keys "
            "of our own and open without the tenant's",
        ),
        Copy(
            f"the stream {stream}, its mirrors and backups",
            "snapshots in plaintext, until they are too old for it",
        ),
        Copy(
            "the quarantine",
            "messages of which nobody can say whose they are; look at them, and drop them",
            unattributed,
        ),
        Copy(
            "the rows themselves",
            "digests, sizes and times: a digest confirms a guess at the whole text. They go when "
            "the backend deletes the tenant",
        ),
        Copy(
            "the backend's tables of differences, and wherever a reader kept what he read",
            "plaintext",
        ),
    )


@contextmanager
def report_file(path: Path | None) -> Iterator["ReportFile"]:
    """A file that is made before the deed, so that no deed is without its report.

    Raises `ReportError`. A file in which nothing was written is removed again.
    """
    if path is None:
        yield ReportFile(None)
        return
    reason = ""
    try:
        path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        reason = type(error).__name__
    if reason:
        raise ReportError(
            f"the report {path} cannot be made ({reason})",
            expected="the name of a file that does not exist yet, in a folder that does",
        )
    try:
        yield ReportFile(path)
    finally:
        if path.exists() and path.stat().st_size == 0:
            path.unlink()


@frozen
class ReportFile:
    """Where the report goes; nowhere without a path."""

    path: Path | None

    def write(self, report: Report) -> None:
        """Writes it whole."""
        if self.path is not None:
            self.path.write_text(report.as_json(), encoding="utf-8")


def _counts(records: Records) -> Mapping[str, int]:
    return {
        "heads": records.heads,
        "runs": records.runs,
        "data_keys": records.data_keys,
        "quarantined": records.quarantined,
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
