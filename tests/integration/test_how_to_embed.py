"""Each block of docs/how-to/embed.md ingests, as it stands there."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import litestar
import prometheus_client
import pytest
from prometheus_client import CollectorRegistry

from snapshot_ingest.stack import EmbeddedStack
from support.postgres import INGEST_PASSWORD
from support.real_world import RealWorld, real_world
from support.unchanged_logging import unchanged_logging
from support.waiting import until_true

__all__ = ["unchanged_logging"]  # Litestar sets up that of the process

_PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "embed.md").read_text()
_BLOCKS = re.findall(
    r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL
)


@pytest.fixture
async def world(
    stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RealWorld]:
    """Where the page's names lead somewhere."""
    async with real_world(stack, tmp_path) as world:
        database = world.postgres.database
        dsn = database.dsn_of(database.ingest_role).replace("@", f":{INGEST_PASSWORD}@")
        monkeypatch.setenv("DATABASE_URL", dsn)
        monkeypatch.setattr(prometheus_client, "REGISTRY", CollectorRegistry())
        monkeypatch.chdir(world.config.parent)
        assert world.config.name == "snapshot-ingest.toml"
        yield world


@pytest.mark.parametrize("code", [code for _, code in _BLOCKS], ids=[name for name, _ in _BLOCKS])
async def test_a_block_ingests(world: RealWorld, code: str) -> None:
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the page's own example
    async with _at_work(names):
        await world.publish("hostname r1")

        async def is_settled() -> bool:
            return await world.unsettled() == 0

        await until_true(is_settled)
    assert await world.texts() == ["hostname r1"]


def test_every_block_of_the_page_is_tried() -> None:
    assert len(_BLOCKS) == _PAGE.count("```python\n") > 4


@asynccontextmanager
async def _at_work(names: dict[str, Any]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if "app" not in names:
            until_shutdown = asyncio.Event()
            serving = asyncio.create_task(names["serve"](until_shutdown))
            yield
            until_shutdown.set()
            await asyncio.wait_for(serving, timeout=30)
            return
        app = names["app"]
        if isinstance(app, litestar.Litestar):
            await stack.enter_async_context(app.lifespan())
        else:
            await stack.enter_async_context(app.router.lifespan_context(app))
        yield
