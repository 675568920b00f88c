"""nats-py's errors as the domain's: of the right kind, with nothing of theirs in them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import NoReturn

import pytest
from nats import errors
from nats.js.errors import (
    APIError,
    BadRequestError,
    NoStreamResponseError,
    NotFoundError,
    ServerError,
    ServiceUnavailableError,
)

from snapshot_domain.errors import DependencyError, Misconfigured, Refused, Unavailable
from snapshot_nats.client import SafeClient
from snapshot_nats.denials import SubjectDenied
from snapshot_nats.errors import ask, fault_of
from snapshot_nats.message import SafeMsg

SECRET = "wpa2-key-0f3a"  # planted


def api_error(kind: type[APIError], code: int, err_code: int) -> APIError:
    return kind(code=code, err_code=err_code, description=SECRET)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (errors.TimeoutError(), Unavailable, "no answer in time"),
        (TimeoutError(), Unavailable, "no answer in time"),
        (errors.FlushTimeoutError(), Unavailable, "no answer in time"),
        (errors.ConnectionClosedError(), Unavailable, "ConnectionClosedError"),
        (errors.OutboundBufferLimitError(), Unavailable, "OutboundBufferLimitError"),
        (errors.StaleConnectionError(), Unavailable, "StaleConnectionError"),
        (errors.NoRespondersError(), Unavailable, "NoRespondersError"),
        (NoStreamResponseError(), Unavailable, "NoStreamResponseError"),
        (ConnectionResetError(SECRET), Unavailable, "ConnectionResetError"),
        (json.JSONDecodeError("bad", SECRET, 0), Unavailable, "JSONDecodeError"),
        (errors.Error(SECRET), Unavailable, "Error"),
        (api_error(ServiceUnavailableError, 503, 10008), Unavailable, "does not answer"),
        (api_error(ServiceUnavailableError, 503, 10039), Misconfigured, "not enabled"),
        (api_error(ServiceUnavailableError, 503, 10076), Misconfigured, "not enabled"),
        (ServiceUnavailableError(), Unavailable, "electing a leader"),
        (api_error(NotFoundError, 404, 10059), Misconfigured, "stream does not exist"),
        (api_error(NotFoundError, 404, 10014), Misconfigured, "consumer does not exist"),
        (api_error(NotFoundError, 404, 10037), Misconfigured, "10037"),
        (api_error(BadRequestError, 400, 10058), Misconfigured, "10058"),
        (api_error(ServerError, 500, 10047), Misconfigured, "10047"),
        (errors.MaxPayloadError(), Refused, "max_payload"),
        (errors.BadSubjectError(), Refused, "subject"),
    ],
)
def test_an_error_becomes_one_of_ours(
    error: Exception, kind: type[DependencyError], words: str
) -> None:
    fault = fault_of(error, "testing")
    assert type(fault) is kind
    assert words in str(fault)
    assert SECRET not in f"{fault} {fault!r} {vars(fault)}"


def test_a_denied_subject_is_misconfigured_and_named() -> None:
    fault = fault_of(SubjectDenied("$js.api.info"), "testing")
    assert isinstance(fault, Misconfigured)
    assert "$js.api.info" in str(fault)


async def test_our_error_keeps_nothing_of_the_drivers() -> None:
    message = SafeMsg(SafeClient(), "subject", "", SECRET.encode())

    async def fail() -> NoReturn:
        raise errors.MsgAlreadyAckdError(message)

    with pytest.raises(Unavailable) as raised:
        await ask(fail(), "testing")
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None
    assert SECRET not in repr(vars(raised.value))


async def test_a_cancellation_passes() -> None:
    async def be_cancelled() -> NoReturn:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await ask(be_cancelled(), "testing")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (SafeClient.note_error, errors.SlowConsumerError(SECRET, SECRET, 1, None)),  # type: ignore[arg-type]  # no subscription is needed
        (SafeClient.note_error, errors.Error(SECRET)),
        (SafeClient.note_error, ValueError(SECRET)),
    ],
)
async def test_a_connections_errors_are_logged_by_class_alone(
    call: Callable[[SafeClient, Exception], Awaitable[None]],
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await call(SafeClient(), error)
    assert type(error).__name__ in caplog.text
    assert SECRET not in caplog.text
