"""Configurations of real devices through `up`: decrypted, they are what the files hold."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from attrs import frozen

from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import DecryptorItem, TenantKey
from snapshot_domain.secret import Secret
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.commands.show import show
from snapshot_ingest.settings.loading import load_settings
from snapshot_openbao import Address, AppRoleLogin, OpenBao, SecretFile, TransitDecryptor
from support.command import finished, running
from support.corpus import as_sent, corpus_root, runs, timelines
from support.http import metric
from support.waiting import until_true


@frozen
class Ingested:
    """The corpus after two runs of `up` on one directory, the second one still running."""

    data_dir: Path
    files: dict[UUID, list[bytes]]
    first: dict[str, Any]
    stack: dict[str, Any]

    @property
    def file_count(self) -> int:
        return sum(map(len, self.files.values()))


@pytest.fixture(scope="module")
async def ingested(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ingested]:
    folder = tmp_path_factory.mktemp("corpus")
    root = corpus_root(folder)
    data_dir = folder / "data"
    publish = ("up", "--data-dir", data_dir, "--publish", root, "--json")
    code, first = await finished(*publish, "--until-idle", folder=folder)
    assert code == 0, first.stderr
    async with running(*publish, folder=folder) as again:
        stack = await again.stack(data_dir)
        found = Ingested(data_dir, timelines(root), first.summary, stack)

        async def is_through() -> bool:
            settled = [
                await metric(stack["http_url"], f"config_snapshot_{name}_total")
                for name in ("ingested", "dedup_skipped")
            ]
            return sum(settled) == found.file_count

        await until_true(is_through, seconds=60)
        yield found


@pytest.fixture(scope="module")
async def rows(ingested: Ingested) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(ingested.stack["postgres_admin_dsn"], timeout=10)
    try:
        return await connection.fetch("SELECT * FROM router_config_snapshots")
    finally:
        await connection.close()


def _expected_runs(ingested: Ingested) -> Iterator[tuple[UUID, bytes]]:
    return (
        (device, content)
        for device, contents in ingested.files.items()
        for content in runs(contents)
    )


async def test_the_figures_are_exactly_those_of_the_files(ingested: Ingested) -> None:
    stored = len(list(_expected_runs(ingested)))
    published = ingested.file_count
    figures = dict(ingested.first)
    seconds, rate = figures.pop("seconds"), figures.pop("messages_per_second")
    assert figures == {
        "published": published,
        "stored": stored,
        "unchanged": published - stored,
        "malformed": 0,
        "orphaned": 0,
        "refused": 0,
        "redelivered": 0,
        "backlog": 0,
    }
    assert rate == pytest.approx(published / seconds, rel=0.01)


async def test_published_once_more_everything_is_unchanged(
    ingested: Ingested, rows: list[asyncpg.Record]
) -> None:
    url = ingested.stack["http_url"]
    assert await metric(url, "config_snapshot_dedup_skipped_total") == ingested.file_count
    assert len(rows) == len(list(_expected_runs(ingested)))


async def test_every_row_decrypted_with_the_readers_role_is_its_file(
    ingested: Ingested, rows: list[asyncpg.Record]
) -> None:
    role = ingested.stack["reader_approle"]
    login = AppRoleLogin(role["role_id"], SecretFile(Path(role["secret_id_file"])))
    items = [
        DecryptorItem(TenantKey(TenantId(row["tenant_id"])), Ciphertext(row["config_text"]))
        for row in rows
    ]
    async with OpenBao(Address(ingested.stack["openbao_url"]), login, SystemClock()) as openbao:
        texts = await TransitDecryptor(openbao).decrypt(items)
    assert all(isinstance(text, Secret) for text in texts)
    stored = Counter(
        (row["device_id"], row["sha256_hash"], text.reveal())
        for row, text in zip(rows, texts, strict=True)
        if isinstance(text, Secret)
    )
    assert stored == Counter(
        (device, sha256(content).hexdigest(), as_sent(content))
        for device, content in _expected_runs(ingested)
    )


async def test_the_table_holds_ciphertext_only(rows: list[asyncpg.Record]) -> None:
    assert {row["config_text"].partition(":")[0] for row in rows} == {"vault"}
    assert all(row["config_text"].startswith("vault:v1:") for row in rows)


async def test_show_prints_each_devices_newest_text_byte_for_byte(
    ingested: Ingested, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    settings = load_settings(ingested.data_dir / "snapshot-ingest.toml", environment={})
    for device, contents in ingested.files.items():
        await show(settings, str(device))
        assert capfdbinary.readouterr().out == as_sent(contents[-1])


async def test_show_as_a_command_prints_the_text_and_nothing_else(
    ingested: Ingested, rows: list[asyncpg.Record], tmp_path: Path
) -> None:
    device, contents = max(ingested.files.items(), key=lambda each: len(each[1]))
    first = sha256(contents[0]).hexdigest()
    snapshot, *_ = [
        row["id"] for row in rows if (row["device_id"], row["sha256_hash"]) == (device, first)
    ]
    for which, content in ((device, contents[-1]), (snapshot, contents[0])):
        code, shown = await finished(
            "--config", ingested.data_dir / "snapshot-ingest.toml", "show", which, folder=tmp_path
        )
        assert (code, shown.stdout, shown.stderr) == (0, as_sent(content), "")


async def test_show_says_in_one_line_that_nothing_is_stored(
    ingested: Ingested, tmp_path: Path
) -> None:
    config = ingested.data_dir / "snapshot-ingest.toml"
    nobody = "00000000-0000-4000-8000-000000000000"
    code, shown = await finished("--config", config, "show", nobody, folder=tmp_path)
    assert (code, shown.stdout) == (1, b"")
    assert shown.stderr.count("\n") == 1
    assert f"nothing is stored for {nobody}" in shown.stderr
