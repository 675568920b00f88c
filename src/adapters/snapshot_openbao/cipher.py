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
from snapshot_openbao.joining import Joining
from snapshot_openbao.missing_keys import MissingKeys
from snapshot_openbao.paths import DEFAULT_MOUNT, key_name
from snapshot_openbao.transit import Transit

_CANARY_TEXT = b"snapshot-ingest"
_KEY_PROBLEMS = frozenset({Problem.KEY_MISSING, Problem.KEY_UNUSABLE})


class TransitCipher:
    """Encrypts with the tenants' own keys, in the format `transit`.

    No associated data is sent, because the backend sends none when it decrypts.

    A key that does not exist is answered like a lost permission or a dead token: all are
    forbidden. If our canary key still encrypts with the same token, it is the tenant's key that
    is missing, which is then remembered for 30 s. If not, one new login follows; where that does
    not help either, the role is misconfigured.
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
        self._joining = Joining(self._encrypt_once, openbao.threads.count, limits or Limits())
        self._missing = MissingKeys(clock)

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        """For each item, in order, its ciphertext or the fault that kept it from one."""
        deadline = self._openbao.deadline()
        jobs = [
            Job(place, item.key, item.plaintext)
            for place, item in enumerate(items)
            if not self._is_remembered(item.key)
        ]
        logins = self._openbao.logins
        answers = await self._run(jobs, deadline)
        forbidden = [job for job in jobs if answers[job.place] is Problem.FORBIDDEN]
        if forbidden:
            answers.update(await self._judge(forbidden, logins, deadline))
        return [
            self._answer(item.key, answers.get(place, Problem.KEY_MISSING))
            for place, item in enumerate(items)
        ]

    async def check(self) -> None:
        """Encrypts a constant with our canary key; raises `Unavailable` or `Misconfigured`."""
        [answer] = await self.encrypt([CipherItem(OwnKey.CANARY, Secret(_CANARY_TEXT))])
        if isinstance(answer, Unavailable | Misconfigured):
            raise answer
        if not isinstance(answer, Ciphertext):
            raise fault_of(Problem.OWN_KEY_MISSING, OwnKey.CANARY.value)

    async def _run(
        self, jobs: Sequence[Job[Secret]], deadline: float
    ) -> dict[int, Ciphertext | Problem]:
        """One login first, where one is needed: each of many requests would try its own."""
        refusal = await self._openbao.log_in() if jobs else None
        if refusal is not None:
            return {job.place: refusal for job in jobs}
        return await self._joining.run(jobs, deadline)

    async def _encrypt_once(
        self, jobs: Sequence[Job[Secret]], deadline: float
    ) -> Mapping[int, Ciphertext | Problem]:
        return await self._transit.run(ENCRYPT, jobs, deadline, log_in_again=False)

    def _is_remembered(self, key: KeyReference) -> bool:
        return isinstance(key, TenantKey) and key.tenant_id in self._missing

    async def _judge(
        self, forbidden: Sequence[Job[Secret]], logins: int, deadline: float
    ) -> Mapping[int, Ciphertext | Problem]:
        """By its place, for each job what came of it that was forbidden after so many logins.

        The canary comes first: where the very token that was refused encrypts it, the token is
        alive, and a login would tell nothing new.
        """
        answers: dict[int, Ciphertext | Problem]
        answers = {job.place: Problem.FORBIDDEN for job in forbidden}
        canary = await self._try_canary(deadline)
        is_dead = canary is Problem.FORBIDDEN
        if is_dead or self._openbao.logins != logins:
            answers = await self._transit.run(ENCRYPT, forbidden, deadline, log_in_again=is_dead)
            canary = await self._try_canary(deadline)
        problem = self._meaning_of(canary)
        for job in forbidden:
            if answers[job.place] is Problem.FORBIDDEN:
                answers[job.place] = problem
                if problem is Problem.KEY_MISSING and isinstance(job.key, TenantKey):
                    self._missing.add(job.key.tenant_id)
        return answers

    async def _try_canary(self, deadline: float) -> Ciphertext | Problem:
        canary = Job(0, OwnKey.CANARY, Secret(_CANARY_TEXT))
        return await self._transit.run_one(ENCRYPT, canary, deadline)

    def _meaning_of(self, canary: Ciphertext | Problem) -> Problem:
        """What a forbidden key means, when this came of the canary's."""
        if isinstance(canary, Ciphertext):
            return Problem.KEY_MISSING
        return canary if isinstance(fault_of(canary), Unavailable) else Problem.FORBIDDEN

    def _answer(self, key: KeyReference, answer: Ciphertext | Problem) -> CipherAnswer:
        if isinstance(answer, Ciphertext):
            return answer
        problem = answer
        if isinstance(key, OwnKey) and problem in _KEY_PROBLEMS:
            problem = Problem.OWN_KEY_MISSING
        return fault_of(problem, key_name(key), retry_after=self._openbao.retry_after)
