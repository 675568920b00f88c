"""What OpenBao grants with a token: for how long, and whether that can be renewed."""

from attrs import field, frozen

from snapshot_openbao.client import HttpClient, Reply
from snapshot_openbao.errors import Problem, problem_of_status
from snapshot_openbao.replies import error_texts, json_object

_REFUSED = (Problem.INPUT_REFUSED, Problem.FORBIDDEN, Problem.NO_MOUNT)


@frozen
class Grant:
    """A token and its lease, in seconds from the answer on; 0 where it has no end or is unknown."""

    token: str = field(repr=False)
    lease_seconds: int = 0
    is_renewable: bool = False


def grant_of(reply: Reply) -> Grant | Problem:
    """What a login was answered with."""
    if reply.status != 200:
        problem = problem_of_status(reply.status, error_texts(reply.body))
        return Problem.LOGIN_REFUSED if problem in _REFUSED else problem
    return _granted(reply) or Problem.NOT_OPENBAO


def remaining(http: HttpClient, token: str, *, timeout_seconds: float) -> Grant | Problem:
    """What is left of a token that somebody else was granted.

    A dead token may not look itself up, nor one whose policy forbids that: the lease is unknown
    then, and what the token is good for shows where it is used.
    """
    reply = http.get("auth/token/lookup-self", token=token, timeout_seconds=timeout_seconds)
    if isinstance(reply, Problem):
        return reply
    if reply.status == 403:
        return Grant(token)
    if reply.status != 200:
        return problem_of_status(reply.status, error_texts(reply.body))
    data = (json_object(reply.body) or {}).get("data")
    if not isinstance(data, dict):
        return Problem.NOT_OPENBAO
    return Grant(token, _whole(data.get("ttl")), data.get("renewable") is True)


def renewed(http: HttpClient, token: str, *, timeout_seconds: float) -> Grant | Problem:
    """The same token with the lease as it is granted anew."""
    reply = http.post("auth/token/renew-self", b"{}", token=token, timeout_seconds=timeout_seconds)
    if isinstance(reply, Problem):
        return reply
    if reply.status != 200:
        return problem_of_status(reply.status, error_texts(reply.body))
    return _granted(reply) or Problem.NOT_OPENBAO


def _granted(reply: Reply) -> Grant | None:
    auth = (json_object(reply.body) or {}).get("auth")
    token = auth.get("client_token") if isinstance(auth, dict) else None
    if not isinstance(auth, dict) or not isinstance(token, str) or not token:
        return None
    return Grant(token, _whole(auth.get("lease_duration")), auth.get("renewable") is True)


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
