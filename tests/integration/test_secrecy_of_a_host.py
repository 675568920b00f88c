"""Embedded in a host that logs everything at DEBUG, drivers included, no content is logged."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from snapshot_conformance.secret_canary import SecretCanary
from snapshot_domain.outcome import Stored
from snapshot_ingest.stack import EmbeddedStack
from support.real_world import RealWorld, real_world, use_case_of


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as world:
        yield world


async def test_no_log_record_holds_content_whatever_goes_wrong(
    stack: EmbeddedStack, world: RealWorld, caplog: pytest.LogCaptureFixture
) -> None:
    canary = SecretCanary()
    caplog.set_level(logging.DEBUG)
    async with use_case_of(world.settings("hash_policy=enforce")) as ingestion:
        await world.publish(canary.text)
        await world.publish(canary.text, of="unknown")
        await world.publish(canary.text, of="r2", sha256_hash="a" * 64)
        await world.publish(canary.text, of="r3", sha256_hash=canary.text)
        await world.place.publish(canary.text.encode())
        (first, *_) = await ingestion.ingest()
        assert isinstance(first, Stored)
        for server in ("openbao", "postgres"):
            await world.publish(f"{server} {canary.text}")
            deliveries = await ingestion.deliveries()
            await stack.kill(server)
            try:
                await ingestion.use_case.ingest(deliveries)
            finally:
                await stack.start(server)
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    assert not canary.is_in(logged)
    logging.getLogger("urllib3.connectionpool").debug("body %s", canary.text)
    assert canary.is_in(caplog.records[-1].getMessage())
