"""What a run of chaos came to: its figures, whether they suffice, and the table of them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from attrs import frozen

from chaos.striker import FaultRecord
from chaos.verdict import Verdict

_NAMED_AT_MOST = 20


@frozen
class Marks:
    """What a run must reach to prove anything."""

    messages: int
    faults: int
    kinds: int = 1


@frozen
class Report:
    """The verdict on the messages, the faults, and what else was seen.

    `unsettled` is what the stream still had for the workers in the end, None where no consumer
    was left to say so; `exit_codes` how they ended after an orderly stop, `repeats` how many
    publishes the stream knew already.
    """

    verdict: Verdict
    faults: Sequence[FaultRecord]
    plaintext: Sequence[Path]
    unsettled: int | None
    drained_seconds: float
    exit_codes: Sequence[int]
    repeats: int
    seconds: float

    def failures(self, marks: Marks) -> Iterator[str]:
        """In words, all that is not as it must be; never content."""
        verdict = self.verdict
        counted = self._counted()
        if verdict.published < marks.messages:
            yield f"only {verdict.published} messages were published, not {marks.messages}"
        if len(counted) < marks.faults:
            yield f"only {len(counted)} faults counted, not {marks.faults}"
        if len({each.strike.kind for each in counted}) < marks.kinds:
            yield f"fewer than {marks.kinds} kinds of faults counted"
        yield from _named("lost", verdict.lost)
        yield from _named("duplicated", verdict.duplicated)
        yield from _named("stored or kept but never published", verdict.unexplained)
        yield from _named("out of place", verdict.misplaced)
        yield from _named("plaintext in", [str(path) for path in self.plaintext])
        if self.unsettled is None:
            yield "there is no consumer in the end"
        if self.unsettled:
            yield f"{self.unsettled} messages were never settled"
        if any(self.exit_codes):
            yield f"workers ended with {list(self.exit_codes)} after an orderly stop, not with 0"
        for each in self.faults:
            if each.recovery_seconds is None:
                yield f"a worker settled nothing after: {each.strike.name}"

    def lines(self) -> Iterator[str]:
        """The table."""
        verdict = self.verdict
        yield from (
            f"{name:<44}{value:>10,}"
            for name, value in (
                ("published (acknowledged by the stream)", verdict.published),
                ("stored", verdict.stored),
                ("unchanged", verdict.unchanged),
                ("quarantined", verdict.quarantined),
                ("lost", len(verdict.lost)),
                ("duplicated", len(verdict.duplicated)),
                ("stored or kept but never published", len(verdict.unexplained)),
                ("out of place in a timeline", len(verdict.misplaced)),
                ("plaintext found, files", len(self.plaintext)),
                ("published again, known to the stream", self.repeats),
            )
        )
        yield ""
        yield f"{'':<44}{'':>8}{'recovery, s':>18}{'silence, s':>18}"
        yield f"{'fault':<44}{'count':>8}{'median':>9}{'worst':>9}{'median':>9}{'worst':>9}"
        for name, faults in sorted(self._by_name().items()):
            yield _fault_line(name, faults)
        yield _fault_line("all", self._counted())
        yield ""
        yield f"{self.seconds:.0f} s in all, {self.drained_seconds:.0f} s of them until everything"
        yield "was settled that had been published"

    def _counted(self) -> list[FaultRecord]:
        return [each for each in self.faults if each.counts]

    def _by_name(self) -> dict[str, list[FaultRecord]]:
        found: dict[str, list[FaultRecord]] = defaultdict(list)
        for each in self._counted():
            found[each.strike.name].append(each)
        return found


def _fault_line(name: str, faults: Sequence[FaultRecord]) -> str:
    recoveries = [each.recovery_seconds or 0.0 for each in faults]
    silences = [each.silence_seconds for each in faults]
    figures = [(f(of) if of else 0.0) for of in (recoveries, silences) for f in (median, max)]
    return f"{name:<44}{len(faults):>8}" + "".join(f"{figure:>9.1f}" for figure in figures)


def _named(what: str, names: Sequence[str]) -> Iterator[str]:
    for name in names[:_NAMED_AT_MOST]:
        yield f"{what}: {name}"
    if len(names) > _NAMED_AT_MOST:
        yield f"{what}: {len(names) - _NAMED_AT_MOST} more"
