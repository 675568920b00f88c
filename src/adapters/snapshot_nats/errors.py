"""nats-py's errors as the domain's, by kind; the only place that looks at them.

A nats-py error can hold a whole message, so nothing of it is kept but its class and the
number of JetStream's error.
"""

from collections.abc import Awaitable
from typing import TypeVar

from nats import errors
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from snapshot_domain.errors import Dependency, DependencyError, Misconfigured, Refused, Unavailable
from snapshot_nats.denials import SubjectDenied

T = TypeVar("T")

NATS_FAULTS = (errors.Error, OSError, ValueError)
"""What nats-py raises: its own, the socket's (timeouts among them), and unreadable answers."""

PROVISION = "run `snapshot-ingest provision`"

STREAM_NOT_FOUND = 10059
_CONSUMER_NOT_FOUND = 10014
_CONSUMER_IS_ANOTHER = (10012, 10148)
_JETSTREAM_NOT_ENABLED = (10039, 10076)


def fault_of(error: Exception, doing: str) -> DependencyError:
    """The domain's error for what nats-py, or our client, raised while `doing` something."""
    name = type(error).__name__
    if isinstance(error, SubjectDenied):
        return forbidden(error.subject)
    if isinstance(error, NotFoundError):
        return _not_found(error, doing)
    if isinstance(error, ServiceUnavailableError):
        return _service_unavailable(error, doing)
    if isinstance(error, APIError):
        return Misconfigured(
            Dependency.SOURCE,
            f"JetStream refused {doing} (error {error.err_code or error.code})",
            next_step="look the number up in the NATS server's log or documentation",
        )
    if isinstance(error, errors.MaxPayloadError):
        return Refused(
            Dependency.SOURCE,
            "the message is larger than the NATS server's max_payload",
            next_step="raise max_payload on the server",
        )
    if isinstance(error, errors.BadSubjectError):
        return Refused(Dependency.SOURCE, f"NATS does not take the subject while {doing}")
    if isinstance(error, TimeoutError):
        return unanswered(doing)
    return Unavailable(
        Dependency.SOURCE,
        f"no success while {doing} ({name})",
        next_step="see whether the NATS server is up and reachable",
    )


def unanswered(doing: str) -> Unavailable:
    """The domain's error for a request that got no answer in time."""
    return Unavailable(
        Dependency.SOURCE,
        f"no answer in time while {doing}",
        next_step="see whether the NATS server is up and reachable",
    )


def forbidden(subject: str) -> Misconfigured:
    """The domain's error for a subject that the server denies us."""
    return Misconfigured(
        Dependency.SOURCE,
        f"the NATS server denies this user {subject} (in lower case)",
        expected="permission to use it",
        next_step="give the user the permissions that the documentation lists",
    )


def made_again() -> Unavailable:
    """The domain's error for a stream that was made again while we worked with the former one."""
    return Unavailable(
        Dependency.SOURCE,
        "the stream was made again while we looked",
        next_step="it is looked at again by itself",
    )


def is_another_consumer(error: Exception) -> bool:
    """Whether a consumer was not made because one of that name is there and differs."""
    return isinstance(error, APIError) and error.err_code in _CONSUMER_IS_ANOTHER


async def ask(awaitable: Awaitable[T], doing: str) -> T:
    """What the awaitable returns; raises the domain's error for what nats-py raises."""
    try:
        return await awaitable
    except NATS_FAULTS as error:
        fault = fault_of(error, doing)
    raise fault


def _not_found(error: NotFoundError, doing: str) -> DependencyError:
    if error.err_code == STREAM_NOT_FOUND:
        return Misconfigured(Dependency.SOURCE, "the stream does not exist", next_step=PROVISION)
    if error.err_code == _CONSUMER_NOT_FOUND:
        return Misconfigured(Dependency.SOURCE, "the consumer does not exist", next_step=PROVISION)
    return Misconfigured(
        Dependency.SOURCE, f"JetStream has nothing there (error {error.err_code}) while {doing}"
    )


def _service_unavailable(error: ServiceUnavailableError, doing: str) -> DependencyError:
    if error.err_code in _JETSTREAM_NOT_ENABLED:
        return Misconfigured(
            Dependency.SOURCE,
            "JetStream is not enabled",
            next_step="enable it on the NATS server and for this account",
        )
    return Unavailable(
        Dependency.SOURCE,
        f"JetStream does not answer while {doing}",
        next_step="it may be electing a leader; if it lasts, see whether JetStream is enabled",
    )
