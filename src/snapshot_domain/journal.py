"""What the log says of a batch: our own words, ids and counts, never content."""

import logging
from collections import Counter

from snapshot_domain.batch import Batch
from snapshot_domain.model import TenantId
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
    StoreOutcome,
    TenantKeyMissing,
    Unchanged,
    Unforeseen,
)

logger = logging.getLogger("snapshot_domain")

_TENANTS_REMEMBERED_AT_MOST = 10_000


class Journal:
    """Writes a line for each rejected message, and one a batch for what went well, and for retries.

    At ten thousand messages a second a line for each that was stored would cost as much as
    decoding it, and nobody would read it: those are for DEBUG.
    """

    def __init__(self) -> None:
        self._tenants_without_key: set[TenantId] = set()

    def write(self, batch: Batch) -> None:
        """Logs what became of the batch's messages."""
        retried: Counter[Outcome] = Counter()
        settled: Counter[str] = Counter()
        for index, outcome in enumerate(batch.outcomes):
            match outcome:
                case Stored() | Unchanged() | AlreadyStored():
                    settled[_words(outcome)] += 1
                case Malformed() | Orphaned() | DigestMismatched() | ItemRefused():
                    self._write_rejected(batch, index, outcome)
                case TenantKeyMissing():
                    self._write_key_missing(batch, index)
                case _:
                    retried[outcome] += 1
        if settled:
            self._write_settled(batch, settled)
        for outcome, messages in retried.items():
            self._write_retried(outcome, messages)

    def _write_settled(self, batch: Batch, settled: Counter[str]) -> None:
        any_stored = any(isinstance(outcome, Stored) for outcome in batch.outcomes)
        counts = ", ".join(f"{count} {words}" for words, count in settled.items())
        logger.log(logging.INFO if any_stored else logging.DEBUG, "%s", counts)
        if not logger.isEnabledFor(logging.DEBUG):
            return
        for index, outcome in enumerate(batch.outcomes):
            if isinstance(outcome, StoreOutcome):
                key = batch.candidates[index].key
                logger.debug(
                    "%s: device %s, sequence %d", _words(outcome), key.device_id, key.sequence
                )

    def _write_rejected(self, batch: Batch, index: int, outcome: Outcome) -> None:
        candidate = batch.candidates.get(index)
        logger.warning(
            "%s: device %s, sequence %d",
            _words(outcome),
            candidate.key.device_id if candidate else "unknown",
            batch.deliveries[index].origin.sequence,
        )

    def _write_key_missing(self, batch: Batch, index: int) -> None:
        candidate = batch.candidates.get(index)
        if candidate is None or candidate.key.tenant_id in self._tenants_without_key:
            return
        tenant_id = candidate.key.tenant_id
        if len(self._tenants_without_key) < _TENANTS_REMEMBERED_AT_MOST:
            self._tenants_without_key.add(tenant_id)
        logger.error(
            "no key for tenant %s: its messages wait in the quarantine; create its key or "
            "check the rights of the ingest role on it",
            tenant_id,
        )

    def _write_retried(self, outcome: Outcome, messages: int) -> None:
        match outcome:
            case DependencyMisconfigured() | Unforeseen():
                logger.error("%s: %d messages will come again", _words(outcome), messages)
            case GivenBack():
                logger.info("%s: %d messages", _words(outcome), messages)
            case _:
                logger.warning("%s: %d messages will come again", _words(outcome), messages)


def _words(outcome: Outcome) -> str:
    match outcome:
        case Stored(next_id=None):
            return "stored"
        case Stored():
            return "stored late"
        case Malformed(reason):
            return f"malformed ({reason})"
        case ItemRefused(by):
            return f"refused by the {by}"
        case DependencyUnavailable(dependency):
            return f"{dependency} unavailable"
        case DependencyBusy(dependency):
            return f"{dependency} busy"
        case DependencyMisconfigured(_, what):
            return f"misconfigured: {what}"
        case Unforeseen(error_class):
            return f"unforeseen {error_class}"
        case _:
            return _PLAIN_WORDS[type(outcome)]


_PLAIN_WORDS: dict[type[Outcome], str] = {
    Unchanged: "unchanged",
    AlreadyStored: "already stored",
    Orphaned: "orphan: the device is unknown or not that tenant's",
    DigestMismatched: "the digest is not that of the text",
    TenantKeyMissing: "no key for the tenant",
    GivenBack: "given back",
}
