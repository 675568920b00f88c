"""Cipher over Transit: configurations become `vault:v<N>:…`, which the backend can read."""

from collections.abc import Mapping, Sequence

from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import CipherAnswer, CipherItem, KeyReference, OwnKey, TenantKey
from snapshot_domain.ports.clock import Clock
from snapshot_domain.secret import Secret
from snapshot_openbao.batches import ENCRYPT, Job, Limits
from snapshot_openbao.connection import OpenBao
from snapshot_openbao.errors import Problem, fault_of
from snapshot_openbao.missing_keys import MissingKeys
from snapshot_openbao.paths import DEFAULT_MOUNT, key_name
from snapshot_openbao.transit import Transit

_CANARY_TEXT = b"snapshot-ingest"
_KEY_PROBLEMS = frozenset({Problem.KEY_MISSING, Problem.KEY_UNUSABLE})


class TransitCipher:
    """Encrypts with the tenants' own keys, in the format `transit`.

    No associated data is sent, because the backend sends none when it decrypts.

    A key that does not exist is answered like a lost permission: both are forbidden. If our
    canary key still encrypts with the same token, it is the tenant's key that is missing, which
    is then remembered for 30 s; if not, the role is misconfigured.
    """

    def __init__(
        self,
        openbao: OpenBao,
        clock: Clock,
        *,
        mount: str = DEFAULT_MOUNT,
        limits: Limits | None = None,
    ) -> None:
        self._openbao = openbao
        self._transit = Transit(openbao, mount=mount, limits=limits)
        self._missing = MissingKeys(clock)

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        """For each item, in order, its ciphertext or the fault that kept it from one."""
        deadline = self._openbao.deadline()
        jobs = [
            Job(place, item.key, item.plaintext)
            for place, item in enumerate(items)
            if not self._is_remembered(item.key)
        ]
        answers = await self._transit.run(ENCRYPT, jobs, deadline)
        forbidden = {job.key for job in jobs if answers[job.place] is Problem.FORBIDDEN}
        verdicts = await self._judge(forbidden, deadline) if forbidden else {}
        return [
            self._answer(item.key, answers.get(place, Problem.KEY_MISSING), verdicts)
            for place, item in enumerate(items)
        ]

    async def check(self) -> None:
        """Encrypts a constant with our canary key; raises `Unavailable` or `Misconfigured`."""
        [answer] = await self.encrypt([CipherItem(OwnKey.CANARY, Secret(_CANARY_TEXT))])
        if isinstance(answer, Unavailable | Misconfigured):
            raise answer
        if not isinstance(answer, Ciphertext):
            raise fault_of(Problem.OWN_KEY_MISSING, OwnKey.CANARY.value)

    def _is_remembered(self, key: KeyReference) -> bool:
        return isinstance(key, TenantKey) and key.tenant_id in self._missing

    async def _judge(
        self, forbidden: set[KeyReference], deadline: float
    ) -> Mapping[KeyReference, Problem]:
        """For each forbidden key, whether it is missing or the role has lost its permission."""
        canary = Job(0, OwnKey.CANARY, Secret(_CANARY_TEXT))
        answer = await self._transit.run_one(ENCRYPT, canary, deadline)
        if isinstance(answer, Problem):
            unavailable = isinstance(fault_of(answer), Unavailable)
            return dict.fromkeys(forbidden, answer if unavailable else Problem.FORBIDDEN)
        for key in forbidden:
            if isinstance(key, TenantKey):
                self._missing.add(key.tenant_id)
        return dict.fromkeys(forbidden, Problem.KEY_MISSING)

    def _answer(
        self,
        key: KeyReference,
        answer: Ciphertext | Problem,
        verdicts: Mapping[KeyReference, Problem],
    ) -> CipherAnswer:
        if isinstance(answer, Ciphertext):
            return answer
        problem = verdicts[key] if answer is Problem.FORBIDDEN else answer
        if isinstance(key, OwnKey) and problem in _KEY_PROBLEMS:
            problem = Problem.OWN_KEY_MISSING
        return fault_of(problem, key_name(key), retry_after=self._openbao.retry_after)
