"""One pull request: what it asks the consumer for, and what the answers that end it mean."""

import json
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum, auto

from attrs import frozen
from nats.js.api import Header

_NANOSECONDS_PER_MICROSECOND = 1_000
_AT_ONCE_AT_MOST = timedelta(seconds=0.25)


@frozen
class Pull:
    """Asks for up to `batch` messages of together `max_bytes`, subject and reply included.

    Without `wait` the consumer gives what it has and says when it has no more; with it, it
    waits that long for the first. `max_bytes` None means unbounded.

    A consumer that has as much unsettled as it may says nothing: so also a pull without `wait`
    expires, a moment later. Else it would stay there, and take what is delivered again.
    """

    batch: int
    max_bytes: int | None = None
    wait: timedelta | None = None

    def encode(self) -> bytes:
        """The request's body."""
        request: dict[str, object] = {"batch": self.batch}
        if self.max_bytes is not None:
            request["max_bytes"] = self.max_bytes
        if self.wait is None:
            request["no_wait"] = True
        request["expires"] = nanoseconds(self.expires)
        return json.dumps(request).encode()

    @property
    def expires(self) -> timedelta:
        """After how long it has ended, whatever has come."""
        return _AT_ONCE_AT_MOST if self.wait is None else self.wait


class End(Enum):
    """How a pull ended."""

    COMPLETE = auto()
    """Everything that was asked for has come, or as much as fits."""
    NOTHING_MORE = auto()
    """The consumer has no more for now."""
    TOO_LARGE = auto()
    """The next message is larger than `max_bytes`; it will not come under that bound."""
    LOOK_AGAIN = auto()
    """The consumer was deleted, moved or is of another kind: ask what it is now."""
    NOBODY = auto()
    """Nobody serves the consumer: it does not exist, or is electing a leader."""
    OVER_LIMIT = auto()
    """The consumer's own limits forbid such a pull: an operator must act."""
    BUSY = auto()
    """Too many pulls are waiting at the consumer already."""
    NO_ANSWER = auto()
    """No answer came in time."""
    LOST = auto()
    """The connection was lost meanwhile."""
    UNKNOWN = auto()
    """An answer that this table does not know."""


_ENDS: tuple[tuple[str, str, End], ...] = (
    ("404", "", End.NOTHING_MORE),
    ("408", "", End.NOTHING_MORE),
    ("409", "batch completed", End.COMPLETE),
    ("409", "message size exceeds maxbytes", End.TOO_LARGE),
    ("409", "consumer deleted", End.LOOK_AGAIN),
    ("409", "consumer is push based", End.LOOK_AGAIN),
    ("409", "leadership change", End.LOOK_AGAIN),
    ("409", "server shutdown", End.LOOK_AGAIN),
    ("409", "exceeded maxwaiting", End.BUSY),
    ("409", "exceeded maxrequest", End.OVER_LIMIT),
    ("503", "", End.NOBODY),
)
"""Status, how its description begins (in lower case), and what it means; the first that fits."""

_HEARTBEAT = "100"


def end_of(headers: Mapping[str, str] | None) -> End | None:
    """What an answer of the server means for the pull; None if the pull goes on."""
    if headers is None:
        return End.UNKNOWN
    status = headers.get("Status", "")
    if status == _HEARTBEAT:
        return None
    # nats-py keeps the description under the enum member, whose hash is not its value's.
    description = headers.get(Header.DESCRIPTION, "").lower()
    for code, beginning, end in _ENDS:
        if status == code and description.startswith(beginning):
            return end
    return End.UNKNOWN


def nanoseconds(duration: timedelta) -> int:
    """The duration as JetStream writes it."""
    return duration // timedelta(microseconds=1) * _NANOSECONDS_PER_MICROSECOND
