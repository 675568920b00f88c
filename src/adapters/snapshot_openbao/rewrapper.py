"""Rewrapper over Transit, with the operator's login: it sees neither plaintext nor data keys."""

from collections.abc import Sequence
from datetime import UTC, datetime

from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports.cipher import CipherAnswer, TenantKey
from snapshot_domain.ports.rewrapper import KeyVersions
from snapshot_openbao import compressed
from snapshot_openbao.batches import REWRAP, Job, Limits
from snapshot_openbao.ciphertext_text import is_of_transit
from snapshot_openbao.client import Reply
from snapshot_openbao.connection import OpenBao, Request
from snapshot_openbao.errors import Problem, fault_of, problem_of_status
from snapshot_openbao.paths import DEFAULT_MOUNT, checked_mount, key_name
from snapshot_openbao.replies import error_texts, is_of_no_key, json_object
from snapshot_openbao.transit import Transit


class TransitRewrapper:
    """Rewraps `transit`, `compressed`, and wrapped data keys."""

    def __init__(
        self, openbao: OpenBao, *, mount: str = DEFAULT_MOUNT, limits: Limits | None = None
    ) -> None:
        self._openbao = openbao
        self._mount = checked_mount(mount)
        self._transit = Transit(openbao, mount=mount, limits=limits)

    async def rewrap(
        self, tenant_id: TenantId, ciphertexts: Sequence[Ciphertext]
    ) -> Sequence[CipherAnswer]:
        """See Rewrapper."""
        key = TenantKey(tenant_id)
        prefixes = [_prefix_of(each) for each in ciphertexts]
        jobs = [
            Job(place, key, Ciphertext(each.text.removeprefix(prefix)))
            for place, (each, prefix) in enumerate(zip(ciphertexts, prefixes, strict=True))
        ]
        sound = [job for job in jobs if is_of_transit(job.given.text)]
        # A batch is answered with 200 even if every item failed; each entry is looked at anyway.
        answers = await self._transit.run(REWRAP, sound, self._openbao.deadline())
        return [
            _answer(key, prefix, answers.get(place, Problem.NO_CIPHERTEXT))
            for place, prefix in enumerate(prefixes)
        ]

    async def versions(self, tenant_id: TenantId) -> KeyVersions:
        """See Rewrapper."""
        name = key_name(TenantKey(tenant_id))
        request = Request(f"{self._mount}/keys/{name}", None, read_versions)
        (answer,) = await self._openbao.send([request], self._openbao.deadline())
        if isinstance(answer, Problem):
            raise fault_of(answer, name)
        return answer


def _prefix_of(ciphertext: Ciphertext) -> str:
    return compressed.PREFIX if ciphertext.text.startswith(compressed.PREFIX) else ""


def _answer(key: TenantKey, prefix: str, answer: Ciphertext | Problem) -> CipherAnswer:
    if isinstance(answer, Problem):
        return fault_of(answer, key_name(key))
    return Ciphertext(prefix + answer.text)


def read_versions(reply: Reply) -> KeyVersions | Problem:
    """What OpenBao says of a key, or why it says nothing."""
    if is_of_no_key(reply):
        return Problem.KEY_MISSING
    if reply.status != 200:
        return problem_of_status(reply.status, error_texts(reply.body))
    data = (json_object(reply.body) or {}).get("data")
    if not isinstance(data, dict) or reply.answered_at is None:
        return Problem.NOT_OPENBAO
    try:
        newest = int(data["latest_version"])
        since = datetime.fromtimestamp(int(data["keys"][str(newest)]), UTC)
        return KeyVersions(newest, since, reply.answered_at)
    except (KeyError, TypeError, ValueError, OverflowError):
        return Problem.NOT_OPENBAO
