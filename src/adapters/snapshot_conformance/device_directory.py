"""The contract of DeviceDirectory, for any adapter to subclass."""

from typing import Protocol
from uuid import uuid4

import pytest

from snapshot_domain.model import DeviceId, TenantId
from snapshot_domain.ports import DeviceDirectory


class DirectoryWorld(Protocol):
    """A DeviceDirectory under test, and the devices it looks at.

    The contract makes devices of its own for each test, so one world may serve many tests.
    """

    @property
    def directory(self) -> DeviceDirectory:
        """The adapter under test."""
        ...

    async def register(self, device: DeviceId, tenant: TenantId) -> None:
        """The device (and its tenant) is there from now on; one that is there moves."""
        ...

    async def remove(self, device: DeviceId) -> None:
        """The device is gone."""
        ...


class DeviceDirectoryContract:
    """Subclass it and give it a `world`."""

    @pytest.fixture
    async def world(self) -> DirectoryWorld:
        """The adapter under test and what is around it; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the world")

    async def test_devices_of_several_tenants_are_looked_up_at_once(
        self, world: DirectoryWorld
    ) -> None:
        owners = {DeviceId(uuid4()): TenantId(uuid4()) for _ in range(5)}
        for device, tenant in owners.items():
            await world.register(device, tenant)
        assert dict(await world.directory.owners(owners.keys())) == owners

    async def test_an_unknown_device_is_absent(self, world: DirectoryWorld) -> None:
        known, tenant = DeviceId(uuid4()), TenantId(uuid4())
        await world.register(known, tenant)
        found = await world.directory.owners({known, DeviceId(uuid4())})
        assert dict(found) == {known: tenant}

    async def test_only_what_was_asked_for_is_answered(self, world: DirectoryWorld) -> None:
        asked, other = DeviceId(uuid4()), DeviceId(uuid4())
        for device in (asked, other):
            await world.register(device, TenantId(uuid4()))
        assert set(await world.directory.owners({asked})) == {asked}

    async def test_nothing_asked_is_nothing_answered(self, world: DirectoryWorld) -> None:
        assert dict(await world.directory.owners(set())) == {}

    async def test_a_device_that_moved_has_its_new_owner(self, world: DirectoryWorld) -> None:
        device, owner = DeviceId(uuid4()), TenantId(uuid4())
        await world.register(device, TenantId(uuid4()))
        await world.register(device, owner)
        assert dict(await world.directory.owners({device})) == {device: owner}

    async def test_a_removed_device_is_unknown(self, world: DirectoryWorld) -> None:
        device = DeviceId(uuid4())
        await world.register(device, TenantId(uuid4()))
        await world.remove(device)
        assert dict(await world.directory.owners({device})) == {}
