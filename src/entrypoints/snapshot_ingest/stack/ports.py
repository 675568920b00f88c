"""Reserves the TCP ports on 127.0.0.1 that the embedded servers listen on."""

import errno
import socket
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from attrs import frozen

from snapshot_ingest.stack.errors import StackError

HOST = "127.0.0.1"

_HIGHEST = 65_535


@frozen
class StackPorts:
    """The ports that the caller wants; 0 stands for a free one."""

    nats: int = 0
    postgres: int = 0
    openbao: int = 0


FREE_PORTS = StackPorts()


class ReservedPorts:
    """Ports that nobody else is given while this context manager is open.

    Their sockets are bound and never listen. Linux then still lets a server with SO_REUSEADDR
    listen there (all three set it), but gives the ports to no one who asks for a free one: no
    stranger can take them between our choice and the server's start, or while a server restarts.

    Raises:
        StackError: another program has a port, we may not use it, or two servers want the same.
    """

    def __init__(self, wanted: StackPorts) -> None:
        _check(wanted)
        with ExitStack() as sockets:
            self.nats = _reserve("nats-server", wanted.nats, sockets)
            self.postgres = _reserve("PostgreSQL", wanted.postgres, sockets)
            self.openbao = _reserve("OpenBao", wanted.openbao, sockets)
            self.openbao_cluster = _reserve("OpenBao's cluster", 0, sockets)
            self._sockets = sockets.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sockets.close()


def _reserve(owner: str, wanted: int, sockets: ExitStack) -> int:
    reserved = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        reserved.bind((HOST, wanted))
    except OSError as error:
        refusal = _why(error)
    else:
        _, port = reserved.getsockname()
        return int(port)
    raise StackError(
        f"{owner} cannot use port {wanted} on {HOST}: {refusal}",
        expected="a port that is free",
        next_step="name another port, or 0 for a free one",
    )


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return f"the system refuses it ({error.strerror})"


def _check(wanted: StackPorts) -> None:
    named = [port for port in (wanted.nats, wanted.postgres, wanted.openbao) if port]
    if any(not 0 < port <= _HIGHEST for port in named):
        raise StackError(
            f"these are not all TCP ports: {_names(wanted)}",
            expected=f"numbers from 1 to {_HIGHEST}",
            next_step="name other ports, or 0 for free ones",
        )
    if len(named) != len(set(named)):
        raise StackError(
            f"one port is named for two servers: {_names(wanted)}",
            expected="a port for each",
            next_step="name different ports, or 0 for free ones",
        )


def _names(wanted: StackPorts) -> str:
    return f"nats {wanted.nats}, postgres {wanted.postgres}, openbao {wanted.openbao}"
