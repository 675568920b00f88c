"""What can go wrong, by kind: one root, one class for each kind of fault.

An adapter turns its driver's errors into these in one place, and raises them after its
`except` block has ended: a driver's error holds request bodies, rows or tokens, and would
travel along as `__context__`.
"""

from datetime import timedelta
from enum import StrEnum

_RETRY_AFTER_AT_MOST = timedelta(minutes=1)


class Dependency(StrEnum):
    """What the domain depends on and what can fail it."""

    SOURCE = "source"
    DIRECTORY = "directory"
    REPOSITORY = "repository"
    CIPHER = "cipher"
    QUARANTINE = "quarantine"


class SnapshotIngestError(Exception):
    """The root of all our errors. Says what happened, what was expected and what to do next.

    The text never holds content, so it may be logged and shown.
    """

    def __init__(self, what: str, *, expected: str = "", next_step: str = "") -> None:
        self.what = what
        self.expected = expected
        self.next_step = next_step
        parts = [what, f"expected {expected}" if expected else "", next_step]
        super().__init__("; ".join(part for part in parts if part))


class DependencyError(SnapshotIngestError):
    """A fault of something the domain depends on."""

    def __init__(
        self, dependency: Dependency, what: str, *, expected: str = "", next_step: str = ""
    ) -> None:
        self.dependency = dependency
        super().__init__(f"{dependency}: {what}", expected=expected, next_step=next_step)


class Unavailable(DependencyError):
    """It does not answer, or not now: wait and try again."""


class Contended(DependencyError):
    """Others were in the way, several times in a row; it does its work, and soon this one too."""


class RateLimited(Unavailable):
    """It answers and wants to be asked less. `retry_after` is what it said, None if nothing.

    Its word counts for a minute at most: a message must not wait until its stream forgets it.
    """

    def __init__(
        self,
        dependency: Dependency,
        what: str,
        *,
        retry_after: timedelta | None = None,
        expected: str = "",
        next_step: str = "",
    ) -> None:
        self.retry_after = retry_after and min(retry_after, _RETRY_AFTER_AT_MOST)
        super().__init__(dependency, what, expected=expected, next_step=next_step)


class Misconfigured(DependencyError):
    """It answers, but will not do its work until an operator acts."""


class Refused(DependencyError):
    """It refuses this one item, now and always."""


class KeyMissing(DependencyError):
    """One tenant's key is not there; other tenants are not concerned."""
