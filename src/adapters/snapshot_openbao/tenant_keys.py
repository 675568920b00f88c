"""TenantKeys over Transit, as administrator: soft delete, restore, and delete.

OpenBao answers the soft delete of a key that does not exist with success. So nothing here
believes a status: it looks at the key as the answer describes it.
"""

import json
from functools import partial

from snapshot_domain.model import TenantId
from snapshot_domain.ports.cipher import TenantKey
from snapshot_domain.ports.tenant_keys import KeyState
from snapshot_openbao.client import Reply
from snapshot_openbao.connection import OpenBao, Request
from snapshot_openbao.errors import Problem, fault_of, problem_of_status
from snapshot_openbao.paths import DEFAULT_MOUNT, checked_mount, key_name
from snapshot_openbao.replies import error_texts, is_of_no_key, json_object

_ALLOW_DELETION = json.dumps({"deletion_allowed": True}).encode()


class TransitTenantKeys:
    """Touches only keys that exist. Raises `Misconfigured` if the mount is no name."""

    def __init__(self, openbao: OpenBao, *, mount: str = DEFAULT_MOUNT) -> None:
        self._openbao = openbao
        self._mount = checked_mount(mount)

    async def state(self, tenant_id: TenantId) -> KeyState:
        """See TenantKeys."""
        answer = await self._send(Request(self._path(tenant_id), None, _read_state))
        if answer is Problem.KEY_MISSING:
            return KeyState.GONE
        return _checked(answer, tenant_id)

    async def freeze(self, tenant_id: TenantId) -> None:
        """See TenantKeys."""
        path = f"{self._path(tenant_id)}/soft-delete"
        read = partial(_read_change, KeyState.FROZEN)
        _checked(await self._send(Request(path, None, read, deletes=True)), tenant_id)

    async def restore(self, tenant_id: TenantId) -> None:
        """See TenantKeys."""
        path = f"{self._path(tenant_id)}/soft-delete-restore"
        read = partial(_read_change, KeyState.USABLE)
        _checked(await self._send(Request(path, lambda: b"{}", read)), tenant_id)

    async def delete(self, tenant_id: TenantId) -> None:
        """See TenantKeys."""
        path = self._path(tenant_id)
        allow = Request(f"{path}/config", lambda: _ALLOW_DELETION, _read_state)
        _checked(await self._send(allow), tenant_id)
        _checked(await self._send(Request(path, None, _read_deleted, deletes=True)), tenant_id)
        if await self.state(tenant_id) is not KeyState.GONE:
            raise fault_of(Problem.NOT_OPENBAO, key_name(TenantKey(tenant_id)))

    def _path(self, tenant_id: TenantId) -> str:
        return f"{self._mount}/keys/{key_name(TenantKey(tenant_id))}"

    async def _send(self, request: Request[KeyState]) -> KeyState | Problem:
        (answer,) = await self._openbao.send([request], self._openbao.deadline())
        return answer


def _checked(answer: KeyState | Problem, tenant_id: TenantId) -> KeyState:
    if isinstance(answer, Problem):
        raise fault_of(answer, key_name(TenantKey(tenant_id)))
    return answer


def _read_state(reply: Reply) -> KeyState | Problem:
    if reply.status == 204 or is_of_no_key(reply):
        return Problem.KEY_MISSING
    if reply.status != 200:
        return problem_of_status(reply.status, error_texts(reply.body))
    data = (json_object(reply.body) or {}).get("data")
    is_frozen = data.get("soft_deleted") if isinstance(data, dict) else None
    if not isinstance(is_frozen, bool):
        return Problem.NOT_OPENBAO
    return KeyState.FROZEN if is_frozen else KeyState.USABLE


def _read_change(wanted: KeyState, reply: Reply) -> KeyState | Problem:
    state = _read_state(reply)
    return state if isinstance(state, Problem) or state is wanted else Problem.NOT_OPENBAO


def _read_deleted(reply: Reply) -> KeyState | Problem:
    if reply.status == 204:
        return KeyState.GONE
    return problem_of_status(reply.status, error_texts(reply.body))
