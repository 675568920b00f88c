"""Makes the keys that encryption needs: for `provision` and `up`, as administrator."""

import json
from collections.abc import Sequence

from snapshot_domain.model import TenantId
from snapshot_domain.ports.cipher import KeyReference, OwnKey, TenantKey
from snapshot_openbao.client import Reply
from snapshot_openbao.connection import OpenBao, Request
from snapshot_openbao.errors import Problem, fault_of, problem_of_status
from snapshot_openbao.paths import DEFAULT_MOUNT, checked_mount, key_name
from snapshot_openbao.replies import error_texts, json_object

_MAKE = {"type": "aes256-gcm96", "derived": False, "exportable": False}


class TransitKeys:
    """Makes keys of the kind aes256-gcm96, not derived, not exportable.

    Idempotent: OpenBao leaves a key that exists as it is and describes it, and one of another
    make is *misconfigured*. Raises `Misconfigured` if the mount is no name.
    """

    def __init__(self, openbao: OpenBao, *, mount: str = DEFAULT_MOUNT) -> None:
        self._openbao = openbao
        self._mount = checked_mount(mount)

    async def ensure_tenant_key(self, tenant_id: TenantId) -> None:
        """Returns when the tenant has its key; raises `Unavailable` or `Misconfigured`."""
        await self._ensure([TenantKey(tenant_id)])

    async def ensure_own_keys(self) -> None:
        """Returns when all of our own keys are there; raises `Unavailable` or `Misconfigured`."""
        await self._ensure(list(OwnKey))

    async def _ensure(self, keys: Sequence[KeyReference]) -> None:
        requests = [
            Request(f"{self._mount}/keys/{key_name(key)}", _make_body, _read_made) for key in keys
        ]
        answers = await self._openbao.send(requests, self._openbao.deadline())
        for key, answer in zip(keys, answers, strict=True):
            if isinstance(answer, Problem):
                raise fault_of(answer, key_name(key))


def _make_body() -> bytes:
    return json.dumps(_MAKE).encode()


def _read_made(reply: Reply) -> Problem | None:
    if reply.status != 200:
        problem = problem_of_status(reply.status, error_texts(reply.body))
        return Problem.NOT_OPENBAO if problem is Problem.INPUT_REFUSED else problem
    answer = json_object(reply.body) or {}
    made = answer.get("data")
    if not isinstance(made, dict):
        return Problem.NOT_OPENBAO
    as_wanted = all(made.get(name) == value for name, value in _MAKE.items())
    return None if as_wanted and not made.get("soft_deleted") else Problem.OTHER_KEY_TYPE
