"""Decryptor: opens stored configurations and quarantined bodies, with the reader's own login."""

from collections.abc import Sequence
from functools import partial

from attrs import frozen

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import OwnKey
from snapshot_domain.ports.decryptor import DecryptorAnswer, DecryptorItem
from snapshot_domain.secret import Configuration, RawMessage, Secret
from snapshot_openbao.batches import CIPHERTEXT, DECRYPT, Job, Limits
from snapshot_openbao.connection import OpenBao
from snapshot_openbao.errors import Problem, fault_of
from snapshot_openbao.paths import DEFAULT_MOUNT, key_name
from snapshot_openbao.sealed_body_format import PREFIX, SealedBody, unseal
from snapshot_openbao.transit import Transit

_KEY_PROBLEMS = frozenset({Problem.KEY_MISSING, Problem.KEY_UNUSABLE})


@frozen
class _Configuration:
    """Transit opens it whole."""

    for_transit: Ciphertext


@frozen
class _Body:
    """Transit opens its key; the rest is done here."""

    sealed: SealedBody

    @property
    def for_transit(self) -> Ciphertext:
        return self.sealed.wrapped_key


class TransitDecryptor:
    """Opens the formats `transit` (to a `Configuration`) and `si1q` (to a `RawMessage`).

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
        parsed = [_parsed(item.ciphertext) for item in items]
        jobs = [
            Job(place, item.key, one.for_transit)
            for place, (item, one) in enumerate(zip(items, parsed, strict=True))
            if not isinstance(one, Problem)
        ]
        opened = await self._transit.run(DECRYPT, jobs, self._openbao.deadline())
        return [
            await self._answer(item, one, opened.get(place, Problem.NO_CIPHERTEXT))
            for place, (item, one) in enumerate(zip(items, parsed, strict=True))
        ]

    async def _answer(
        self,
        item: DecryptorItem,
        parsed: _Configuration | _Body | Problem,
        opened: Secret | Problem,
    ) -> DecryptorAnswer:
        plaintext: Configuration | RawMessage | Problem
        if isinstance(opened, Problem):
            plaintext = opened
        elif isinstance(parsed, _Body):
            box = parsed.sealed.box
            plaintext = await self._openbao.threads.run(partial(unseal, opened, box, item.aad))
        else:
            plaintext = Configuration(opened.reveal())
        if not isinstance(plaintext, Problem):
            return plaintext
        if isinstance(item.key, OwnKey) and plaintext in _KEY_PROBLEMS:
            plaintext = Problem.OWN_KEY_MISSING
        return fault_of(plaintext, key_name(item.key))


def _parsed(ciphertext: Ciphertext) -> _Configuration | _Body | Problem:
    if ciphertext.text.startswith(PREFIX):
        sealed = SealedBody.parse(ciphertext)
        return sealed if isinstance(sealed, Problem) else _Body(sealed)
    if CIPHERTEXT.fullmatch(ciphertext.text):
        return _Configuration(ciphertext)
    return Problem.NO_CIPHERTEXT
