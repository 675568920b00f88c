"""Decryptor: opens stored configurations and quarantined bodies, whatever their format."""

from collections.abc import Sequence
from functools import partial

from snapshot_domain.ports.cipher import OwnKey
from snapshot_domain.ports.decryptor import DecryptorAnswer, DecryptorItem
from snapshot_domain.secret import Secret
from snapshot_openbao.batches import DECRYPT, Job, Limits
from snapshot_openbao.connection import OpenBao
from snapshot_openbao.errors import Problem, fault_of
from snapshot_openbao.formats import Opening, opening_of
from snapshot_openbao.paths import DEFAULT_MOUNT, key_name
from snapshot_openbao.transit import Transit

_KEY_PROBLEMS = frozenset({Problem.KEY_MISSING, Problem.KEY_UNUSABLE})


class TransitDecryptor:
    """Opens every format of a configuration, and quarantined bodies (to a `RawMessage`).

    Other than encryption, decryption tells a missing key from a lost permission, so that what is
    forbidden after a new login is *misconfigured*.
    """

    def __init__(
        self, openbao: OpenBao, *, mount: str = DEFAULT_MOUNT, limits: Limits | None = None
    ) -> None:
        self._openbao = openbao
        self._transit = Transit(openbao, mount=mount, limits=limits)

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        """For each item, in order, its plaintext or the fault that kept it closed."""
        openings = [opening_of(item.ciphertext) for item in items]
        jobs = [
            Job(place, item.key, opening.for_transit)
            for place, (item, opening) in enumerate(zip(items, openings, strict=True))
            if not isinstance(opening, Problem)
        ]
        opened = await self._transit.run(DECRYPT, jobs, self._openbao.deadline())
        return [
            await self._answer(item, opening, opened.get(place, Problem.NO_CIPHERTEXT))
            for place, (item, opening) in enumerate(zip(items, openings, strict=True))
        ]

    async def _answer(
        self, item: DecryptorItem, opening: Opening | Problem, opened: Secret | Problem
    ) -> DecryptorAnswer:
        if isinstance(opening, Problem):
            return _fault(item, opening)
        if isinstance(opened, Problem):
            return _fault(item, opened)
        work = partial(opening.finish, opened, item.aad)
        plaintext = await self._openbao.threads.run(work)
        return _fault(item, plaintext) if isinstance(plaintext, Problem) else plaintext


def _fault(item: DecryptorItem, problem: Problem) -> DecryptorAnswer:
    if isinstance(item.key, OwnKey) and problem in _KEY_PROBLEMS:
        problem = Problem.OWN_KEY_MISSING
    return fault_of(problem, key_name(item.key))
