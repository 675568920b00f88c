"""The values that labels may have: closed sets, and which of them an outcome counts under."""

from collections.abc import Mapping
from enum import StrEnum

from snapshot_domain.errors import Dependency
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


class ErrorType(StrEnum):
    """The values of `error_type`: the former subscriber's four, then ours."""

    MALFORMED = "malformed"
    ENCRYPT_UNAVAILABLE = "encrypt_unavailable"
    ORPHAN_DEVICE = "orphan_device"
    DB_ERROR = "db_error"
    HASH_MISMATCH = "hash_mismatch"
    CIPHER_REFUSED = "cipher_refused"
    REPOSITORY_REFUSED = "repository_refused"
    KEY_MISSING = "key_missing"
    MISCONFIGURED = "misconfigured"
    UNFORESEEN = "unforeseen"


class GraceEnd(StrEnum):
    """The values of `end`: what became of an orphan whose device did not appear in time."""

    KEPT = "kept"
    DISCARDED = "discarded"


OUTCOMES: Mapping[type[Outcome], str] = {
    Stored: "stored",
    Unchanged: "unchanged",
    AlreadyStored: "already_stored",
    Malformed: "malformed",
    Orphaned: "orphan",
    DigestMismatched: "digest_mismatch",
    ItemRefused: "refused",
    TenantKeyMissing: "key_missing",
    DependencyUnavailable: "unavailable",
    DependencyBusy: "busy",
    DependencyMisconfigured: "misconfigured",
    Unforeseen: "unforeseen",
    GivenBack: "given_back",
}
"""The value of `outcome` for each class of the closed set."""

_ERROR_TYPES: Mapping[type[Outcome], ErrorType | None] = {
    Stored: None,
    Unchanged: None,
    AlreadyStored: None,
    GivenBack: None,
    Malformed: ErrorType.MALFORMED,
    Orphaned: ErrorType.ORPHAN_DEVICE,
    DigestMismatched: ErrorType.HASH_MISMATCH,
    ItemRefused: ErrorType.REPOSITORY_REFUSED,
    TenantKeyMissing: ErrorType.KEY_MISSING,
    # Repository, directory and quarantine: all three are the database. A delivered message
    # does not depend on its source any more.
    DependencyUnavailable: ErrorType.DB_ERROR,
    DependencyBusy: ErrorType.DB_ERROR,
    DependencyMisconfigured: ErrorType.MISCONFIGURED,
    Unforeseen: ErrorType.UNFORESEEN,
}

ATTEMPTS = ("1", "2", "3", "more")
"""The values of `attempt`: bounded, because a message may be delivered without end."""


def attempt_label(attempt: int) -> str:
    """The value of `attempt` for a delivery."""
    label = str(attempt)
    return label if label in ATTEMPTS else "more"


def error_type_of(outcome: Outcome) -> ErrorType | None:
    """Which error the outcome is; None if it is none."""
    match outcome:
        case ItemRefused(by=Dependency.CIPHER):
            return ErrorType.CIPHER_REFUSED
        case (
            DependencyUnavailable(dependency=Dependency.CIPHER)
            | DependencyBusy(dependency=Dependency.CIPHER)
        ):
            return ErrorType.ENCRYPT_UNAVAILABLE
        case _:
            return _ERROR_TYPES[type(outcome)]
