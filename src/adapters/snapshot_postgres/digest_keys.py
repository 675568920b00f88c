"""DigestKeys over our table of one row."""

from snapshot_domain.errors import Dependency, Unavailable
from snapshot_domain.model import DigestKeyId, WrappedDigestKey
from snapshot_postgres.database import Database
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query


class PostgresDigestKeys:
    """The pool is on loan; any number of tasks may use it at once."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def kept(self) -> WrappedDigestKey | None:
        """See DigestKeys."""
        rows = await self._database.ask(query("digest_key", "digests.sql"))
        if not rows:
            return None
        return WrappedDigestKey(DigestKeyId(rows[0]["digest_key_id"]), rows[0]["wrapped_key"])

    async def keep(self, key: WrappedDigestKey) -> WrappedDigestKey:
        """See DigestKeys."""
        await self._database.ask(query("keep_digest_key", "digests.sql"), key.key_id, key.text)
        kept = await self.kept()
        if kept is None:
            raise Unavailable(Dependency.REPOSITORY, "the digest key was taken away again")
        return kept
