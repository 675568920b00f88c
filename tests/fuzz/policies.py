"""The policies under which inputs are ingested, in turn: each allows other outcomes."""

from collections.abc import Sequence

from snapshot_domain.policy import HashPolicy, IngestPolicy, OnRejected

POLICIES: Sequence[IngestPolicy] = tuple(
    IngestPolicy(hash_policy=hash_policy, on_rejected=on_rejected)
    for hash_policy in HashPolicy
    for on_rejected in OnRejected
)


def policy_of(batch: int) -> IngestPolicy:
    """The policy of that batch."""
    return POLICIES[batch % len(POLICIES)]
