"""DigestKeys: where the one key of keyed digests is kept, encrypted."""

from typing import Protocol

from snapshot_domain.model import WrappedDigestKey


class DigestKeys(Protocol):
    """Keeps at most one key, for ever. Every method raises `Unavailable` or `Misconfigured`."""

    async def kept(self) -> WrappedDigestKey | None:
        """The key; None if there is none yet."""
        ...

    async def keep(self, key: WrappedDigestKey) -> WrappedDigestKey:
        """Keeps the key unless there is one already, and returns the one that is kept now.

        From then on nothing is stored whose digest is plain. Raises `Misconfigured` where there
        is none and digests are keyed: theirs is gone.
        """
        ...
