"""What is measured: the contenders, and the loads that all of them are given."""

from enum import StrEnum

from attrs import evolve, field, frozen
from attrs.validators import ge, in_

from snapshot_ingest.settings import CipherFormat


class Contender(StrEnum):
    """A program that takes snapshots off the stream, each in a process of its own."""

    BASELINE = "baseline"
    """One message at a time, with a new OpenBao client for each."""
    FRAMEWORK = "framework"
    """A subscriber of FastStream, with a shared client and pool."""
    TRANSIT = "transit"
    COMPRESSED = "compressed"
    ENVELOPE = "envelope"
    UNENCRYPTED = "unencrypted"
    """`envelope` without its encryption: what encrypting costs. Its text is made up."""
    ONE_ROW = "one_row"
    """Fetches, commits each row by itself, and acknowledges: what a latency is held against."""

    @property
    def stored_as(self) -> CipherFormat | None:
        """The format that it stores; None where it is not ours."""
        return _FORMATS.get(self)

    @classmethod
    def of(cls, chosen: CipherFormat) -> "Contender":
        """Ours with this format."""
        return cls(chosen.value)


_FORMATS = {
    Contender.TRANSIT: CipherFormat.TRANSIT,
    Contender.COMPRESSED: CipherFormat.COMPRESSED,
    Contender.ENVELOPE: CipherFormat.ENVELOPE,
    Contender.UNENCRYPTED: CipherFormat.ENVELOPE,
}


@frozen
class Case:
    """A load: texts of so many bytes, of so many tenants, some of them unchanged."""

    size_bytes: int = field(default=16 * 1024, validator=ge(1024))
    tenants: int = field(default=1, validator=ge(1))
    unchanged_percent: int = field(default=0, validator=in_(range(100)))

    @property
    def name(self) -> str:
        """The case as a reader of a table names it."""
        kib = self.size_bytes / 1024
        tenants = "1 tenant" if self.tenants == 1 else f"{self.tenants:,} tenants"
        return f"{kib:g} KB, {tenants}, {self.unchanged_percent} % unchanged"


MARKS_CASE = Case()
"""The load that the marks are set for, unless they say another."""


@frozen
class Cell:
    """One line of a report: a contender on a load, and what else is particular about it."""

    case: Case
    contender: Contender
    workers: int = 1
    remark: str = ""

    @property
    def name(self) -> str:
        """The cell as a reader of a table names it."""
        workers = f"{self.workers} processes" if self.workers > 1 else ""
        return ", ".join(filter(None, [self.contender.value, workers, self.remark]))

    @property
    def plain(self) -> "Cell":
        """The same without its remark: it takes about as long."""
        return evolve(self, remark="")
