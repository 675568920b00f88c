"""`snapshot-ingest shred` without a server."""

from typing import Any

import asyncpg
import pytest
from attrs import evolve
from typed_settings import Secret

from snapshot_ingest.clock import SystemClock
from snapshot_ingest.commands.shred import open_reach
from snapshot_ingest.operator.opening import LOOK_SECONDS
from snapshot_ingest.settings import OpenBaoSettings, PostgresSettings, Settings
from snapshot_postgres import Pool


async def test_its_looks_at_a_whole_table_may_take_as_long_as_those_of_a_rewrap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing but the driver knows the time that it was given, so it is listened to."""
    create_pool = asyncpg.create_pool
    given: list[float] = []

    def listen(dsn: str, *, command_timeout: float, **others: Any) -> Pool:
        given.append(command_timeout)
        return create_pool(dsn, command_timeout=command_timeout, **others)

    monkeypatch.setattr(asyncpg, "create_pool", listen)
    postgres = PostgresSettings(dsn=Secret("postgresql://somebody@127.0.0.1/none"))
    openbao = OpenBaoSettings(url="http://127.0.0.1:8200", token=Secret("none"))
    settings = Settings()
    settings = evolve(
        settings,
        operator=evolve(settings.operator, postgres=postgres),
        reader=evolve(settings.reader, postgres=postgres, openbao=openbao),
    )
    async with open_reach(settings, SystemClock()):
        assert given == [LOOK_SECONDS, LOOK_SECONDS]
    assert LOOK_SECONDS >= 900
