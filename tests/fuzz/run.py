"""Runs many inputs in batches, and finds the one input behind a broken rule."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence

from attrs import define, field, frozen

from fuzz.inputs import input_of
from fuzz.inspection import Inspected, inspected
from fuzz.policies import policy_of

BATCH = 256
"""Inputs in one stream. Batches begin at its multiples, so that a replay is the same stream."""

_FAILURES_KEPT_AT_MOST = 20


@frozen
class Failure:
    """A broken rule, by the seed and the indexes of the inputs: one, if one alone breaks it."""

    seed: int
    indexes: range
    rule: str

    @property
    def bodies(self) -> list[bytes]:
        """The inputs once more."""
        return [input_of(self.seed, index) for index in self.indexes]


@define
class Report:
    """What a number of inputs came to."""

    inputs: int = 0
    counts: Counter[str] = field(factory=Counter)
    failures: list[Failure] = field(factory=list)

    def add(self, other: "Report") -> None:
        """Counts another one in; of failures only the first few are kept."""
        self.inputs += other.inputs
        self.counts.update(other.counts)
        room = _FAILURES_KEPT_AT_MOST - len(self.failures)
        self.failures.extend(other.failures[:room])


def report_on(seed: int, indexes: range) -> Report:
    """Runs the batches that the indexes are in, from the first one's beginning."""
    report = Report()
    for first in range(indexes.start - indexes.start % BATCH, indexes.stop, BATCH):
        report.add(_report_on_batch(seed, range(first, min(first + BATCH, indexes.stop))))
    return report


def inspect_batch(seed: int, indexes: range) -> Inspected:
    """One batch, or a part of it, as a stream of its own."""
    policy = policy_of(indexes.start // BATCH)
    return asyncio.run(inspected([input_of(seed, index) for index in indexes], policy))


def _report_on_batch(seed: int, indexes: range) -> Report:
    result = inspect_batch(seed, indexes)
    of_all = [violation.rule for violation in result.violations if violation.place is None]
    failures = list(_narrowed(seed, indexes, of_all)) if of_all else []
    failures += [
        Failure(seed, indexes[violation.place : violation.place + 1], violation.rule)
        for violation in result.violations
        if violation.place is not None
    ]
    return Report(len(indexes), result.counts, failures)


def _narrowed(seed: int, indexes: range, rules: Sequence[str]) -> Iterator[Failure]:
    """For each rule the first input that breaks it when it is alone; else the whole batch."""
    found: dict[str, range] = {}
    for index in indexes:
        for violation in inspect_batch(seed, range(index, index + 1)).violations:
            found.setdefault(violation.rule, range(index, index + 1))
        if all(rule in found for rule in rules):
            break
    for rule in rules:
        yield Failure(seed, found.get(rule, indexes), rule)
