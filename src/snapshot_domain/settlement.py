"""How each outcome is settled with the source."""

from datetime import timedelta
from typing import assert_never

from snapshot_domain.backoff import Backoff
from snapshot_domain.delivery import Ack, Discard, Retry, Settlement
from snapshot_domain.errors import (
    Contended,
    DependencyError,
    KeyMissing,
    Misconfigured,
    RateLimited,
    Refused,
    Unavailable,
)
from snapshot_domain.outcome import (
    AlreadyStored,
    DependencyBusy,
    DependencyMisconfigured,
    DependencyUnavailable,
    DigestMismatched,
    GivenBack,
    ItemRefused,
    Malformed,
    Orphaned,
    Outcome,
    Stored,
    TenantKeyMissing,
    Unchanged,
    Unforeseen,
)


def settlement_for(outcome: Outcome, attempt: int, backoff: Backoff) -> Settlement:
    """The settlement that the design's table gives to the outcome.

    A rejected message must be in the quarantine before its settlement is asked for here.
    """
    match outcome:
        case Stored() | Unchanged() | AlreadyStored():
            return Ack()
        case Malformed() | Orphaned() | DigestMismatched() | ItemRefused() | TenantKeyMissing():
            return Discard()
        case DependencyUnavailable() | Unforeseen():
            return Retry(backoff.delay(attempt))
        case DependencyBusy(_, retry_after):
            return Retry(max(backoff.delay(attempt), retry_after or timedelta(0)))
        case DependencyMisconfigured():
            return Retry(backoff.most)
        case GivenBack():
            return Retry(timedelta(0))
        case _:
            assert_never(outcome)


def outcome_of(fault: DependencyError) -> Outcome:
    """What becomes of a message that met this fault."""
    match fault:
        case RateLimited():
            return DependencyBusy(fault.dependency, fault.retry_after)
        case Contended():
            return DependencyBusy(fault.dependency)
        case Unavailable():
            return DependencyUnavailable(fault.dependency)
        case Misconfigured():
            return DependencyMisconfigured(fault.dependency, str(fault))
        case Refused():
            return ItemRefused(fault.dependency)
        case KeyMissing():
            return TenantKeyMissing()
        case _:
            return Unforeseen(type(fault).__name__)
