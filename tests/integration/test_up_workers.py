"""A second worker beside `up`: both ingest, and the figures are right whatever becomes of it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM
from typing import Any

from attrs import frozen

from support.command import RunningCommand, finished, running
from support.files import small_fleet
from support.http import metric
from support.rows import rows_by_device_count
from support.waiting import until_true

_DEVICES = 400
_SMALL_BATCHES = ("--set", "worker.batch_messages=5")
# What was in hand when a worker was killed comes again only after the consumer's ack_wait.
_AFTER_ACK_WAIT_SECONDS = 75


@frozen
class _Pair:
    folder: Path
    up: RunningCommand
    stack: dict[str, Any]
    second: RunningCommand
    second_url: str

    async def publish(self, version: int, *options: str) -> None:
        fleet = small_fleet(self.folder, _DEVICES, version=version)
        config = ("--config", self.folder / "data" / "snapshot-ingest.toml")
        code, publishing = await finished(*config, "publish", fleet, *options, folder=self.folder)
        assert code == 0, publishing.stderr

    async def until_stored(self, rows_per_device: int, *, seconds: float = 30) -> None:
        dsn = self.stack["postgres_admin_dsn"]

        async def is_stored() -> bool:
            return await rows_by_device_count(dsn) == {rows_per_device: _DEVICES}

        await until_true(is_stored, seconds=seconds)

    async def stopped(self) -> dict[str, Any]:
        self.up.signal_group(SIGINT)
        assert await self.up.ended() == 0, self.up.stderr
        return self.up.summary


@asynccontextmanager
async def _pair(folder: Path) -> AsyncIterator[_Pair]:
    data_dir = folder / "data"
    config = ("--config", data_dir / "snapshot-ingest.toml")
    async with running(
        *_SMALL_BATCHES, "up", "--data-dir", data_dir, "--json", folder=folder
    ) as up:
        stack = await up.stack(data_dir)
        async with running(*config, *_SMALL_BATCHES, "run", folder=folder) as second:
            yield _Pair(folder, up, stack, second, await second.worker_url())


async def test_both_ingest_and_the_summary_is_over_both(tmp_path: Path) -> None:
    async with _pair(tmp_path) as pair:
        await pair.publish(1, "--register")
        await pair.until_stored(1)
        shares = [
            await metric(url, "config_snapshot_ingested_total")
            for url in (pair.stack["http_url"], pair.second_url)
        ]
        assert min(shares) > 0
        assert sum(shares) == _DEVICES
        pair.second.signal(SIGTERM)
        assert await pair.second.ended() == 0
        figures = await pair.stopped()
    assert (figures["published"], figures["stored"]) == (_DEVICES, _DEVICES)
    assert (figures["unchanged"], figures["backlog"], figures["redelivered"]) == (0, 0, 0)


async def test_a_second_worker_that_is_killed_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    async with _pair(tmp_path) as pair:
        await pair.publish(1, "--register")
        await pair.until_stored(1)
        openbao = pair.stack["pids"]["openbao"]
        os.kill(openbao, SIGSTOP)
        try:
            await pair.publish(2)
            await until_true(lambda: _has_some_in_hand(pair.second_url))
            pair.second.signal(SIGKILL)
            await pair.second.ended()
        finally:
            os.kill(openbao, SIGCONT)
        await pair.until_stored(2, seconds=_AFTER_ACK_WAIT_SECONDS)
        figures = await pair.stopped()
    assert (figures["published"], figures["stored"]) == (2 * _DEVICES, 2 * _DEVICES)
    assert (figures["unchanged"], figures["backlog"]) == (0, 0)
    assert figures["redelivered"] > 0


async def _has_some_in_hand(url: str) -> bool:
    return await metric(url, "snapshot_ingest_in_flight_messages") > 0
