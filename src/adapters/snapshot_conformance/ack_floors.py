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
        assert await floors.keep(floor) is None
        assert await floors.load(floor.stream, floor.consumer) == floor

    async def test_each_consumer_of_each_stream_has_a_floor_of_its_own(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        others = [
            evolve(floor, consumer="other", sequence=1),
            evolve(floor, stream=floor.stream[1:]),
        ]
        for each in (floor, *others):
            assert await floors.keep(each) is None
        for each in (floor, *others):
            assert await floors.load(each.stream, each.consumer) == each

    async def test_a_later_floor_takes_the_place_of_the_former_which_is_returned(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        later = evolve(floor, sequence=530, deliveries=150, at=MORNING + LATER)
        await floors.keep(floor)
        assert await floors.keep(later) == floor
        assert await floors.load(floor.stream, floor.consumer) == later

    async def test_a_floor_that_comes_late_changes_nothing(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        late = evolve(floor, sequence=490, deliveries=120, at=MORNING + LATER)
        await floors.keep(floor)
        assert await floors.keep(late) is None
        assert await floors.load(floor.stream, floor.consumer) == floor

    async def test_the_same_look_again_changes_nothing(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        await floors.keep(floor)
        assert await floors.keep(evolve(floor, at=MORNING + LATER)) is None
        assert await floors.load(floor.stream, floor.consumer) == floor

    async def test_messages_that_were_only_settled_make_a_later_look(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        await floors.keep(floor)
        assert await floors.keep(evolve(floor, sequence=520)) == floor
        assert await floors.keep(evolve(floor, sequence=510)) is None
        assert await floors.load(floor.stream, floor.consumer) == evolve(floor, sequence=520)

    async def test_messages_that_only_went_make_a_later_look(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        await floors.keep(floor)
        assert await floors.keep(evolve(floor, pending=35, first_sequence=530)) == floor

    async def test_a_stream_that_was_made_again_begins_anew(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        again = evolve(floor, stream_created_at=MORNING, sequence=3, deliveries=3)
        await floors.keep(floor)
        assert await floors.keep(again) == floor
        assert await floors.load(floor.stream, floor.consumer) == again

    async def test_a_consumer_that_was_made_again_lowers_no_floor(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        again = evolve(floor, consumer_created_at=MORNING, sequence=0, deliveries=0, pending=400)
        await floors.keep(floor)
        assert await floors.keep(again) == floor
        assert await floors.load(floor.stream, floor.consumer) == evolve(again, sequence=500)

    async def test_the_former_consumer_of_that_name_comes_too_late(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        again = evolve(floor, consumer_created_at=MORNING, deliveries=0)
        await floors.keep(again)
        assert await floors.keep(floor) is None
        assert await floors.load(floor.stream, floor.consumer) == again

    async def test_of_many_workers_each_takes_the_place_of_another_floor(
        self, floors: AckFloors, floor: Floor
    ) -> None:
        looks = [evolve(floor, deliveries=130 + n, sequence=500 + n) for n in range(12)]
        await floors.keep(looks[0])
        replaced = [each for each in await asyncio.gather(*map(floors.keep, looks[1:])) if each]
        assert len(set(replaced)) == len(replaced) > 0
        assert looks[0] in replaced
        assert await floors.load(floor.stream, floor.consumer) == looks[-1]
