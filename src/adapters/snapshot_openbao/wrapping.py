"""Unwrapping a secret id, which OpenBao lets happen once."""

from snapshot_openbao.client import HttpClient
from snapshot_openbao.errors import Problem, problem_of_status
from snapshot_openbao.replies import error_texts, json_object

_SPENT = (Problem.INPUT_REFUSED, Problem.FORBIDDEN)


def unwrapped(http: HttpClient, wrapping: str, *, timeout_seconds: float) -> str | Problem:
    """The secret id behind a wrapping token, which is spent from now on.

    One that was spent before, has expired or never was, is `Problem.WRAPPING_SPENT`.
    """
    if not (wrapping.isascii() and wrapping.isprintable()):
        return Problem.CREDENTIAL_UNREADABLE
    reply = http.post("sys/wrapping/unwrap", b"{}", token=wrapping, timeout_seconds=timeout_seconds)
    if isinstance(reply, Problem):
        return reply
    if reply.status != 200:
        problem = problem_of_status(reply.status, error_texts(reply.body))
        return Problem.WRAPPING_SPENT if problem in _SPENT else problem
    data = (json_object(reply.body) or {}).get("data")
    secret_id = data.get("secret_id") if isinstance(data, dict) else None
    return secret_id if isinstance(secret_id, str) and secret_id else Problem.NOT_WRAPPED_SECRET_ID
