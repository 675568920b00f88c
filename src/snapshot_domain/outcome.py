"""What can become of one message: a closed set, one class a row of the table in the design."""

from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from attrs import field, frozen

from snapshot_domain.errors import Dependency
from snapshot_domain.model import BEFORE_ALL, SnapshotId, StoredPosition


class MalformedReason(StrEnum):
    """Why a message is no snapshot. The set is closed, so that a reason never holds content."""

    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    NOT_AN_OBJECT = "not_an_object"
    FIELD_MISSING = "field_missing"
    FIELD_TYPE = "field_type"
    DEVICE_ID = "device_id"
    TENANT_ID = "tenant_id"
    DIGEST = "digest"
    TEXT_EMPTY = "text_empty"
    TEXT_NOT_UNICODE = "text_not_unicode"


@frozen
class Stored:
    """A new run was stored: the device's first, a change, or a late arrival.

    `previous_id` and `next_id` are the runs beside it in the timeline, None at its ends; a
    `next_id` means that the snapshot arrived late. `position` is the
    transaction that stored it.
    """

    snapshot_id: SnapshotId
    previous_id: SnapshotId | None = None
    next_id: SnapshotId | None = None
    position: StoredPosition = field(default=BEFORE_ALL, eq=False)


@frozen
class Unchanged:
    """The run at its time already has its text: only `last_seen` moved."""


@frozen
class AlreadyStored:
    """A redelivery of a message that was stored before."""


@frozen
class Malformed:
    """It is no snapshot."""

    reason: MalformedReason


@frozen
class Orphaned:
    """Its device is unknown, or not that tenant's."""


@frozen
class DigestMismatched:
    """Its digest is not that of its text, and the hash policy is to enforce."""


@frozen
class ItemRefused:
    """The cipher or the repository refuses it, now and always."""

    by: Dependency


@frozen
class TenantKeyMissing:
    """Its tenant has no usable key: it waits in the quarantine."""


@frozen
class DependencyUnavailable:
    """Something it needs does not answer: it is delivered again later."""

    dependency: Dependency


@frozen
class DependencyBusy:
    """Something it needs wants to be asked less, or others were in the way: it comes again soon.

    `retry_after` is there if the dependency asked for a pause.
    """

    dependency: Dependency
    retry_after: timedelta | None = None


@frozen
class DependencyMisconfigured:
    """Something it needs will not work until an operator acts: it is delivered again later."""

    dependency: Dependency
    what: str


@frozen
class Unforeseen:
    """A fault that nobody thought of, by the class of its error alone."""

    error_class: str


@frozen
class GivenBack:
    """The worker stopped before it was decided: somebody else takes it at once."""


StoreOutcome: TypeAlias = Stored | Unchanged | AlreadyStored
RejectedOutcome: TypeAlias = (
    Malformed | Orphaned | DigestMismatched | ItemRefused | TenantKeyMissing
)
RetriedOutcome: TypeAlias = (
    DependencyUnavailable | DependencyBusy | DependencyMisconfigured | Unforeseen | GivenBack
)
Outcome: TypeAlias = StoreOutcome | RejectedOutcome | RetriedOutcome
