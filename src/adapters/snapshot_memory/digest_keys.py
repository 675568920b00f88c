"""DigestKeys in memory."""

from itertools import chain

from attrs import define

from snapshot_domain.digests import key_gone
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
        repository = self._repository
        runs = chain.from_iterable(repository.timelines.values())
        if repository.digest_key is None and any(run.digest_key_id for run in runs):
            raise key_gone()
        repository.digest_key = repository.digest_key or key
        return repository.digest_key
