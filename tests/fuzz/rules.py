"""The rules that hold for every input, whatever it is; each broken one is told without content."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from attrs import field, frozen

from fuzz.judge import Judgement, Unsound, may_be_too_deep
from snapshot_domain.delivery import Ack, Discard, Settlement
from snapshot_domain.outcome import (
    AlreadyStored,
    DigestMismatched,
    Malformed,
    MalformedReason,
    Orphaned,
    Outcome,
    RejectedOutcome,
    Stored,
    TenantKeyMissing,
    Unchanged,
)
from snapshot_domain.policy import HashPolicy, IngestPolicy, OnRejected

_TOO_DEEP = Malformed(MalformedReason.TOO_DEEP)
_REJECTED = (Malformed, Orphaned, DigestMismatched, TenantKeyMissing)
_INGESTED = (Stored, Unchanged, AlreadyStored)


@frozen
class Handled:
    """What became of one input.

    `kept` is what the quarantine holds of it, opened, and `kept_detail` what it says of it;
    `row` is the text of the row that it made, opened. `owner` is the tenant of the device that
    it names, and `owner_has_key` whether that tenant has a key.
    """

    body: bytes = field(repr=False)
    judgement: Judgement
    policy: IngestPolicy
    outcomes: Sequence[Outcome]
    settlements: Sequence[Settlement]
    kept: bytes | None = field(repr=False)
    kept_detail: str | None
    row: bytes | None = field(repr=False)
    owner: UUID | None
    owner_has_key: bool

    @property
    def outcome(self) -> Outcome:
        """The one outcome, once it is known to be one."""
        return self.outcomes[0]


def name_of(outcome: Outcome) -> str:
    """The outcome's name, a malformed one's with its reason."""
    name = type(outcome).__name__
    return f"{name} ({outcome.reason})" if isinstance(outcome, Malformed) else name


def broken_rules(handled: Handled) -> list[str]:
    """The rules that are broken."""
    if len(handled.outcomes) != 1 or len(handled.settlements) != 1:
        return [
            f"it is decided once and settled once, not {len(handled.outcomes)} "
            f"and {len(handled.settlements)} times"
        ]
    return [rule for rule in (check(handled) for check in _RULES) if rule is not None]


def _settlement_fits(handled: Handled) -> str | None:
    outcome, settlement = handled.outcome, handled.settlements[0]
    if isinstance(outcome, _INGESTED):
        fits = isinstance(settlement, Ack)
    elif isinstance(outcome, _REJECTED):
        fits = isinstance(settlement, Discard)
    else:
        return f"no input alone makes it {outcome}"
    return None if fits else f"{name_of(outcome)} is not settled with {type(settlement).__name__}"


def _quarantine_fits(handled: Handled) -> str | None:
    outcome = handled.outcome
    waits = isinstance(outcome, TenantKeyMissing) or (
        isinstance(outcome, Orphaned) and handled.policy.orphan_grace > timedelta(0)
    )
    is_kept = handled.policy.on_rejected is OnRejected.QUARANTINE or waits
    is_due = isinstance(outcome, RejectedOutcome) and is_kept
    if (handled.kept is not None) is not is_due:
        return f"{name_of(outcome)} is {'' if is_due else 'not '}in the quarantine"
    if handled.kept is not None and handled.kept != handled.body:
        return "the quarantine holds the very bytes"
    if handled.kept is not None and isinstance(outcome, Malformed):
        return None if handled.kept_detail == outcome.reason else "the quarantine says the reason"
    return None


def _outcome_is_as_judged(handled: Handled) -> str | None:
    if handled.outcome == _TOO_DEEP and may_be_too_deep(handled.body):
        return None
    due = _due(handled)
    if name_of(handled.outcome) in due:
        return None
    return f"it is {' or '.join(due)}, not {name_of(handled.outcome)}"


def _due(handled: Handled) -> Sequence[str]:
    judgement = handled.judgement
    if isinstance(judgement, Unsound):
        return [name_of(Malformed(judgement.reason))]
    if handled.policy.hash_policy is HashPolicy.ENFORCE and not judgement.is_digest_of_text:
        return [DigestMismatched.__name__]
    if handled.owner != judgement.tenant_id:
        return [Orphaned.__name__]
    if not handled.owner_has_key:
        return [TenantKeyMissing.__name__]
    return [each.__name__ for each in _INGESTED]


def _row_holds_the_text(handled: Handled) -> str | None:
    if isinstance(handled.outcome, Stored) and not isinstance(handled.judgement, Unsound):
        return None if handled.row == handled.judgement.text else "its row holds its very text"
    return None


Rule: TypeAlias = Callable[[Handled], str | None]

_RULES: Sequence[Rule] = (
    _settlement_fits,
    _quarantine_fits,
    _outcome_is_as_judged,
    _row_holds_the_text,
)
