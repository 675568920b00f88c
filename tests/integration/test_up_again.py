"""A second `up` on the same directory continues where the first one ended."""

import os
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGSTOP

from support.command import finished, processes_of, running
from support.files import small_fleet
from support.http import metric
from support.rows import rows_by_device_count
from support.waiting import until_true

_DEVICES = 40
_ONE_AT_A_TIME = ("--set", "worker.batch_messages=1", "--set", "worker.batches_in_flight=1")


async def test_a_backlog_that_was_left_behind_is_ingested_and_nothing_twice(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "data"
    start = ("up", "--data-dir", data_dir, "--json")
    async with running(*_ONE_AT_A_TIME, *start, folder=tmp_path) as first:
        stack = await first.stack(data_dir)
        await _publish(tmp_path, data_dir, 1, "--register")
        await _until(stack["http_url"], "config_snapshot_ingested_total", _DEVICES)
        openbao = stack["pids"]["openbao"]
        os.kill(openbao, SIGSTOP)
        try:
            await _publish(tmp_path, data_dir, 2)
            await _until(stack["http_url"], "snapshot_ingest_in_flight_messages", 1)
            first.signal_group(SIGINT)
        finally:
            os.kill(openbao, SIGCONT)
        assert await first.ended() == 0, first.stderr
    assert processes_of(data_dir) == []
    figures = first.summary
    left = figures["backlog"]
    assert figures["published"] == 2 * _DEVICES
    assert 0 < left <= _DEVICES
    assert figures["stored"] == 2 * _DEVICES - left

    code, second = await finished(*start, "--until-idle", folder=tmp_path)
    assert code == 0, second.stderr
    figures = second.summary
    assert figures["published"] == figures["stored"] == left
    assert figures["unchanged"] == figures["backlog"] == 0

    async with running(*start, folder=tmp_path) as third:
        stack = await third.stack(data_dir)
        assert await rows_by_device_count(stack["postgres_admin_dsn"]) == {2: _DEVICES}
        third.signal_group(SIGINT)
        assert await third.ended() == 0, third.stderr
    assert third.summary == dict.fromkeys(figures, 0) | {"seconds": third.summary["seconds"]}


async def _publish(folder: Path, data_dir: Path, version: int, *options: str) -> None:
    fleet = small_fleet(folder, _DEVICES, version=version)
    config = ("--config", data_dir / "snapshot-ingest.toml")
    code, publishing = await finished(*config, "publish", fleet, *options, folder=folder)
    assert code == 0, publishing.stderr


async def _until(url: str, name: str, value: float) -> None:
    async def is_reached() -> bool:
        return await metric(url, name) >= value

    await until_true(is_reached)
