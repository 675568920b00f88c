"""A secret through every error class of nats-py, at each place where the adapter meets one."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import NoReturn, cast
from unittest.mock import patch

import nats.errors
import nats.js.errors
from attrs import define, evolve, field
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from secrecy_drives.driver_errors import every_error, loaded
from snapshot_conformance.secret_canary_watch import SecretWatch
from snapshot_domain.delivery import Delivery
from snapshot_memory import MemoryAckFloors
from snapshot_nats import (
    ConnectionSettings,
    ConsumerNeeds,
    EventPublisher,
    Handover,
    JetStreamSource,
    SafeClient,
    SourceSettings,
    connect,
    ensure_consumer,
    ensure_stream,
)
from snapshot_nats.binding import Binding
from snapshot_nats.connection import end_connection
from snapshot_nats.denials import SubjectDenied
from snapshot_nats.errors import ask
from snapshot_nats.inbox import Inbox
from snapshot_nats.message import SafeMsg
from snapshot_nats.recreation import Recreation
from support.listening import notice

_NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_CONNECTION = ConnectionSettings(servers=("nats://127.0.0.1:9",), connect_timeout=_SECOND)
_MISSING = nats.js.errors.NotFoundError(code=404, err_code=10014)


class _Silence(Exception):
    """In place of an error: there is no answer at all."""


@define(repr=False)
class _BrokenJetStream:
    """nats-py's view of JetStream: each call fails with the same error, or as told by name."""

    error: BaseException
    answers: dict[str, object] = field(factory=dict)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        async def call(*_: object, **__: object) -> object:
            answer = self.answers.get(name, self.error)
            if isinstance(answer, BaseException):
                await _failing(answer)()
            return answer

        return call


class _BrokenClient(SafeClient):
    """Our client over a JetStream that fails."""

    def __init__(self, error: BaseException, **answers: object) -> None:
        super().__init__()
        self._broken = _BrokenJetStream(error, answers)

    def jetstream(self, **_: object) -> JetStreamContext:
        return cast("JetStreamContext", self._broken)

    async def flush(self, timeout: float = 1.0) -> None:  # noqa: ARG002 - nats-py's signature
        await _failing(self._broken.error)()


def _errors(text: str) -> Iterator[Exception]:
    every = [
        *every_error(text, nats.errors.Error, of="nats"),
        *every_error(text, OSError, of="builtins"),
        UnicodeDecodeError("utf-8", text.encode(), 0, 1, text),
        json.JSONDecodeError(text, text, 0),
        loaded(ValueError, text),
        SubjectDenied("$js.api.stream.info"),
    ]
    for error in every:
        if isinstance(error, nats.js.errors.APIError):
            yield from _numbered(type(error), text)
        elif isinstance(error, Exception):
            yield error


def _numbered(kind: type[nats.js.errors.APIError], text: str) -> Iterator[Exception]:
    """The class with each number that the adapter tells apart; not that of another API."""
    for number in (10059, 10014, 10012, 10039, 10148, 10058):
        with suppress(TypeError):
            yield kind(code=400, err_code=number, description=text)


async def driver_errors(watch: SecretWatch) -> None:
    """Every class from every request to JetStream that the adapter makes."""
    for error in _errors(watch.canary.text):
        for call in _calls(error):
            async with watch.keeping_errors():
                await call
        await SafeClient().note_error(error)


async def connecting(watch: SecretWatch) -> None:
    """Every class while a connection is made, opened, given back and closed."""
    for error in _errors(watch.canary.text):
        fail = _failing(error)
        with patch.object(Client, "close", fail):
            with patch.object(Client, "connect", fail):
                async with watch.keeping_errors():
                    await connect(_CONNECTION)
            with (
                patch.object(Client, "connect", _nothing),
                patch.object(Client, "subscribe", fail),
            ):
                async with watch.keeping_errors():
                    await JetStreamSource(_CONNECTION).check()
            await end_connection(SafeClient(), _SECOND)


async def cancellations(watch: SecretWatch) -> None:
    """A cancellation while the server does not answer a connection or a request."""
    with patch.object(Client, "connect", _for_ever):
        await _cancelled(watch, connect(_CONNECTION))
    for call in _calls(_Silence()):
        await _cancelled(watch, call)


async def credentials(watch: SecretWatch) -> None:
    """A credentials file that is none, and one that is not there."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "creds"
        file.write_text(watch.canary.text, "utf-8")
        for credentials_file in (file, Path(folder) / "missing"):
            settings = evolve(_CONNECTION, credentials_file=credentials_file)
            async with watch.keeping_errors():
                await connect(settings)


async def messages(watch: SecretWatch) -> None:
    """Headers and subjects that nats-py cannot read, and the errors that quote a message."""
    client, text = SafeClient(), watch.canary.text
    for headers in (b"NATS/1.0\r\n" + text.encode(), b"\xff" + text.encode(), b"NATS/1.0"):
        async with watch.keeping_errors():
            watch.errors.add(LookupError(await client._process_headers(headers)))
    message = client._build_message(1, b"a.\xff", b"", text.encode(), None)
    watch.errors.add(LookupError(repr(message)))
    assert isinstance(message, SafeMsg)


def _calls(error: Exception) -> Iterator[Awaitable[object]]:
    client = _BrokenClient(error)
    yield ask(_failing(error)(), "asking")
    yield ensure_stream(client)
    yield ensure_stream(_BrokenClient(error, stream_info=_MISSING))
    yield ensure_consumer(client, "s", "d")
    yield ensure_consumer(_BrokenClient(error, consumer_info=_MISSING), "s", "d")
    stream = SimpleNamespace(created=_NOON, state=SimpleNamespace(last_seq=5))
    recreation = Recreation(MemoryAckFloors(), "s", "d", ConsumerNeeds(), _SECOND)
    yield recreation.make(_BrokenClient(error, stream_info=stream))
    yield recreation.unmake(client)
    yield _handover(client)._delete("d")
    yield _handover(_BrokenClient(error, stream_info=stream)).make_push()
    yield Binding(_CONNECTION, SourceSettings(), Inbox(_never)).received_at(client, 1)
    publisher = EventPublisher(_CONNECTION, "s", plain_digests=True)
    yield publisher._publish(client, notice(1))
    yield _closed_inbox(error)
    yield JetStreamSource(_CONNECTION)._give_back(_BrokenClient(error))


def _handover(client: SafeClient) -> Handover:
    return Handover(client, MemoryAckFloors(), "s", "d", "d", ConsumerNeeds())


async def _closed_inbox(error: Exception) -> None:
    """An inbox whose subscription does not drain."""
    inbox = Inbox(_never)
    client = SafeClient()
    with patch.object(Client, "subscribe", _subscribed(error)):
        await inbox.open(client)
    await inbox.close(_SECOND)


def _subscribed(error: Exception) -> Callable[..., Awaitable[object]]:
    async def subscribe(*_: object, **__: object) -> object:
        return SimpleNamespace(drain=_failing(error))

    return subscribe


def _failing(error: BaseException) -> Callable[..., Awaitable[NoReturn]]:
    async def fail(*_: object, **__: object) -> NoReturn:
        if isinstance(error, _Silence):
            await asyncio.Event().wait()
        raise error

    return fail


async def _nothing(*_: object, **__: object) -> None:
    """Succeeds."""


async def _for_ever(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


def _never(_: Msg) -> Delivery:
    raise AssertionError("nothing is delivered here")


async def _cancelled(watch: SecretWatch, call: Awaitable[object]) -> None:
    running = asyncio.ensure_future(call)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    async with watch.keeping_errors():
        await running
