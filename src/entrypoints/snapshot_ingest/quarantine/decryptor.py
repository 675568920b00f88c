"""Decryptor of quarantined messages: each is opened with the login that may open its key."""

from collections.abc import Sequence

from attrs import evolve

from snapshot_domain.errors import Refused
from snapshot_domain.ports import Decryptor, DecryptorItem, OwnKey
from snapshot_domain.ports.decryptor import DecryptorAnswer


class QuarantineDecryptor:
    """What waits is opened as the ingest role, everything else as the reader.

    Neither role may open the other's, so that no login opens more than its work needs. What a
    sweep could not open was handed over as it was, so what the reader's key does not open may
    still be under the other one.
    """

    def __init__(self, ingest: Decryptor, reader: Decryptor) -> None:
        self._ingest = ingest
        self._reader = reader

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        """See Decryptor."""
        waits = [item.key is OwnKey.WAITING for item in items]
        chosen = list(zip(items, waits, strict=True))
        by_ingest = await self._ask(self._ingest, [item for item, waiting in chosen if waiting])
        by_reader = await self._ask(self._reader, [item for item, waiting in chosen if not waiting])
        by_reader = await self._with_the_other_key([i for i, w in chosen if not w], by_reader)
        of_ingest, of_reader = iter(by_ingest), iter(by_reader)
        return [next(of_ingest) if waiting else next(of_reader) for waiting in waits]

    async def _with_the_other_key(
        self, items: Sequence[DecryptorItem], answers: Sequence[DecryptorAnswer]
    ) -> Sequence[DecryptorAnswer]:
        places = [place for place, answer in enumerate(answers) if isinstance(answer, Refused)]
        again = [evolve(items[place], key=OwnKey.WAITING) for place in places]
        opened = dict(zip(places, await self._ask(self._ingest, again), strict=True))
        return [opened.get(place, answer) for place, answer in enumerate(answers)]

    async def _ask(
        self, decryptor: Decryptor, items: Sequence[DecryptorItem]
    ) -> Sequence[DecryptorAnswer]:
        return await decryptor.decrypt(items) if items else ()
