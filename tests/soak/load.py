"""A steady load with all that a fleet brings: changes, none, repeats, late ones, bad ones."""

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random

from attrs import define, field

from snapshot_domain.errors import Unavailable
from snapshot_domain.secret import RawMessage
from snapshot_ingest.simulator.routeros import export_of
from snapshot_nats import SnapshotPublisher
from support.messages import MORNING, device, message, tenant
from support.real_world import RealWorld

_DEVICES = 30
_TENANTS = ("acme", "zeta", "umbra")
_SHARES = {
    "changed": 0.40,
    "unchanged": 0.30,
    "repeated": 0.15,
    "late": 0.05,
    "malformed": 0.05,
    "orphan": 0.05,
}
_TICK_SECONDS = 0.5
_ANSWER = timedelta(seconds=3)
_POLL = timedelta(minutes=1)


@define
class _Router:
    """One device: its text without the version, which version it has, and its latest message."""

    name: str
    owner: str
    text: str
    version: int = 0
    polls: int = 0
    latest: RawMessage | None = None


@define
class Load:
    """Publishes so many messages a second until it is cancelled, and counts what was taken."""

    world: RealWorld
    a_second: int
    draw: Random = field(factory=lambda: Random(3))
    acknowledged: Counter[str] = field(factory=Counter)
    unanswered: int = 0
    _routers: list[_Router] = field(factory=list)

    async def prepare(self) -> None:
        """Registers the devices."""
        for number in range(_DEVICES):
            router = _Router(
                name=f"soak-{number}",
                owner=_TENANTS[number % len(_TENANTS)],
                text=export_of(5, number, 0).reveal().decode(),
            )
            await self.world.register(router.name, router.owner)
            self._routers.append(router)

    async def run(self) -> None:
        """A NATS server that is away costs the messages of that time: pollers poll again."""
        publisher = SnapshotPublisher(self.world.place.client, answer_timeout=_ANSWER)
        a_tick = round(self.a_second * _TICK_SECONDS)
        while True:
            messages = [self._next_message() for _ in range(a_tick)]
            await asyncio.gather(
                *(self._publish(publisher, kind, body) for kind, body in messages),
                asyncio.sleep(_TICK_SECONDS),
            )

    async def _publish(self, publisher: SnapshotPublisher, kind: str, body: RawMessage) -> None:
        try:
            await publisher.publish(self.world.place.subject, body)
        except Unavailable:
            self.unanswered += 1
        else:
            self.acknowledged[kind] += 1

    def _next_message(self) -> tuple[str, RawMessage]:
        (kind,) = self.draw.choices(list(_SHARES), list(_SHARES.values()))
        router = self.draw.choice(self._routers)
        if kind == "repeated" and router.latest is not None:
            return kind, router.latest
        if kind == "changed" or router.latest is None:
            router.version += 1
        router.polls += 1
        body = self._body(kind, router)
        if kind in ("changed", "unchanged"):
            router.latest = body
        return kind, body

    def _body(self, kind: str, router: _Router) -> RawMessage:
        of = device("nobody knows it" if kind == "orphan" else router.name)
        text, at = f"{router.text}# version {router.version}\n", MORNING + router.polls * _POLL
        if kind == "late":
            text, at = f"{text}# late\n", at - self.draw.randrange(1, 30) * _POLL
        body = message(of, tenant(router.owner), text, at)
        return RawMessage(body.reveal()[:-1]) if kind == "malformed" else body
