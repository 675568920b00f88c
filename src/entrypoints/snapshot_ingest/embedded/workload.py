"""What `up` publishes: a simulated fleet, or files."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from attrs import frozen

from snapshot_domain.secret import RawMessage
from snapshot_ingest.embedded.registration import NewDevice, NewTenant
from snapshot_ingest.poller import message_of
from snapshot_ingest.publish_paths import Publication, publication_of
from snapshot_ingest.simulator import Fleet, Simulation, start_that_ends_at
from snapshot_ingest.tenants import DEMO_TENANT


class Workload(Protocol):
    """Messages to publish, and who must be registered before."""

    @property
    def message_count(self) -> int:
        """How many messages there are."""
        ...

    def tenants(self) -> Sequence[NewTenant]:
        """The tenants to register."""
        ...

    def devices(self) -> Iterable[NewDevice]:
        """The devices to register."""
        ...

    def messages(self) -> Iterator[tuple[str, RawMessage]]:
        """Subject and body of each message, in order, made when their turn comes."""
        ...


@frozen
class SimulatedWorkload:
    """A fleet of made-up routers over several rounds."""

    simulation: Simulation

    @property
    def message_count(self) -> int:
        """See Workload."""
        return self.simulation.totals().published

    def tenants(self) -> Sequence[NewTenant]:
        """See Workload."""
        return [NewTenant(each.tenant_id, each.name) for each in self.simulation.fleet.tenants()]

    def devices(self) -> Iterable[NewDevice]:
        """See Workload."""
        return (
            NewDevice(each.device_id, each.tenant_id, each.hostname, each.ip_address)
            for each in self.simulation.fleet.devices()
        )

    def messages(self) -> Iterator[tuple[str, RawMessage]]:
        """See Workload."""
        return ((each.subject, each.body) for each in self.simulation.messages())


@frozen
class FilesWorkload:
    """Files as the poller would send them."""

    publication: Publication

    @property
    def message_count(self) -> int:
        """See Workload."""
        return self.publication.poll_count

    def tenants(self) -> Sequence[NewTenant]:
        """See Workload."""
        tenant_id = self.publication.tenant_id
        return [NewTenant(tenant_id, f"tenant-{tenant_id}")]

    def devices(self) -> Iterable[NewDevice]:
        """See Workload."""
        return (
            NewDevice(each.device_id, each.tenant_id, each.name, "127.0.0.1")
            for each in self.publication.devices
        )

    def messages(self) -> Iterator[tuple[str, RawMessage]]:
        """See Workload."""
        return map(message_of, self.publication.polls())


@frozen
class NoWorkload:
    """Nothing: others publish."""

    message_count: int = 0

    def tenants(self) -> Sequence[NewTenant]:
        """See Workload."""
        return ()

    def devices(self) -> Iterable[NewDevice]:
        """See Workload."""
        return ()

    def messages(self) -> Iterator[tuple[str, RawMessage]]:
        """See Workload."""
        return iter(())


def workload_of(
    *, simulate: int | None, publish: Sequence[Path], seed: int, rounds: int, now: datetime
) -> Workload:
    """The workload that the command line asks for. Raises `PublishError`."""
    if simulate is not None:
        fleet = Fleet(seed=seed, device_count=simulate)
        return SimulatedWorkload(Simulation(fleet, start_that_ends_at(now, rounds), rounds=rounds))
    if publish:
        return FilesWorkload(publication_of(publish, tenant_id=DEMO_TENANT, now=now))
    return NoWorkload()
