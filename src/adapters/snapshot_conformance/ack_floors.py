"""The contract of AckFloors, for any adapter to subclass."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from attrs import evolve

from snapshot_domain.ports import AckFloors, Floor

MORNING = datetime(2026, 4, 2, 6, 15, 9, 250_001, tzinfo=UTC)
LATER = timedelta(hours=1)


class AckFloorsContract:
    """Subclass it and give it `floors`."""

    @pytest.fixture
    async def floors(self) -> AckFloors:
        """The adapter under test; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the floors")

    @pytest.fixture
    def floor(self) -> Floor:
        """A floor of a stream of this test's own."""
        return Floor(
            stream=f"STREAM_{uuid4().hex}",
            stream_created_at=MORNING - timedelta(days=30),
            consumer="config_snapshot_ingest",
            consumer_created_at=MORNING - timedelta(days=29),
            sequence=500,
            delivered_sequence=520,
            deliveries=130,
            pending=40,
            first_sequence=300,
            last_sequence=700,
            at=MORNING,
        )

    async def test_a_consumer_that_nobody_looked_at_has_no_floor(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        assert await floors.load(floor.stream, floor.consumer) is None

    async def test_a_floor_is_kept_as_it_is(self, floors: AckFloors, floor: Floor) -> None:
        assert await floors.keep(floor, None)
        assert await floors.load(floor.stream, floor.consumer) == floor

    async def test_each_consumer_of_each_stream_has_a_floor_of_its_own(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        others = [
            evolve(floor, consumer="other", sequence=1),
            evolve(floor, stream=floor.stream[1:]),
        ]
        for each in (floor, *others):
            assert await floors.keep(each, None)
        for each in (floor, *others):
            assert await floors.load(each.stream, each.consumer) == each

    async def test_a_floor_takes_the_place_of_the_one_that_was_known_before_the_look(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        later = evolve(floor, sequence=530, deliveries=150, at=MORNING + LATER)
        await floors.keep(floor, None)
        assert await floors.keep(later, floor)
        assert await floors.load(floor.stream, floor.consumer) == later

    @pytest.mark.parametrize("knows_one", [False, True])
    async def test_a_look_during_which_another_was_kept_changes_nothing(
        self,
        floors: AckFloors,
        floor: Floor,
        knows_one: bool,  # noqa: FBT001 - pytest gives it by name
    ) -> None:
        known = floor if knows_one else None
        if known is not None:
            await floors.keep(known, None)
        others = evolve(floor, sequence=530, at=MORNING + LATER)
        await floors.keep(others, known)
        assert not await floors.keep(evolve(floor, sequence=540), known)
        assert await floors.load(floor.stream, floor.consumer) == others

    async def test_what_is_known_and_is_not_there_any_more_is_replaced_by_nobody(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        assert not await floors.keep(floor, evolve(floor, sequence=490))
        assert await floors.load(floor.stream, floor.consumer) is None

    async def test_a_consumer_that_was_made_again_lowers_no_floor(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        again = evolve(floor, consumer_created_at=MORNING, sequence=0, deliveries=0, pending=400)
        await floors.keep(floor, None)
        assert await floors.keep(again, floor)
        assert await floors.load(floor.stream, floor.consumer) == evolve(again, sequence=500)

    async def test_a_stream_that_was_made_again_begins_anew(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        again = evolve(floor, stream_created_at=MORNING, sequence=3, deliveries=3)
        await floors.keep(floor, None)
        assert await floors.keep(again, floor)
        assert await floors.load(floor.stream, floor.consumer) == again

    async def test_a_stream_that_lost_its_end_lowers_the_floor(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        restored = evolve(floor, sequence=480, last_sequence=699)
        await floors.keep(floor, None)
        assert await floors.keep(restored, floor)
        assert await floors.load(floor.stream, floor.consumer) == restored

    async def test_of_many_workers_each_takes_the_place_of_another_floor(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        replaced: list[Floor] = []

        async def look(number: int) -> None:
            known = await floors.load(floor.stream, floor.consumer)
            looked_at = evolve(floor, deliveries=130 + number, sequence=500 + number)
            if await floors.keep(looked_at, known) and known is not None:
                replaced.append(known)

        await floors.keep(floor, None)
        await asyncio.gather(*map(look, range(1, 13)))
        assert len(set(replaced)) == len(replaced) > 0
        assert floor in replaced
