"""Three nats-servers that keep a replicated stream, each to be killed and started again."""

import asyncio
import json
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from signal import Signals

from snapshot_ingest.stack.directory import write_private
from snapshot_ingest.stack.ports import HOST
from snapshot_ingest.stack.process import Command, ServerProcess
from snapshot_ingest.stack.wheels import NATS_SERVER, locate

NODES = 3
_START_DEADLINE = timedelta(seconds=60)
_ANSWER_SECONDS = 2.0


class NatsNode:
    """One server of the cluster; its store is encrypted at rest."""

    def __init__(self, folder: Path, number: int, port: int, routes: Sequence[int]) -> None:
        self.name = f"node-{number}"
        self.port = port
        self.url = f"nats://{HOST}:{port}"
        self.log = folder / f"{self.name}.log"
        self._config = folder / f"{self.name}.conf"
        self._process: ServerProcess | None = None
        write_private(self._config, _config(self.name, port, routes, number, folder))

    @property
    def is_up(self) -> bool:
        """Whether it was started and not killed since."""
        return self._process is not None

    async def start(self, kept_open: int) -> None:
        """Returns when it greets its clients and offers JetStream. Raises StackError."""
        command = Command(
            name="nats-server",
            argv=(str(locate(NATS_SERVER)), "--config", str(self._config)),
            log_file=self.log,
            stop=Signals.SIGTERM,
            orphan=Signals.SIGKILL,
        )
        self._process = ServerProcess(command, kept_open=kept_open)
        await self._process.wait_until_ready(self._is_ready, within=_START_DEADLINE)

    async def kill(self) -> None:
        """As kill -9 does it; nothing where it does not run."""
        process, self._process = self._process, None
        if process is not None:
            await process.kill()

    async def _is_ready(self, _: int) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    greeting = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
        return b'"jetstream":true' in greeting


class NatsCluster:
    """The nodes by number and by name."""

    def __init__(self, nodes: Sequence[NatsNode], kept_open: int) -> None:
        self.nodes = nodes
        self._kept_open = kept_open

    @property
    def urls(self) -> tuple[str, ...]:
        """The nodes' own addresses, around every proxy."""
        return tuple(node.url for node in self.nodes)

    def named(self, name: str) -> NatsNode:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)

    async def start(self) -> None:
        """Starts every node that is not up."""
        down = [node for node in self.nodes if not node.is_up]
        await asyncio.gather(*(node.start(self._kept_open) for node in down))


@asynccontextmanager
async def nats_cluster(folder: Path, users_file: Path) -> AsyncIterator[NatsCluster]:
    """Three running nodes below the folder, with the users of that file; gone afterwards."""
    folder.mkdir()  # noqa: ASYNC240 - one call, before anything runs
    with ExitStack() as held:
        ports = [_reserved_port(held) for _ in range(NODES)]
        routes = [_reserved_port(held) for _ in range(NODES)]
        shutil.copy(users_file, folder / "users.conf")
        write_private(folder / "key.conf", f'key: "{secrets.token_hex(32)}"\n')
        nothing = os.open(os.devnull, os.O_RDONLY)
        held.callback(os.close, nothing)
        nodes = [NatsNode(folder, number, ports[number], routes) for number in range(NODES)]
        cluster = NatsCluster(nodes, nothing)
        try:
            await cluster.start()
            yield cluster
        finally:
            for node in nodes:
                await node.kill()


def _reserved_port(held: ExitStack) -> int:
    """A port that nobody else is given meanwhile; see the stack's ReservedPorts."""
    reserved = held.enter_context(socket.socket())
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((HOST, 0))
    port: int = reserved.getsockname()[1]
    return port


def _config(name: str, port: int, routes: Sequence[int], number: int, folder: Path) -> str:
    """Clients hear of no other node: the workers would find a way around their proxies."""
    others = ", ".join(f'"nats://{HOST}:{route}"' for route in routes)
    return f"""\
server_name: "{name}"
listen: "{HOST}:{port}"
cluster {{
  name: "chaos"
  listen: "{HOST}:{routes[number]}"
  routes: [{others}]
  no_advertise: true
}}
jetstream {{
  store_dir: {json.dumps(str(folder / name))}
  cipher: "chachapoly"
  include "key.conf"
}}
include "users.conf"
"""
