"""Resealer over Transit: the body stays as it is, only its wrapped key is wrapped anew."""

from collections.abc import Mapping, Sequence

from attrs import evolve

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import Cipher, CipherAnswer, CipherItem, OwnKey
from snapshot_domain.ports.decryptor import Decryptor, DecryptorItem
from snapshot_domain.secret import Secret
from snapshot_openbao.errors import Problem, fault_of
from snapshot_openbao.sealed_body_format import SealedBody


class SealedBodyResealer:
    """Has `opener` decrypt the key of each body, and `wrapper` encrypt it for the quarantine.

    No body is ever opened here.
    """

    def __init__(self, opener: Decryptor, wrapper: Cipher) -> None:
        self._opener = opener
        self._wrapper = wrapper

    async def reseal(self, items: Sequence[DecryptorItem]) -> Sequence[CipherAnswer]:
        """For each item, in order, its ciphertext under the other key, or what kept it from one."""
        parsed = {place: SealedBody.parse(item.ciphertext) for place, item in enumerate(items)}
        bodies = {place: one for place, one in parsed.items() if isinstance(one, SealedBody)}
        wrapped = await self._rewrap(
            {
                place: evolve(items[place], ciphertext=body.wrapped_key, aad="")
                for place, body in bodies.items()
            }
        )
        return [
            _answer(bodies[place], wrapped[place])
            if place in bodies
            else fault_of(Problem.NO_CIPHERTEXT)
            for place in parsed
        ]

    async def _rewrap(self, keys: Mapping[int, DecryptorItem]) -> Mapping[int, CipherAnswer]:
        """By its place, each wrapped key under the other key."""
        opened = dict(zip(keys, await self._opener.decrypt(list(keys.values())), strict=True))
        answers = {
            place: answer for place, answer in opened.items() if not isinstance(answer, Secret)
        }
        plain = {place: answer for place, answer in opened.items() if isinstance(answer, Secret)}
        again = [CipherItem(OwnKey.QUARANTINE, key) for key in plain.values()]
        wrapped = await self._wrapper.encrypt(again) if again else ()
        return {**answers, **dict(zip(plain, wrapped, strict=True))}


def _answer(body: SealedBody, wrapped: CipherAnswer) -> CipherAnswer:
    if not isinstance(wrapped, Ciphertext):
        return wrapped
    return SealedBody(wrapped, body.box).ciphertext
