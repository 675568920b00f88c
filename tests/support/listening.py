"""Listeners that misbehave, and a store of notices whose transactions may be open."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from attrs import define, field

from snapshot_conformance.repository_world import digest_of
from snapshot_domain.model import DeviceId, SnapshotId, SnapshotKey, StoredPosition, TenantId
from snapshot_domain.ports import SnapshotNotice, StoredPage
from support.messages import MORNING


def notice(transaction: int, number: int = 0) -> SnapshotNotice:
    """A snapshot that the transaction stored."""
    owner = UUID(int=1)
    return SnapshotNotice(
        key=SnapshotKey(
            DeviceId(owner),
            TenantId(owner),
            MORNING + timedelta(minutes=transaction, seconds=number),
            transaction,
            digest_of(f"{transaction} {number}"),
        ),
        snapshot_id=SnapshotId(UUID(int=transaction * 1_000 + number)),
        previous_id=None,
        next_id=None,
        position=StoredPosition(transaction),
        plaintext_bytes=1,
        stored_bytes=1,
        format="transit",
    )


@define
class OpenTransactions:
    """A StoredSnapshots: what is committed is read, up to the oldest transaction that is open."""

    committed: list[SnapshotNotice] = field(factory=list)
    opened: set[int] = field(factory=set)
    nothing_up_to: int = 0
    fault: BaseException | None = None
    asking: int = 0
    asked_at_once: int = 0
    read: list[StoredPosition] = field(factory=list)
    answers: asyncio.Event = field(factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        self.answers.set()

    def commit(self, *notices: SnapshotNotice) -> Sequence[SnapshotNotice]:
        """They are stored."""
        self.committed += notices
        self.opened -= {each.position.transaction for each in notices}
        return notices

    async def since(self, position: StoredPosition, limit: int) -> StoredPage:
        """See StoredSnapshots."""
        self.asking += 1
        self.asked_at_once = max(self.asked_at_once, self.asking)
        await asyncio.sleep(0)
        await self.answers.wait()
        self.asking -= 1
        if self.fault is not None:
            raise self.fault
        self.read.append(position)
        newest = max(
            (each.position.transaction for each in self.committed), default=self.nothing_up_to
        )
        horizon = StoredPosition(min(self.opened, default=newest + 1) - 1)
        found = sorted(
            (each for each in self.committed if position < each.position <= horizon),
            key=lambda each: (each.position, each.key.position),
        )
        read_to = found[limit - 1].position if len(found) >= limit else horizon
        return StoredPage([each for each in found if each.position <= read_to], read_to)


@define
class MoodyListener:
    """Keeps what it took. Fails while `fault` is set, and takes none while `is_hanging`."""

    told: list[SnapshotNotice] = field(factory=list)
    calls: list[tuple[float, int]] = field(factory=list)
    fault: BaseException | None = None
    is_hanging: bool = False
    ends_when_cancelled: bool = True

    @property
    def transactions(self) -> list[int]:
        """Of what it took, in the order in which it took it."""
        return [each.position.transaction for each in self.told]

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        """See SnapshotListener."""
        self.calls.append((asyncio.get_running_loop().time(), len(notices)))
        while self.is_hanging:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                if self.ends_when_cancelled:
                    raise
        if self.fault is not None:
            raise self.fault
        self.told += notices
