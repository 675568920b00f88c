"""A nats-server of a test's own: to kill, to configure oddly, and to talk to without a client."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from attrs import evolve, field, frozen
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo

from snapshot_conformance.message_source import eventually
from snapshot_domain.ports import AckFloors
from snapshot_ingest.stack.wheels import NATS_SERVER, locate
from snapshot_nats import (
    ConsumerNeeds,
    JetStreamSource,
    SafeClient,
    SourceSettings,
    StreamShape,
    connect,
    ensure_consumer,
    ensure_stream,
)
from support.nats_users import ADMIN, INGEST, PASSWORD, SHIPPED_USERS, NatsAccess

_ANSWER_SECONDS = 5.0


class OwnNatsServer:
    """Listens on a free port of loopback, the same after each restart, with JetStream.

    `extra` is configuration beyond that, the users among it. Its stop is a kill: what was not yet
    on disk is lost, as it would be.
    """

    def __init__(self, directory: Path, extra: str = SHIPPED_USERS) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self._log = directory / "nats.log"
        self._config = directory / "nats.conf"
        self._store = directory / "store"
        self._configure(extra)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def access(self) -> NatsAccess:
        """The ways in where its users are the shipped ones."""
        return NatsAccess.shipped(self.url)

    def _configure(self, extra: str) -> None:
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\n'
            f"jetstream {{ store_dir: {json.dumps(str(self._store))} }}\n{extra}\n"
        )

    def reload(self, extra: str) -> None:
        """Gives it another configuration while it runs; the server follows a moment later."""
        self._configure(extra)
        shutil.copy(self._config, self._config.with_suffix(".running"))
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    async def start(self, *, has_jetstream: bool = True) -> None:
        """Returns when it greets its clients and, unless it has none, offers JetStream."""
        config = self._config.read_text()
        if not has_jetstream:
            config = "\n".join(each for each in config.splitlines() if "jetstream" not in each)
        running = self._config.with_suffix(".running")
        running.write_text(config)
        program = str(locate(NATS_SERVER))
        argv = [program, "-c", str(running), "-l", str(self._log)]
        self._process = subprocess.Popen(argv)  # noqa: ASYNC220 - it only starts it
        await eventually(self._is_ready if has_jetstream else self._is_up)

    async def start_with(self, extra: str) -> None:
        """The same with another configuration."""
        self._configure(extra)
        await self.start()

    def kill(self) -> None:
        """Ends it at once; there is nothing left of it when this returns."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def shut_down(self) -> None:
        """Ends it in order: all that it knows is on disk when this returns."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        self._process = None

    def back_up(self, to: Path) -> None:
        """Copies what it holds; it must not run meanwhile."""
        shutil.copytree(self._store, to)

    def restore(self, backup: Path, only: str | None = None) -> None:
        """Puts a backup in the place of what it holds; it must not run meanwhile.

        With `only`, just the folders of that name.
        """
        folders = [backup] if only is None else list(backup.rglob(only))
        assert folders
        for folder in folders:
            target = self._store / folder.relative_to(backup)
            shutil.rmtree(target)
            shutil.copytree(folder, target)

    def lose_disk(self) -> None:
        """Empties it of all that it holds; it must not run meanwhile."""
        shutil.rmtree(self._store)

    def drain(self) -> None:
        """Begins the end of a server that is replaced: it takes nobody in, and sends all away."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR2)

    def freeze(self) -> None:
        """From now on it accepts connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Lets it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def _is_up(self) -> bool:
        try:
            return bool(await self._greeting())
        except OSError:
            return False

    async def _is_ready(self) -> bool:
        try:
            return b'"jetstream":true' in await self._greeting()
        except OSError:
            return False

    async def _greeting(self) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            return await asyncio.wait_for(reader.readline(), _ANSWER_SECONDS)
        finally:
            writer.close()

    async def send_raw(self, command: bytes) -> None:
        """Sends one protocol command as a publisher of any kind could, and checks it was taken."""
        login = {"verbose": False, "headers": True, "user": ADMIN, "pass": PASSWORD}
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            await asyncio.wait_for(reader.readline(), _ANSWER_SECONDS)
            writer.write(f"CONNECT {json.dumps(login)}\r\n".encode() + command + b"PING\r\n")
            answer = await asyncio.wait_for(reader.readline(), _ANSWER_SECONDS)
        finally:
            writer.close()
        assert answer == b"PONG\r\n"


@asynccontextmanager
async def own_nats_server(
    directory: Path, extra: str = SHIPPED_USERS
) -> AsyncIterator[OwnNatsServer]:
    """A running server, which is gone afterwards."""
    server = OwnNatsServer(directory, extra)
    try:
        await server.start()
        yield server
    finally:
        server.kill()


@frozen
class Place:
    """A stream and a consumer of one test, and a plain way to look at them.

    `client` and `jetstream` are the administrator's, and nats-py as it is, except that the client's
    class is ours. What is tested connects as a worker, who is allowed no more than is shipped.
    """

    access: NatsAccess
    stream: str
    durable: str
    family: str
    client: SafeClient
    jetstream: JetStreamContext
    sources: list[JetStreamSource] = field(factory=list)

    @property
    def subject(self) -> str:
        """A subject that the consumer takes."""
        return f"{self.family}.create.6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"

    def needs(self, needs: ConsumerNeeds | None = None) -> ConsumerNeeds:
        """The same needs, for the subjects of this place."""
        return evolve(needs or ConsumerNeeds(), filter_subject=f"{self.family}.>")

    def source(
        self,
        needs: ConsumerNeeds | None = None,
        *,
        patience_s: float = 0.3,
        answer_timeout_s: float = 5.0,
        floors: AckFloors | None = None,
    ) -> JetStreamSource:
        """A source on this place, not yet connected; it is closed with the place."""
        source = JetStreamSource(
            evolve(self.access.connection(INGEST), connect_timeout=timedelta(seconds=2)),
            SourceSettings(
                stream=self.stream,
                durable=self.durable,
                needs=self.needs(needs),
                patience=timedelta(seconds=patience_s),
                answer_timeout=timedelta(seconds=answer_timeout_s),
            ),
            floors,
        )
        self.sources.append(source)
        return source

    async def publish(self, *bodies: bytes) -> None:
        """Puts the bodies on the stream, one after the other."""
        for body in bodies:
            await self.jetstream.publish(self.subject, body)

    async def until_unsettled(self, count: int) -> None:
        """Waits until that many messages are delivered and not settled."""

        async def holds() -> bool:
            return (await self.info()).num_ack_pending == count

        await eventually(holds)

    async def until_waiting(self) -> None:
        """Waits until a pull waits at the consumer."""

        async def holds() -> bool:
            return bool((await self.info()).num_waiting)

        await eventually(holds)

    async def info(self) -> ConsumerInfo:
        """What the server says of the consumer."""
        info: ConsumerInfo = await self.jetstream.consumer_info(self.stream, self.durable)
        return info


@asynccontextmanager
async def place_on(
    access: NatsAccess,
    *,
    needs: ConsumerNeeds | None = None,
) -> AsyncIterator[Place]:
    """An empty stream and its consumer with names of their own, gone afterwards.

    With the same names again, nats-server at times brings back what the former stream held.
    """
    name = uuid4().hex[:12]
    client = await connect(access.connection(ADMIN))
    place = Place(
        access,
        f"S_{name}",
        f"D_{name}",
        f"t{name}.config.snapshot",
        client,
        client.jetstream(),
    )
    try:
        await ensure_stream(client, StreamShape(name=place.stream, subjects=(f"t{name}.>",)))
        await ensure_consumer(client, place.stream, place.durable, place.needs(needs))
        yield place
    finally:
        for source in place.sources:
            await source.close()
        if client.is_connected:
            await place.jetstream.delete_stream(place.stream)
        await client.close()
