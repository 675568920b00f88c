"""Runs many seeds, says what they came to, and how to see one of them again."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable

from attrs import define, field

from simulation.verdict import Verdict, simulate
from simulation.witness import Sighting

LEAST_SHARE = 0.05
"""Below this share of the seeds, a sighting is too rare for the run to prove anything of it."""


@define
class Tally:
    """What a number of seeds came to together."""

    seeds: int = 0
    sightings: Counter[Sighting] = field(factory=Counter)
    failed: list[Verdict] = field(factory=list)

    def add(self, verdict: Verdict) -> None:
        """Counts one seed in."""
        self.seeds += 1
        self.sightings.update(verdict.sightings)
        if verdict.violations:
            self.failed.append(verdict)

    def rare(self) -> list[Sighting]:
        """What was not seen often enough."""
        return [each for each in Sighting if self.sightings[each] < LEAST_SHARE * self.seeds]

    def lines(self) -> Iterable[str]:
        """The share of seeds of each sighting, and how to replay what failed."""
        for sighting in Sighting:
            yield f"{self.sightings[sighting] / self.seeds:7.1%}  {sighting}"
        for sighting in self.rare():
            yield f"too rare, less than {LEAST_SHARE:.0%}: {sighting}"
        for verdict in self.failed:
            yield f"seed {verdict.seed} failed; see it again with --replay {verdict.seed}"
            yield from (f"    broken: {rule}" for rule in dict.fromkeys(verdict.violations))


def tally(seeds: Iterable[int]) -> Tally:
    """Runs the seeds."""
    result = Tally()
    for seed in seeds:
        result.add(simulate(seed))
    return result


def main() -> int:
    """The exit status: 0 if every rule held in every seed, and nothing was too rare."""
    arguments = _arguments()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.replay is not None:
        return _replay(arguments.replay)
    if arguments.digests:
        _say(f"{seed} {simulate(seed).digest}" for seed in seeds)
        return 0
    began = time.monotonic()
    result = tally(seeds)
    _say(result.lines())
    _say([f"{result.seeds} seeds, {len(result.failed)} failed, {time.monotonic() - began:.0f} s"])
    return 1 if result.failed or result.rare() else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--replay", type=int, help="run this seed alone, and show every step")
    parser.add_argument("--digests", action="store_true", help="show the digest of each trace")
    return parser.parse_args()


def _replay(seed: int) -> int:
    verdict = simulate(seed)
    _say(verdict.trace)
    _say(f"broken: {rule}" for rule in dict.fromkeys(verdict.violations))
    _say([f"seed {seed}, trace {verdict.digest}"])
    return 1 if verdict.violations else 0


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
