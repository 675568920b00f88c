"""docs/how-to/listen.md: each of its blocks works as it stands there."""

import asyncio
import json
import re
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from snapshot_conformance.repository_world import Story
from snapshot_domain.errors import Misconfigured
from snapshot_domain.model import StoredPosition
from snapshot_domain.ports import NamedListener
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.settings import EventsSettings
from snapshot_ingest.settings.loading import load_settings
from snapshot_ingest.stack import EmbeddedStack
from snapshot_nats.event_publisher import event_body
from support.listening import MoodyListener, notice
from support.real_world import RealWorld, real_world
from support.waiting import until, until_true

_PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "listen.md").read_text("utf-8")
_BLOCKS = [
    (language, text)
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```", _PAGE, re.DOTALL | re.MULTILINE)
]
_FROM_NOW_ON, _AFTER_A_RESTORE = (text for language, text in _BLOCKS if language == "sql")
_ANOTHER_CLUSTER = """
UPDATE snapshot_ingest.snapshots
SET stored_in = (stored_in::text::bigint + 1000000000)::text::xid8;
UPDATE snapshot_ingest.positions
SET transaction = (transaction::text::bigint + 1000000000)::text::xid8, holder = NULL,
    held_until = NULL;
"""


@pytest_asyncio.fixture(loop_scope="session")
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as running:
        yield running


def _block(language: str) -> str:
    [text] = [str(text) for each, text in _BLOCKS if each == language]
    return text


def test_every_block_is_run_by_a_test() -> None:
    assert sorted(language for language, _ in _BLOCKS) == ["json", "python", "sql", "sql", "toml"]


async def test_the_listener_is_told(
    world: RealWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: dict[str, Any] = {}
    exec(_block("python"), names)  # noqa: S102 - the page's own example
    ingest = cast("Callable[[asyncio.Event], Awaitable[None]]", names["ingest"])
    monkeypatch.chdir(tmp_path)
    until_shutdown = asyncio.Event()
    running = asyncio.ensure_future(ingest(until_shutdown))
    for text in "AB":
        await world.publish(text, at=None)

    async def is_settled() -> bool:
        return not await world.unsettled()

    await until_true(is_settled)
    until_shutdown.set()
    await running
    assert capsys.readouterr().out == "a first snapshot\na change\n"


async def test_a_name_may_begin_with_what_is_stored_from_now_on(world: RealWorld) -> None:
    story, listener = await Story(world.postgres).begin(), MoodyListener()
    await story.stored("A", 1)
    await world.postgres.admin.execute(_FROM_NOW_ON)
    stored = await story.stored("B", 2)
    await _tell(world, listener, stored.snapshot_id)
    assert [each.snapshot_id for each in listener.told] == [stored.snapshot_id]


def test_the_settings_are_those_of_events_with_their_defaults(tmp_path: Path) -> None:
    config = tmp_path / "snapshot-ingest.toml"
    config.write_text(_block("toml"))
    assert load_settings(config, (), {}).events == EventsSettings(enabled=True)
    assert set(tomllib.loads(_block("toml"))) == {"events"}


def test_the_event_has_the_fields_that_are_shown_in_that_order() -> None:
    shown = json.loads(_block("json"))
    assert list(shown) == list(json.loads(event_body(notice(1), plain_digests=True)))


async def test_after_a_restore_elsewhere_what_was_not_told_is_told_and_nothing_else(
    world: RealWorld,
) -> None:
    story, listener = await Story(world.postgres).begin(), MoodyListener()
    told = await story.stored("A", 1)
    await _tell(world, listener, told.snapshot_id)
    untold = [await story.stored("B", 2), await story.stored("C", 3)]
    await world.postgres.admin.execute(_ANOTHER_CLUSTER)
    kept = await world.postgres.admin.fetchval(
        "SELECT transaction::text FROM snapshot_ingest.positions"
    )
    with pytest.raises(Misconfigured, match=r"listen\.md"):
        await world.postgres.stored_snapshots.since(StoredPosition.parse(kept), 1)
    await world.postgres.admin.execute(_AFTER_A_RESTORE)
    later = await story.stored("D", 4)
    await _tell(world, listener, later.snapshot_id)
    expected = [told, *untold, later]
    assert [each.snapshot_id for each in listener.told] == [each.snapshot_id for each in expected]


async def _tell(world: RealWorld, listener: MoodyListener, last: object) -> None:
    """A process that has this listener, until it was told of the last one."""
    listeners = [NamedListener("history", listener)]
    async with (
        open_ingestion(world.settings(), listeners=listeners) as ingestion,
        ingestion.running(),
    ):
        await until(lambda: any(each.snapshot_id == last for each in listener.told))
