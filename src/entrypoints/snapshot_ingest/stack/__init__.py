"""Real nats-server, PostgreSQL and OpenBao on loopback, from their wheels."""

from snapshot_ingest.stack.addresses import Pids, StackAddresses
from snapshot_ingest.stack.errors import StackError
from snapshot_ingest.stack.nats_users import INBOX_PREFIX, NatsLogin, NatsUser
from snapshot_ingest.stack.openbao_roles import AppRole
from snapshot_ingest.stack.ports import StackPorts
from snapshot_ingest.stack.stack import EmbeddedStack, ServerName

__all__ = [
    "INBOX_PREFIX",
    "AppRole",
    "EmbeddedStack",
    "NatsLogin",
    "NatsUser",
    "Pids",
    "ServerName",
    "StackAddresses",
    "StackError",
    "StackPorts",
]
