"""How measuring goes: everything in turn, round after round, each run about as long."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from snapshot_ingest.bench.case import Case

K = TypeVar("K")
F = TypeVar("F")

STREAM_BYTES_AT_MOST = 700_000_000
"""The stream holds 1 GiB; what is in it beside the texts is little."""

_MESSAGES_AT_LEAST = 50


class Watcher(Protocol):
    """Whoever is told how far it is."""

    def say(self, what: str) -> None:
        """Something is done that is no run."""
        ...

    def begun(self, name: str) -> None:
        """A run of this begins."""
        ...

    def ended(self, outcome: str) -> None:
        """It has ended, and this came of it."""
        ...


async def in_turn(
    turns: Mapping[K, Callable[[], Awaitable[F]]],
    rounds: int,
    watcher: Watcher,
    *,
    named: Callable[[K], str],
    said: Callable[[F], str],
) -> dict[K, Sequence[F]]:
    """Runs each once a round, one after the other, so that a slow hour is slow for all."""
    results: dict[K, list[F]] = {key: [] for key in turns}
    for _ in range(rounds):
        for key, run in turns.items():
            watcher.begun(named(key))
            result = await run()
            results[key].append(result)
            watcher.ended(said(result))
    return dict(results)


def messages_for(rate: float, seconds: float, size_bytes: int) -> int:
    """How many messages take about so long, as far as the stream can hold them."""
    at_most = most_messages(size_bytes)
    return max(min(round(rate * seconds), at_most), min(_MESSAGES_AT_LEAST, at_most))


def most_messages(size_bytes: int) -> int:
    """How many messages of this size the stream is given at once."""
    return STREAM_BYTES_AT_MOST // size_bytes


def fits(case: Case) -> bool:
    """Whether the stream can hold a message of each tenant."""
    return case.tenants <= most_messages(case.size_bytes)
