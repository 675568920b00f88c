"""DigestKeys in memory."""

from attrs import define

from snapshot_domain.model import WrappedDigestKey
from snapshot_memory.hash_repository import MemoryHashRepository


@define
class MemoryDigestKeys:
    """Beside the timelines of a MemoryHashRepository, which looks at it."""

    _repository: MemoryHashRepository

    async def kept(self) -> WrappedDigestKey | None:
        """See DigestKeys."""
        return self._repository.digest_key

    async def keep(self, key: WrappedDigestKey) -> WrappedDigestKey:
        """See DigestKeys."""
        self._repository.digest_key = self._repository.digest_key or key
        return self._repository.digest_key
