"""What a listener is told of a snapshot that was stored."""

from attrs import evolve

from snapshot_domain.model import EncryptedSnapshot
from snapshot_domain.outcome import Stored
from snapshot_domain.ports import SnapshotNotice


def notice_of(snapshot: EncryptedSnapshot, stored: Stored) -> SnapshotNotice:
    """The notice of this snapshot, which was stored so."""
    keying, ciphertext = snapshot.key.keying, snapshot.ciphertext
    return SnapshotNotice(
        # A plain digest is nobody's business where digests are keyed.
        key=evolve(snapshot.key, keying=None),
        snapshot_id=stored.snapshot_id,
        previous_id=stored.previous_id,
        next_id=stored.next_id,
        position=stored.position,
        plaintext_bytes=snapshot.plaintext_bytes,
        stored_bytes=len(ciphertext.text) if ciphertext is not None else 0,
        format=ciphertext.format if ciphertext is not None else "",
        digest_key_id=keying.key_id if keying is not None else None,
    )
