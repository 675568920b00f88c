"""Who tests and what they test are at NATS: the users of deploy/nats, and an administrator."""

from collections.abc import Mapping
from datetime import timedelta

from attrs import evolve, field, frozen
from typed_settings import Secret

from snapshot_ingest.settings import NatsSettings
from snapshot_ingest.stack import INBOX_PREFIX, StackAddresses
from snapshot_ingest.stack.nats_users import USERS
from snapshot_nats import ConnectionSettings
from support.deploy import nats_permissions

ADMIN = "admin"
"""Makes, breaks and looks at what is tested, and publishes as the poller does."""

INGEST = "ingest"
"""A worker on whichever stream a test has made: for that the shipped subjects name no stream."""

PROVISION = "provision"

INGEST_OWN = "ingest_own"
"""A worker on the stream for snapshots alone, as docs/operating.md says that it gets there."""

PASSWORD = "n4ts-passw0rd"
_SHARED, _OWN, _CONSUMER = "DEVICE_EVENTS", "CONFIG_SNAPSHOTS", "config_snapshot_ingest"


def _anywhere(subject: str) -> str:
    return subject.replace(_SHARED, "*").replace(_CONSUMER, "*")


STACK_USERS = tuple(
    evolve(user, publish=tuple(map(_anywhere, user.publish)))
    if user.name == INGEST and user.publish is not None
    else user
    for user in USERS
)
"""The embedded stack's, whose worker is on whichever stream a test has made."""

_PERMISSIONS = {
    ADMIN: "",
    INGEST: _anywhere(nats_permissions("ingest")),
    INGEST_OWN: nats_permissions("ingest").replace(_SHARED, _OWN),
    PROVISION: nats_permissions("provision"),
}

SHIPPED_USERS = "authorization {{ users: [\n{}\n] }}\n".format(
    "\n".join(
        f'{{\nuser: {user}\npassword: "{PASSWORD}"\n{permissions}}}'
        for user, permissions in _PERMISSIONS.items()
    )
)
"""Configuration of a server that lets in these users alone."""


@frozen
class NatsAccess:
    """Where a server is, and the passwords of its users by their names."""

    url: str
    passwords: Mapping[str, str] = field(repr=False)

    @classmethod
    def shipped(cls, url: str) -> "NatsAccess":
        """A server that was configured with `SHIPPED_USERS`."""
        return cls(url, dict.fromkeys(_PERMISSIONS, PASSWORD))

    @classmethod
    def of(cls, addresses: StackAddresses) -> "NatsAccess":
        """The embedded stack's."""
        logins = (addresses.nats_ingest, addresses.nats_provision, addresses.nats_admin)
        passwords = {login.user: login.password_file.read_text("utf-8") for login in logins}
        return cls(addresses.nats_server, passwords)

    def at(self, url: str) -> "NatsAccess":
        """The same users, elsewhere."""
        return evolve(self, url=url)

    def settings(self, user: str) -> NatsSettings:
        """The settings of that user, as `[nats]` has them."""
        return NatsSettings(
            url=self.url,
            user=user,
            password=Secret(self.passwords[user]),
            inbox_prefix=INBOX_PREFIX,
        )

    def connection(self, user: str) -> ConnectionSettings:
        """That user's connection, which is soon there again."""
        return ConnectionSettings(
            servers=tuple(self.url.split(",")),
            user=user,
            password=self.passwords[user],
            inbox_prefix=INBOX_PREFIX,
            reconnect_wait=timedelta(seconds=0.05),
        )
