"""Who is let in to the embedded stack's NATS, and that what an earlier version made still opens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import evolve
from nats.js.errors import NotFoundError

from snapshot_domain.errors import Misconfigured
from snapshot_ingest.embedded.setting_up import set_up
from snapshot_ingest.stack import EmbeddedStack
from snapshot_nats import ConnectionSettings, SafeClient, connect
from snapshot_nats.denials import SubjectDenied
from support.nats_users import ADMIN, INGEST, PROVISION, NatsAccess

_STREAM = "DEVICE_EVENTS"
_SUBJECT = "config.snapshot.create.6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"


@asynccontextmanager
async def _connected(settings: ConnectionSettings) -> AsyncIterator[SafeClient]:
    client = await connect(settings)
    try:
        yield client
    finally:
        await client.close()


async def test_nobody_is_let_in_without_a_login_or_with_a_wrong_one(stack: EmbeddedStack) -> None:
    access = NatsAccess.of(stack.addresses)
    nobody = ConnectionSettings(servers=(access.url,))
    for settings in (nobody, evolve(access.connection(ADMIN), password="wrong")):
        with pytest.raises(Misconfigured):
            await connect(settings)


@pytest.mark.parametrize("user", [INGEST, PROVISION])
async def test_only_the_administrator_may_do_what_no_role_needs(
    stack: EmbeddedStack, user: str
) -> None:
    access = NatsAccess.of(stack.addresses)
    async with _connected(access.connection(user)) as client:
        with pytest.raises(SubjectDenied):
            await client.jetstream().delete_stream(_STREAM)
        with pytest.raises(SubjectDenied):
            await client.jetstream().publish(_SUBJECT, b"{}")
    async with _connected(access.connection(ADMIN)) as client:
        with pytest.raises(NotFoundError):
            await client.jetstream().delete_stream("STACK_NOWHERE")


async def test_the_passwords_stay_the_same_and_an_earlier_version_s_directory_gets_some(
    tmp_path: Path,
) -> None:
    async with EmbeddedStack(tmp_path) as stack:
        await set_up(tmp_path, stack.addresses, ())
        first = NatsAccess.of(stack.addresses)
        async with _connected(first.connection(ADMIN)) as client:
            await client.jetstream().publish(_SUBJECT, b"kept")
    async with EmbeddedStack(tmp_path) as stack:
        assert NatsAccess.of(stack.addresses).passwords == first.passwords
    for file in (tmp_path / "secrets").glob("nats_*"):
        file.unlink()
    async with EmbeddedStack(tmp_path) as stack:
        access = NatsAccess.of(stack.addresses)
        assert set(access.passwords.values()).isdisjoint(first.passwords.values())
        ready = await set_up(tmp_path, stack.addresses, ())
        assert ready.settings.nats.user == INGEST
        async with _connected(access.connection(ADMIN)) as client:
            assert (await client.jetstream().get_msg(_STREAM, 1)).data == b"kept"
