"""The users at NATS, and the least that each must be allowed."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen

INBOX_PREFIX = "_INBOX_snapshot_ingest"

_INBOX = (f"{INBOX_PREFIX}.>",)
_STREAM = "DEVICE_EVENTS"
_OWN_STREAM = "CONFIG_SNAPSHOTS"
_EVENTS_STREAM = "SNAPSHOT_EVENTS"
_CONSUMER = "config_snapshot_ingest"


@frozen
class NatsLogin:
    """How a client logs in; the password stays in its file, which has no trailing newline."""

    user: str
    password_file: Path


@frozen
class NatsUser:
    """A user, and the subjects that it may publish on and listen to; all where that is None."""

    name: str
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None

    @property
    def file_name(self) -> str:
        """The name of the file that holds its password."""
        return f"nats_{self.name}.password"


INGEST = NatsUser(
    "ingest",
    publish=(
        f"$JS.API.CONSUMER.MSG.NEXT.{_STREAM}.{_CONSUMER}",
        f"$JS.ACK.{_STREAM}.{_CONSUMER}.>",
        f"$JS.API.CONSUMER.INFO.{_STREAM}.{_CONSUMER}",
        f"$JS.API.STREAM.INFO.{_STREAM}",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{_STREAM}.{_CONSUMER}",
        f"$JS.API.CONSUMER.DELETE.{_STREAM}.{_CONSUMER}",
        # Nobody else's messages are on this stream, and `status` says how long the oldest waits.
        f"$JS.API.STREAM.MSG.GET.{_STREAM}",
        # Where events are on.
        "snapshot_ingest.stored.>",
    ),
    subscribe=_INBOX,
)

PROVISION = NatsUser(
    "provision",
    publish=(
        f"$JS.API.STREAM.INFO.{_STREAM}",
        f"$JS.API.CONSUMER.INFO.{_STREAM}.{_CONSUMER}",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{_STREAM}.{_CONSUMER}",
        f"$JS.API.CONSUMER.DELETE.{_STREAM}.{_CONSUMER}",
        f"$JS.API.STREAM.CREATE.{_STREAM}",
        f"$JS.API.STREAM.INFO.{_OWN_STREAM}",
        f"$JS.API.STREAM.CREATE.{_OWN_STREAM}",
        f"$JS.API.CONSUMER.INFO.{_OWN_STREAM}.{_CONSUMER}",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{_OWN_STREAM}.{_CONSUMER}",
        f"$JS.API.STREAM.INFO.{_EVENTS_STREAM}",
        f"$JS.API.STREAM.CREATE.{_EVENTS_STREAM}",
    ),
    subscribe=_INBOX,
)

# Whoever runs `up` is the poller too, who publishes, and the server's administrator.
ADMIN = NatsUser("admin")

USERS = (INGEST, PROVISION, ADMIN)


def users_config(passwords: Mapping[str, str], users: Iterable[NatsUser]) -> str:
    """Returns the part of the server's configuration that lets these users in, and nobody else.

    >>> print(users_config({"w": "pw"}, [NatsUser("w", ("a.b",), ("c.>",))]))
    authorization { users: [
      { user: "w", password: "pw", permissions: { publish: ["a.b"], subscribe: ["c.>"] } }
    ] }
    <BLANKLINE>
    """
    lines = "\n".join(f"  {_line(user, passwords[user.name])}" for user in users)
    return f"authorization {{ users: [\n{lines}\n] }}\n"


def _line(user: NatsUser, password: str) -> str:
    login = f"user: {json.dumps(user.name)}, password: {json.dumps(password)}"
    allowed = {"publish": user.publish, "subscribe": user.subscribe}
    limits = ", ".join(
        f"{direction}: {json.dumps(subjects)}"
        for direction, subjects in allowed.items()
        if subjects is not None
    )
    return f"{{ {login}, permissions: {{ {limits} }} }}" if limits else f"{{ {login} }}"
