"""A small take-over under load; `make takeover` is the large one, whose figures are in the docs."""

from datetime import timedelta
from pathlib import Path

from snapshot_ingest.stack import EmbeddedStack
from support.handing_over import ACK_WAIT_SECONDS, HURRIED, handed_over
from taking_over.story import taken_over


async def test_nothing_is_lost_and_nothing_stored_twice_while_publishing_goes_on(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    async with handed_over(stack, tmp_path) as world:
        figures = await taken_over(
            world,
            devices=10,
            rate=50.0,
            turn=timedelta(seconds=2),
            ack_wait_seconds=ACK_WAIT_SECONDS,
            patience=HURRIED,
            worker=["worker.batches_in_flight=1"],
        )
    assert (figures.lost, figures.twice) == (0, 0)
    assert figures.unsettled >= 1
    assert figures.rows_added == figures.stored_before
    assert min(figures.stored_before, figures.stored_after) > 0
