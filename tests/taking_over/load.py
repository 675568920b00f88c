"""What the pollers publish throughout, and what of it must be stored."""

import asyncio
import hashlib
import random
from collections import Counter
from datetime import datetime, timedelta

from attrs import define, field

from support.handing_over import HandedOver
from support.messages import MORNING, device

_CHANGED = 0.5
_OWNER = "acme"


@define
class Load:
    """So many devices, so many snapshots a second, half of them changed; each an hour later."""

    world: HandedOver
    devices: int
    rate: float
    chance: random.Random = field(factory=lambda: random.Random(1))
    published: int = 0
    texts: dict[str, list[str]] = field(factory=dict)

    @property
    def expected(self) -> Counter[tuple[str, str]]:
        """Of each device how often each digest must be stored: at each change to that text."""
        return Counter(
            (of, hashlib.sha256(text.encode()).hexdigest())
            for of, texts in self.texts.items()
            for text, before in zip(texts, [None, *texts], strict=False)
            if text != before
        )

    async def register(self) -> None:
        """Registers the devices."""
        for number in range(self.devices):
            await self.world.register(f"load-{number}", _OWNER)

    async def publish(self) -> None:
        """Publishes until it is cancelled; what the stream has taken counts."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            of = f"load-{self.published % self.devices}"
            texts = self.texts.setdefault(of, [])
            text = f"{of} {len(texts)}" if self._changes(texts) else texts[-1]
            at = MORNING + len(texts) * timedelta(hours=1)
            # Not torn apart: whatever was published counts, and nothing else does.
            await asyncio.shield(self._publish_one(of, text, texts, at))
            due += 1 / self.rate
            await asyncio.sleep(due - loop.time())

    async def _publish_one(self, of: str, text: str, texts: list[str], at: datetime) -> None:
        texts.append(text)
        self.published += 1
        await self.world.publish(text, of=of, owner=_OWNER, at=at)

    def _changes(self, texts: list[str]) -> bool:
        return not texts or self.chance.random() < _CHANGED


async def stored(world: HandedOver, devices: int) -> Counter[tuple[str, str]]:
    """Of each device how often each digest is stored."""
    rows = await world.postgres.admin.fetch(
        "SELECT device_id, sha256_hash FROM router_config_snapshots"
    )
    names = {device(f"load-{number}"): f"load-{number}" for number in range(devices)}
    return Counter((names[row["device_id"]], row["sha256_hash"]) for row in rows)
