"""Embedded in a host that logs everything at DEBUG, drivers included, no content is shown."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from snapshot_conformance.secret_canary_kept import ObjectsPlace
from snapshot_conformance.secret_canary_watch import SecretWatch, secret_canary
from snapshot_domain.outcome import Stored
from snapshot_ingest.stack import EmbeddedStack
from support.real_world import RealWorld, real_world, use_case_of

__all__ = ["secret_canary"]


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as world:
        yield world


async def test_logs_output_and_outcomes_hold_no_content_whatever_goes_wrong(
    stack: EmbeddedStack, world: RealWorld, secret_canary: SecretWatch
) -> None:
    text = secret_canary.canary.text
    outcomes: list[object] = []
    secret_canary.places.append(ObjectsPlace("outcomes", outcomes))
    async with use_case_of(world.settings("hash_policy=enforce")) as ingestion:
        await world.publish(text)
        await world.publish(text, of="unknown")
        await world.publish(text, of="r2", sha256_hash="a" * 64)
        await world.publish(text, of="r3", sha256_hash=text)
        await world.place.publish(text.encode())
        (first, *_) = await ingestion.ingest()
        assert isinstance(first, Stored)
        for server in ("openbao", "postgres"):
            await world.publish(f"{server} {text}")
            deliveries = await ingestion.deliveries()
            await stack.kill(server)
            try:
                outcomes += await ingestion.use_case.ingest(deliveries)
            finally:
                await stack.start(server)
    assert "urllib3.connectionpool" in {record.name for record in secret_canary.logs.records}
    logging.getLogger("any.driver").debug("what any logger says is heard")
    assert secret_canary.logs.records[-1].name == "any.driver"
    report = await secret_canary.report()
    assert report.is_proof, str(report)
