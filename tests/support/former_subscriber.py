"""The backend's former subscriber, played as it was: plain nats-py, one message at a time."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from enum import Enum, auto
from typing import Any
from uuid import UUID

import nats
from attrs import define, field
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig

from snapshot_domain.model import TenantId
from snapshot_domain.ports import TenantKey
from snapshot_postgres import Pool
from snapshot_postgres.pool import PooledConnection
from support.nats_users import ADMIN, NatsAccess
from support.openbao import RawOpenBao
from support.waiting import until

_NEWEST = """
    SELECT sha256_hash FROM router_config_snapshots
    WHERE device_id = $1 ORDER BY collected_at DESC LIMIT 1
"""
_INSERT = """
    INSERT INTO router_config_snapshots
        (device_id, tenant_id, config_text, sha256_hash, collected_at)
    VALUES ($1, $2, $3, $4, $5)
"""


class Fate(Enum):
    """How far the work on a message comes before the process is gone."""

    WHOLE = auto()
    STORED_NOT_ACKED = auto()
    NOT_BEGUN = auto()


def _whole(_: str) -> Fate:
    return Fate.WHOLE


async def _at_once() -> None:
    """It waits for nothing."""


@define
class FormerSubscriber:
    """One process of it. `fate` says of each text how far it comes; `handled` are the texts.

    `pace` is waited for before each message. After the text `last` it does nothing.
    `begin_to_end` is what its orderly end begins with: it listens no more, and goes on with what
    it has been sent.
    """

    openbao: RawOpenBao
    database: Pool
    fate: Callable[[str], Fate]
    handled: list[str] = field(factory=list)
    last: str | None = None
    pace: Callable[[], Awaitable[object]] = _at_once
    begin_to_end: Callable[[], Awaitable[None]] = _at_once

    async def handle(self, msg: Msg) -> None:
        """Compares with the device's newest row, encrypts, inserts, and acknowledges at last."""
        snapshot = json.loads(msg.data)
        text = snapshot["config_text"]
        await self.pace()
        if self.last is not None:
            return
        fate = self.fate(text)
        if fate is not Fate.NOT_BEGUN:
            await self._store(snapshot)
        if fate is Fate.WHOLE:
            await msg.ack()
        self.handled.append(text)

    async def _store(self, snapshot: dict[str, str]) -> None:
        device, digest = UUID(snapshot["device_id"]), snapshot["sha256_hash"]
        if await self.database.fetchval(_NEWEST, device) == digest:
            return
        await self.insert(snapshot, self.database)

    async def insert(self, snapshot: dict[str, str], session: "Pool | PooledConnection") -> None:
        """Encrypts the text and inserts its row."""
        tenant = TenantId(UUID(snapshot["tenant_id"]))
        text = snapshot["config_text"].encode()
        ciphertext = await self.openbao.encrypt(TenantKey(tenant), text)
        await session.execute(
            _INSERT,
            UUID(snapshot["device_id"]),
            tenant,
            ciphertext.text,
            snapshot["sha256_hash"],
            datetime.fromisoformat(snapshot["collected_at"]),
        )

    async def stop_in_the_middle(self) -> None:
        """Makes it stop between the commit of some message and its acknowledgement; waits for it.

        What it has been sent beyond that stays in its hands.
        """
        whole = self.fate
        began = len(self.handled)

        def fate(text: str) -> Fate:
            is_next = len(self.handled) > began
            self.last = text if is_next else None
            return Fate.STORED_NOT_ACKED if is_next else whole(text)

        self.fate = fate
        await until(lambda: self.last in self.handled[began:], seconds=30, every_seconds=0.01)

    async def until_handled(self, count: int) -> None:
        """Waits until it has had so many messages in hand."""
        await until(lambda: len(self.handled) >= count, seconds=30, every_seconds=0.01)


@asynccontextmanager
async def former_subscriber(
    access: NatsAccess,
    openbao: RawOpenBao,
    database: Pool,
    *,
    stream: str = "DEVICE_EVENTS",
    durable: str = "config_snapshot_ingest",
    subject: str = "config.snapshot.>",
    fate: Callable[[str], Fate] = _whole,
    ack_wait: float | None = None,
) -> AsyncIterator[FormerSubscriber]:
    """It works while the block runs, and is gone at its end as after kill -9.

    An `ack_wait` in seconds, so that tests need not wait for 30, is that of a consumer which is
    not there yet.
    """
    process = FormerSubscriber(openbao, database, fate)
    client = await _connected(access)
    try:
        subscription = await _subscribed(
            client.jetstream(), stream, durable, subject, process, ack_wait
        )

        async def begin_to_end() -> None:
            await client._send_unsubscribe(subscription._id)
            await client.flush()

        process.begin_to_end = begin_to_end
        yield process
    finally:
        await client.close()


async def _connected(access: NatsAccess) -> Client:
    return await nats.connect(access.url, user=ADMIN, password=access.passwords[ADMIN])


async def _subscribed(
    jetstream: JetStreamContext,
    stream: str,
    durable: str,
    subject: str,
    process: FormerSubscriber,
    ack_wait: float | None,
) -> Any:
    # A server that has just lost the former process may still take its subscription for bound.
    async with asyncio.timeout(10):
        while True:
            try:
                return await jetstream.subscribe(
                    subject,
                    durable=durable,
                    stream=stream,
                    cb=process.handle,
                    manual_ack=True,
                    config=None if ack_wait is None else ConsumerConfig(ack_wait=ack_wait),
                )
            except nats.js.errors.Error as error:
                if "already bound" not in str(error):
                    raise
            await asyncio.sleep(0.05)
