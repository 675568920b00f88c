"""The ports that the embedded stack reserves for its servers."""

import socket

import pytest

from snapshot_ingest.stack import StackPorts
from snapshot_ingest.stack.ports import FREE_PORTS, HOST, ReservedPorts


def test_a_reserved_port_is_refused_to_strangers_until_it_is_given_back() -> None:
    with (
        ReservedPorts(FREE_PORTS) as ports,
        socket.socket() as stranger,
        pytest.raises(OSError, match="Address already in use"),
    ):
        stranger.bind((HOST, ports.nats))
    with socket.socket() as anyone:
        anyone.bind((HOST, ports.nats))


def test_a_server_may_listen_on_a_port_that_is_reserved_for_it_again_and_again() -> None:
    with ReservedPorts(FREE_PORTS) as ports:
        for _ in range(2):
            # create_server sets SO_REUSEADDR, as the three servers do.
            with socket.create_server((HOST, ports.nats)):
                pass


def test_free_ports_are_distinct_and_given_ones_are_kept() -> None:
    with ReservedPorts(FREE_PORTS) as free:
        given = StackPorts(nats=free.nats)
    with ReservedPorts(given) as ports:
        assert ports.nats == given.nats
        assert len({ports.nats, ports.postgres, ports.openbao, ports.openbao_cluster}) == 4
