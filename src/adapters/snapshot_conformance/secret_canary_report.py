"""Searches places for a secret, proves that the search would find one there, and reports both."""

from collections.abc import Mapping, Sequence

from attrs import evolve, field, frozen

from snapshot_conformance.secret_canary import SecretCanary, as_bytes
from snapshot_conformance.secret_canary_forms import Writing
from snapshot_conformance.secret_canary_places import Place
from snapshot_conformance.secret_canary_unpacking import readings_of


@frozen
class Searched:
    """What one place came to: how much was read, and where the secret was found, in which forms."""

    place: str
    pieces: int
    size_bytes: int
    leaks: Mapping[str, frozenset[str]] = field(factory=dict)
    planted: int = 0
    missed: Sequence[str] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.leaks

    @property
    def is_proven(self) -> bool:
        """Whether every control was planted and found: else clean means nothing."""
        return self.planted > 0 and not self.missed

    def __str__(self) -> str:
        found = f"{self.planted - len(self.missed)}/{self.planted}"
        verdict = "clean" if self.is_clean else f"LEAKS: {_leaks(self.leaks)}"
        missed = f"; CONTROLS MISSED: {', '.join(self.missed)}" if self.missed else ""
        read = f"{self.pieces:,} | {self.size_bytes:,}"
        return f"| {self.place} | {read} | {found} | {verdict}{missed} |"


@frozen
class CanaryReport:
    """All places: a table in Markdown by `str`."""

    places: Sequence[Searched]

    @property
    def is_proof(self) -> bool:
        """Whether every place is clean, and would not have been called so otherwise."""
        return bool(self.places) and all(one.is_clean and one.is_proven for one in self.places)

    def __str__(self) -> str:
        head = "| place | pieces | bytes | controls found/planted | |\n|---|---|---|---|---|"
        return "\n".join([head, *map(str, self.places)])


async def reported(canary: SecretCanary, places: Sequence[Place]) -> CanaryReport:
    """Searches every place for the canary; then plants the controls in each, and looks for these.

    What is planted stays where it is, so this comes last.
    """
    searched = [await searched_for(canary, place) for place in places]
    return CanaryReport(
        [await _with_controls(one, place) for one, place in zip(searched, places, strict=True)]
    )


async def searched_for(canary: SecretCanary, place: Place) -> Searched:
    """What the place holds of the canary, without controls."""
    pieces = size_bytes = 0
    leaks: dict[str, frozenset[str]] = {}
    for where, content in await place.contents():
        pieces += 1
        size_bytes += len(content)
        if forms := canary.forms_in(content):
            leaks[where] = leaks.get(where, frozenset()) | forms
    return Searched(place.name, pieces, size_bytes, leaks)


async def _with_controls(searched: Searched, place: Place) -> Searched:
    """Plants a secret of its own for each way of writing one, and looks for each by its form."""
    controls = [(writing, SecretCanary()) for writing in place.writings]
    for writing, control in controls:
        await place.plant(writing.write(control.text))
    missing = dict(controls)
    for _, content in await place.contents():
        for reading in readings_of(as_bytes(content)):
            for writing in _found_in(reading, missing):
                del missing[writing]
        if not missing:
            break
    missed = [writing.name for writing in missing]
    return evolve(searched, planted=len(controls), missed=missed)


def _found_in(reading: bytes, missing: Mapping[Writing, SecretCanary]) -> Sequence[Writing]:
    return [
        writing
        for writing, control in missing.items()
        if control.is_in_reading_as(writing.found_as, reading)
    ]


def _leaks(leaks: Mapping[str, frozenset[str]]) -> str:
    return "; ".join(f"{where} as {', '.join(sorted(forms))}" for where, forms in leaks.items())
