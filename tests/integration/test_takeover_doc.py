"""docs/how-to/take-over.md: every command in it, in its order, prints what stands there."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from signal import SIGINT

import pytest
import pytest_asyncio
from attrs import frozen

from snapshot_ingest.connections import message_source
from snapshot_ingest.embedded.setting_up import set_up
from snapshot_ingest.stack import EmbeddedStack
from snapshot_nats import connect
from snapshot_postgres import open_pool
from support.command import running
from support.former_subscriber import Fate, FormerSubscriber, former_subscriber
from support.installation import Fleet, Installation
from support.messages import MORNING
from support.nats_users import ADMIN, NatsAccess
from support.openbao import RawOpenBao
from support.waiting import until_true

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "take-over.md").read_text()
_PREFIX = "snapshot-ingest --config snapshot-ingest.toml "


@frozen
class Shown:
    """A command as it stands on the page, and the lines below it."""

    arguments: str
    lines: list[str]


def _shown() -> Iterator[Shown]:
    blocks = r"^( *)```console\n(.*?)^ *```"
    for indent, block in re.findall(blocks, PAGE, re.DOTALL | re.MULTILINE):
        text = "\n".join(line.removeprefix(indent) for line in block.splitlines())
        for piece in text.removeprefix("$ ").split("\n$ "):
            command, *lines = piece.splitlines()
            assert command.startswith(_PREFIX)
            yield Shown(command.removeprefix(_PREFIX), lines)


@frozen
class Reader:
    """Whoever follows the page, in whose installation the former subscriber is at work."""

    installation: Installation
    fleet: Fleet
    access: NatsAccess
    openbao: RawOpenBao

    @asynccontextmanager
    async def former(
        self, fate: Callable[[str], Fate] = lambda _: Fate.WHOLE
    ) -> AsyncIterator[FormerSubscriber]:
        """The former subscriber, killed at the block's end."""
        dsn = self.installation.ready.addresses.postgres_admin_dsn
        async with (
            await open_pool(dsn) as database,
            former_subscriber(
                self.access, self.openbao, database, fate=fate, ack_wait=1.0
            ) as process,
        ):
            yield process

    async def publish(self, *texts: str, first_hour: int) -> None:
        """Publishes the texts, an hour after the other."""
        bodies = [
            self.fleet.body(text, MORNING + timedelta(hours=first_hour + number))
            for number, text in enumerate(texts)
        ]
        await self.installation.publish(self.fleet, *bodies)

    async def does(self, shown: Shown) -> None:
        """Runs the command, and compares what it prints."""
        ended = await self.installation.command(*shown.arguments.split())
        assert ended.code == 0, ended.err
        if shown.lines:
            assert ended.lines == shown.lines

    async def runs_the_worker(self, shown: Shown) -> None:
        """Lets the worker that is shown settle everything, and stops it."""
        assert shown.arguments == "run"
        installation = self.installation
        source = message_source(installation.ready.settings.nats)

        async def is_settled() -> bool:
            return (await source.backlog()).is_empty

        config = installation.ready.settings_file
        async with running("--config", config, "run", folder=installation.folder) as worker:
            await until_true(is_settled)
            await source.close()
            worker.signal(SIGINT)
            assert await worker.ended() == 0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reader(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    """With servers on which nothing has happened yet."""
    folder = tmp_path_factory.mktemp("taken-over")
    async with EmbeddedStack(folder / "stack") as stack, RawOpenBao.of(stack) as openbao:
        ready = await set_up(folder / "stack", stack.addresses, [])
        installation, fleet = Installation(ready, folder), Fleet()
        await installation.register(fleet)
        access = NatsAccess.of(stack.addresses)
        client = await connect(access.connection(ADMIN))
        await client.jetstream().delete_consumer("DEVICE_EVENTS", "config_snapshot_ingest")
        await client.close()
        yield Reader(installation, fleet, access, openbao)


async def test_the_page_is_followed_from_top_to_bottom(reader: Reader) -> None:
    migrate, look, take_over, provision, run, back = _shown()
    async with reader.former() as former:
        await reader.publish("A", "B", "C", first_hour=0)
        await former.until_handled(3)
        await reader.does(migrate)
        await reader.does(look)
    fates = {"D": Fate.STORED_NOT_ACKED, "E": Fate.NOT_BEGUN}
    async with reader.former(lambda text: fates[text]) as former:
        await reader.publish("D", "E", first_hour=3)
        await former.until_handled(2)
    await reader.does(take_over)
    with pytest.raises(TypeError, match="deliver_subject"):  # as the page says of a start now
        async with reader.former():
            pass
    await reader.does(provision)
    await reader.publish("F", first_hour=5)
    await reader.runs_the_worker(run)
    await reader.does(back)
    async with reader.former() as former:
        await reader.publish("G", first_hour=6)
        await former.until_handled(1)
        assert former.handled == ["G"]
    times = [MORNING + timedelta(hours=hour) for hour in range(7)]
    assert await reader.installation.times(reader.fleet) == times


async def test_for_programs_it_is_one_object(reader: Reader) -> None:
    await reader.installation.command("takeover", "--yes")
    back = (await reader.installation.command("takeover", "--back", "--yes", "--json")).json
    assert (back["found"], back["deed"], back["done"]) == ("pull", "go back", True)
    look = (await reader.installation.command("takeover", "--json")).json
    assert (look["deed"], look["done"], look["rows_added"]) == ("take over", False, None)
    done = (await reader.installation.command("takeover", "--yes", "--json")).json
    assert (done["deed"], done["done"], done["start"]) == ("take over", True, look["start"])
    again = (await reader.installation.command("takeover", "--yes", "--json")).json
    assert (again["found"], again["deed"], again["start"]) == ("pull", "nothing", None)


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(((?!http)[^)#]+)", PAGE)
    assert links
    for link in links:
        assert (ROOT / "docs" / "how-to" / link).exists(), link
