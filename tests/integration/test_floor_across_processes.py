"""The floor that one process kept in PostgreSQL is where another goes on at NATS."""

from datetime import UTC, datetime

from snapshot_conformance.message_source import eventually, fetch_count, sequences
from snapshot_domain.delivery import Ack
from snapshot_domain.events import EvictionSeen
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.floor_watch import FloorWatch
from snapshot_ingest.stack import EmbeddedStack
from snapshot_memory import MemoryMetrics
from snapshot_postgres import PostgresAckFloors
from support.nats_server import place_on
from support.nats_users import NatsAccess
from support.postgres import postgres_world


async def test_a_consumer_deleted_while_nobody_ran_is_made_again_after_the_floor(
    stack: EmbeddedStack,
) -> None:
    async with (
        place_on(NatsAccess.of(stack.addresses)) as place,
        postgres_world(stack.addresses.postgres_admin_dsn) as world,
    ):
        floors = PostgresAckFloors(world.pool)
        source = place.source(floors=floors)
        await place.publish(*(b"%d" % number for number in range(9)))
        deliveries = await fetch_count(source, 6, max_messages=6)
        await source.settle([(delivery, Ack()) for delivery in deliveries])
        watch = FloorWatch(source, floors, world.review, MemoryMetrics(), SystemClock())

        async def is_kept() -> bool:
            await watch.look()
            floor = await floors.load(*source.floor_key)
            return floor is not None and floor.sequence == 6

        await eventually(is_kept)
        await source.close()
        await place.jetstream.delete_consumer(place.stream, place.durable)
        another = place.source(floors=PostgresAckFloors(world.pool))
        assert sequences(await fetch_count(another, 3)) == [7, 8, 9]


async def test_what_was_evicted_while_nobody_ran_is_told_at_the_next_start(
    stack: EmbeddedStack,
) -> None:
    async with (
        place_on(NatsAccess.of(stack.addresses)) as place,
        postgres_world(stack.addresses.postgres_admin_dsn) as world,
    ):
        config = (await place.jetstream.stream_info(place.stream)).config
        await place.jetstream.update_stream(config.evolve(max_msgs=10))
        await place.publish(*(b"%d" % number for number in range(8)))
        before = MemoryMetrics()
        started = datetime.now(UTC)
        floors = PostgresAckFloors(world.pool)
        await FloorWatch(place.source(), floors, world.review, before, SystemClock()).look()
        await place.publish(*(b"%d" % number for number in range(25)))  # 23 of 33 go unread
        after = MemoryMetrics()
        floors = PostgresAckFloors(world.pool)
        await FloorWatch(place.source(), floors, world.review, after, SystemClock()).look()
        [seen] = after.events
        assert isinstance(seen, EvictionSeen)
        assert (seen.at_least, seen.at_most) == (8, 23)
        assert started <= seen.since <= seen.until <= datetime.now(UTC)
        assert before.events == []


async def test_a_column_that_a_later_version_adds_is_not_in_the_way(stack: EmbeddedStack) -> None:
    async with (
        place_on(NatsAccess.of(stack.addresses)) as place,
        postgres_world(stack.addresses.postgres_admin_dsn) as world,
    ):
        await world.admin.execute("ALTER TABLE snapshot_ingest.ack_floors ADD COLUMN later text")
        floors = PostgresAckFloors(world.pool)
        floor = await place.source(floors=floors).floor(datetime.now(UTC))
        await floors.keep(floor, None)
        assert await floors.load(floor.stream, floor.consumer) == floor
