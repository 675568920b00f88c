"""What a backfill promises, for the tests of each version of PostgreSQL to subclass."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from attrs import evolve

from snapshot_conformance.repository_world import START, Story, digest_of
from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_domain.model import DigestKeyId, Keying, SnapshotFlag, TenantId, WrappedDigestKey
from snapshot_domain.outcome import Stored, Unchanged
from snapshot_postgres import Backfill, Filled, PostgresDigestKeys, PostgresTenantRecords
from support.backend_database import BackendWorld, transit_text
from support.backfill_story import BackfillStory
from support.waiting import until_true


class StopHereError(Exception):
    """The process ends in the middle."""


class BackfillTests:
    """Each test has the fixture `world` to itself."""

    async def test_the_owner_sees_no_row_without_a_tenant(self, world: BackendWorld) -> None:
        await world.former_row(await Story(world).begin(), "A", 1)
        for table in ("tenants", "devices", "router_config_snapshots"):
            assert await world.owning.fetchval(f"SELECT count(*) FROM {table}") == 0
            assert await world.admin.fetchval(f"SELECT count(*) FROM {table}") == 1

    async def test_every_row_becomes_a_run_and_the_newest_one_the_head(
        self, world: BackendWorld
    ) -> None:
        story, other = await Story(world).begin(), await Story(world).begin()
        ids = [await world.former_row(story, text, hour) for hour, text in enumerate("ABA")]
        await world.former_row(other, "A", 5)
        filled = await world.backfill.run()
        runs = await world.runs(story.device)
        assert [run.snapshot_id for run in runs] == ids
        assert [run.digest for run in runs] == [digest_of(text).hex for text in "ABA"]
        assert [run.start for run in runs] == [story.at(hour, 0) for hour in range(3)]
        assert [run.end for run in runs] == [run.start for run in runs]
        assert {run.tenant_id for run in runs} == {story.tenant}
        assert {run.flags for run in runs} == {SnapshotFlag.NONE}
        assert (filled.rows, filled.seen, filled.devices, filled.tenants) == (4, 4, 2, 2)
        assert filled.copies == 0
        await world.assert_consistent()

    async def test_nobody_is_told_of_a_row_and_what_follows_it_names_it(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        row_id = await world.former_row(story, "A", 1)
        await world.backfill.run()
        positions = "SELECT count(*) FROM snapshot_ingest.snapshots WHERE stored_in IS NOT NULL"
        assert await world.admin.fetchval(positions) == 0
        assert (await story.stored("B", 2)).previous_id == row_id

    async def test_a_runs_sizes_and_format_are_those_of_its_row(self, world: BackendWorld) -> None:
        story = await Story(world).begin()
        texts = ["x" * length for length in (0, 1, 2, 3, 4_000, 20_001)]
        for hour, text in enumerate(texts):
            await world.former_row(story, text, hour)
        await world.backfill.run()
        runs = await world.admin.fetch(
            "SELECT plaintext_bytes, stored_bytes, format FROM snapshot_ingest.snapshots"
            " ORDER BY collected_at"
        )
        assert [tuple(run) for run in runs] == [
            (len(text), len(transit_text(text)), "transit") for text in texts
        ]

    @pytest.mark.parametrize(
        ("ciphertext", "expected"),
        [
            ("si1z:vault:v1:AAAA", ("compressed", 0)),
            ("si1e:x:AAAA", ("envelope", 0)),
            ("vault:v1:", ("transit", 0)),
            ("no ciphertext at all", ("unknown", 0)),
            ("", ("unknown", 0)),
        ],
    )
    async def test_a_text_in_another_format_says_so_and_nothing_of_its_plaintext(
        self, world: BackendWorld, ciphertext: str, expected: tuple[str, int]
    ) -> None:
        row_id = await world.former_row(await Story(world).begin(), "A", 1)
        await world.admin.execute(
            "UPDATE router_config_snapshots SET config_text = $2 WHERE id = $1", row_id, ciphertext
        )
        await world.backfill.run()
        run = await world.admin.fetchrow(
            "SELECT format, plaintext_bytes FROM snapshot_ingest.snapshots"
        )
        assert run is not None
        assert tuple(run) == expected

    async def test_a_message_of_the_newest_rows_text_is_unchanged_and_another_is_stored(
        self, world: BackendWorld
    ) -> None:
        same, other = await Story(world).begin(), await Story(world).begin()
        for story in (same, other):
            # As the former subscriber left them: a repeat, and the same message twice.
            for text, hour in (("B", 0), ("A", 1), ("A", 2), ("A", 2)):
                await world.former_row(story, text, hour)
        await world.backfill.run()
        assert isinstance(await same.tell("A", 3), Unchanged)
        assert isinstance(await other.tell("B", 3), Stored)
        assert [run.digest for run in await world.runs(other.device)] == [
            digest_of(text).hex for text in "BAAAB"
        ]
        assert len(await world.rows(same.device)) == 4
        await world.assert_consistent()

    async def test_a_redelivery_of_what_the_former_subscriber_stored_is_unchanged(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        await world.former_row(story, "A", 1)
        await world.former_row(story, "B", 2)
        await world.backfill.run()
        for text, hour in (("A", 1), ("B", 2)):
            assert isinstance(await story.tell(text, hour, 7), Unchanged)
        assert len(await world.rows(story.device)) == 2

    async def test_of_rows_of_one_time_the_one_with_the_greatest_id_is_the_newest(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        ids = [await world.former_row(story, text, 1) for text in "ABCD"]
        await world.backfill.run()
        runs = await world.runs(story.device)
        assert [run.snapshot_id for run in runs] == sorted(ids)
        # One that comes later and is the greatest moves the head, though not in time.
        ids.append(await world.former_row(story, "E", 1, row_id=UUID(int=2**128 - 1)))
        await world.backfill.run()
        runs = await world.runs(story.device)
        assert [run.snapshot_id for run in runs] == sorted(ids)
        # `store_batch` agrees: what it takes for the newest run is what it compares with.
        newest = next(text for text in "ABCDE" if digest_of(text).hex == runs[-1].digest)
        assert isinstance(await story.tell(newest, 2), Unchanged)

    async def test_a_second_time_there_is_nothing_to_do(self, world: BackendWorld) -> None:
        story = await Story(world).begin()
        for hour, text in enumerate("AAB"):
            await world.former_row(story, text, hour)
        assert not await world.backfill.was_finished()
        await world.backfill.run()
        assert await world.backfill.was_finished()
        before = await world.timelines()
        again = await world.backfill.run()
        assert (again.rows, again.heads, again.copies, again.seen) == (0, 0, 0, 3)
        assert await world.timelines() == before

    async def test_one_that_ends_in_the_middle_goes_on_and_ends_the_same(
        self, world: BackendWorld
    ) -> None:
        stories = [await Story(world).begin() for _ in range(3)]
        for story in stories:
            for hour, text in enumerate("ABBA"):
                await world.former_row(story, text, hour)
        batches = 0

        def stop(filled: Filled) -> None:
            nonlocal batches
            batches += 1
            if filled.rows >= 4:
                raise StopHereError

        for rows in (4, 4):
            with pytest.raises(StopHereError):
                await world.backfill.run(stop)
            assert await world.admin.fetchval("SELECT count(*) FROM snapshot_ingest.snapshots") in (
                rows,
                2 * rows,
            )
            # Where it stopped, what is there is a timeline already.
            for story in stories:
                await world.runs(story.device)
        assert not await world.backfill.was_finished()
        await world.backfill.run()
        in_parts = await world.timelines()
        await world.admin.execute(
            "TRUNCATE snapshot_ingest.snapshots, snapshot_ingest.heads, snapshot_ingest.backfills"
        )
        await Backfill(world.owning).run()
        assert await world.timelines() == in_parts
        await world.assert_consistent()

    async def test_one_whose_session_is_killed_says_so_and_is_repeated(
        self, world: BackendWorld
    ) -> None:
        stories = [await Story(world).begin() for _ in range(4)]
        for story in stories:
            await world.former_row(story, "A", 1)
        waits = asyncio.create_task(world.backfill.run())
        async with world.admin.acquire(timeout=10) as connection, connection.transaction():
            await connection.execute("LOCK TABLE snapshot_ingest.heads IN EXCLUSIVE MODE")
            await world.until_somebody_waits()
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = $1 AND wait_event_type = 'Lock'",
                world.owner,
            )
        with pytest.raises(Unavailable):
            await waits
        assert await world.timelines() == []
        await world.backfill.run()
        await world.assert_consistent()

    async def test_rows_that_are_not_their_devices_owners_come_last(
        self, world: BackendWorld
    ) -> None:
        """A device moved, or the former subscriber believed a message of another tenant."""
        story = await Story(world).begin()
        former, now = story.tenant, TenantId(uuid4())
        await world.former_row(story, "A", 1)
        await world.register(story.device, now)
        await world.former_row(story, "A", 2, tenant=now)
        assert (await world.backfill.run(only_owned=True)).rows == 1
        assert not await world.backfill.was_finished()
        assert [run.tenant_id for run in await world.runs(story.device)] == [now]
        filled = await world.backfill.run()
        assert (filled.rows, filled.seen) == (1, 2)
        assert [run.tenant_id for run in await world.runs(story.device)] == [former, now]

    async def test_whoever_sees_all_rows_does_the_same_with_one_look(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        await world.former_row(story, "A", 1)
        await world.register(story.device, TenantId(uuid4()))
        other = await Story(world).begin()
        await world.former_row(other, "A", 1)
        filled = await Backfill(world.admin, rows_at_once=1).run()
        assert (filled.rows, filled.seen, filled.tenants) == (2, 2, 3)
        await world.assert_consistent()

    async def test_a_keyed_message_is_known_by_the_plain_digest_of_a_row(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        await world.former_row(story, "A", 1)
        await world.backfill.run()
        key_id = DigestKeyId(uuid4())
        await PostgresDigestKeys(world.pool).keep(WrappedDigestKey(key_id, "vault:v1:wrapped"))
        plain = story.snapshot("A", 2)
        keyed = evolve(plain.key, digest=digest_of("keyed"), keying=Keying(key_id, digest_of("A")))
        [answer] = await world.repository.store([evolve(plain, key=keyed)])
        assert isinstance(answer, Unchanged)

    async def test_a_digest_that_is_none_is_like_no_texts(self, world: BackendWorld) -> None:
        story = await Story(world).begin()
        await world.former_row(story, "A", 1)
        await world.former_row(story, "A", 2, digest="z" * 64)
        await world.former_row(story, "A", 3, digest="")
        await world.backfill.run()
        first, *others = await world.runs(story.device)
        assert first.flags == SnapshotFlag.NONE
        assert {run.flags for run in others} == {SnapshotFlag.DIGEST_MISMATCH}
        assert len({first.digest, *(run.digest for run in others)}) == 3
        assert isinstance(await story.tell("A", 4), Stored)

    async def test_a_digest_in_capitals_is_that_digest(self, world: BackendWorld) -> None:
        story = await Story(world).begin()
        await world.former_row(story, "A", 1, digest=digest_of("A").hex.upper())
        await world.backfill.run()
        assert isinstance(await story.tell("A", 2), Unchanged)

    async def test_a_time_far_ahead_of_the_rows_making_is_not_believed(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        made = story.at(1)[0]
        await world.former_row(story, "A", 1 + 1 / 6, created_at=made)  # ten minutes are allowed
        await world.former_row(story, "B", 24 * 365, created_at=made + timedelta(hours=1))
        await world.backfill.run()
        runs = await world.runs(story.device)
        assert [run.start[0] - START for run in runs] == [
            timedelta(hours=1, minutes=10),
            timedelta(hours=2),
        ]
        assert [run.flags for run in runs] == [SnapshotFlag.NONE, SnapshotFlag.RECEIVED_TIME]
        assert isinstance(await story.tell("B", 3), Unchanged)

    async def test_a_row_of_the_same_text_inside_a_run_of_ours_divides_it(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        await story.stored("A", 1)
        assert isinstance(await story.tell("A", 5), Unchanged)
        await world.former_row(story, "A", 3)
        assert (await world.backfill.run()).copies == 0
        runs = await world.runs(story.device)
        assert [(run.start, run.end) for run in runs] == [
            (story.at(1), story.at(1)),
            (story.at(3, 0), story.at(5)),
        ]
        # The end is not forgotten: a late text inside it still makes the first one come back.
        await story.stored("B", 4)
        assert [run.digest for run in await world.runs(story.device)] == [
            digest_of(text).hex for text in "AABA"
        ]

    async def test_a_row_of_another_text_inside_a_run_of_ours_splits_it(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        await story.stored("A", 1)
        await story.tell("A", 5)
        for text, hour in (("B", 2), ("B", 3)):
            await world.former_row(story, text, hour)
        assert (await world.backfill.run()).copies == 1
        runs = await world.runs(story.device)
        assert [run.digest for run in runs] == [digest_of(text).hex for text in "ABBA"]
        assert [run.start for run in runs] == [
            story.at(1),
            story.at(2, 0),
            story.at(3, 0),
            story.at(5),
        ]
        assert runs[-1].flags == SnapshotFlag.COPY
        texts = {row.snapshot_id: row.ciphertext for row in await world.rows(story.device)}
        assert texts[runs[0].snapshot_id] == texts[runs[-1].snapshot_id]
        assert isinstance(await story.tell("A", 6), Unchanged)

    async def test_nothing_comes_back_of_a_run_whose_row_is_gone(self, world: BackendWorld) -> None:
        story = await Story(world).begin()
        stored = await story.stored("A", 1)
        await story.tell("A", 5)
        await world.delete_row(stored.snapshot_id)
        await world.former_row(story, "B", 3)
        assert (await world.backfill.run()).copies == 0
        runs = await world.runs(story.device)
        assert [run.end for run in runs] == [story.at(1), story.at(3, 0)]

    @pytest.mark.parametrize("seed", range(6))
    async def test_any_story_is_kept_as_the_plain_model_says(
        self, world: BackendWorld, seed: int
    ) -> None:
        chance = random.Random(seed)
        tales = [BackfillStory(world, await Story(world).begin(), chance) for _ in range(5)]
        for tale in tales:
            for _ in range(40):
                await tale.go_on()
            await tale.end()

    @pytest.mark.parametrize("seed", range(4))
    async def test_messages_whose_rows_are_known_store_nothing_whatever_their_order(
        self, world: BackendWorld, seed: int
    ) -> None:
        """Several of one second among them: the rows of those have no order of their own."""
        chance = random.Random(seed)
        for _ in range(8):
            story = await Story(world).begin()
            told = [
                (text, hour, 10 * hour + place)
                for hour in range(1, 4)
                for place, text in enumerate(chance.sample("ABC", chance.randint(1, 3)))
            ]
            for text, hour, _ in told:
                await world.former_row(story, f"{text}{hour}", hour)
            await world.backfill.run()
            before = {row.snapshot_id for row in await world.rows(story.device)}
            for _ in range(3):
                chance.shuffle(told)
                for size in (1, len(told)):
                    for first in range(0, len(told), size):
                        batch = [
                            story.snapshot(f"{text}{hour}", hour, sequence)
                            for text, hour, sequence in told[first : first + size]
                        ]
                        await world.repository.store(batch)
            assert {row.snapshot_id for row in await world.rows(story.device)} == before
            await world.assert_consistent()

    async def test_rows_of_a_shredded_tenant_stay_without_runs_until_it_has_new_ones(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        await world.former_row(story, "A", 1)
        [now] = await world.admin.fetchrow("SELECT clock_timestamp()") or []
        await world.former_row(story, "A", 2, created_at=now)
        await world.backfill.run()
        records = PostgresTenantRecords(world.admin)
        async for _ in records.erase(story.tenant):
            pass
        assert (await world.backfill.run()).rows == 0
        assert isinstance(await story.tell("A", 3), Stored)
        later = await world.former_row(story, "B", 4, created_at=now + timedelta(hours=1))
        assert (await world.backfill.run()).rows == 1
        assert (await world.runs(story.device))[-1].snapshot_id == later

    async def test_a_shredding_waits_for_the_batch_at_work_and_erases_it_too(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        await world.former_row(story, "A", 1, created_at=START)
        async with world.admin.acquire(timeout=10) as connection, connection.transaction():
            await connection.execute("LOCK TABLE snapshot_ingest.heads IN EXCLUSIVE MODE")
            filling = asyncio.create_task(world.backfill.run())
            await world.until_somebody_waits()
            erasing = asyncio.create_task(_erased(world, story.tenant))
            await _until_so_many_wait(world, 2)
        await asyncio.gather(filling, erasing)
        assert await world.runs(story.device) == []
        assert (await world.backfill.run()).rows == 0

    async def test_what_was_added_or_deleted_while_it_waited_is_not_added(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        row_id = await world.former_row(story, "A", 1)
        gone = await world.former_row(story, "B", 2)
        async with world.admin.acquire(timeout=10) as connection, connection.transaction():
            await connection.execute("LOCK TABLE snapshot_ingest.heads IN EXCLUSIVE MODE")
            both = [asyncio.create_task(Backfill(world.owning).run()) for _ in range(2)]
            await _until_so_many_wait(world, 2)
            await world.delete_row(gone)
        assert sum([(await each).rows for each in both]) == 1
        assert [run.snapshot_id for run in await world.runs(story.device)] == [row_id]

    async def test_rows_that_nobody_can_see_are_an_error_and_not_an_empty_table(
        self, world: BackendWorld
    ) -> None:
        story = await Story(world).begin()
        await world.former_row(story, "A", 1)
        await world.admin.execute("ANALYZE router_config_snapshots")
        await world.admin.execute(
            "ALTER POLICY tenant_isolation ON router_config_snapshots"
            " USING (tenant_id::text = current_setting('backend.tenant', true))"
        )
        with pytest.raises(Misconfigured, match=r"estimates 1;.*ANALYZE"):
            await world.backfill.run()
        assert await world.timelines() == []

    async def test_tenants_that_nobody_can_see_are_an_error_too(self, world: BackendWorld) -> None:
        await world.former_row(await Story(world).begin(), "A", 1)
        await world.admin.execute("ANALYZE router_config_snapshots")
        await world.admin.execute(
            "ALTER POLICY tenant_isolation ON tenants"
            " USING (id::text = current_setting('app.current_tenant', true))"
        )
        with pytest.raises(Misconfigured, match=r"public\.tenants"):
            await world.backfill.run()

    async def test_a_table_that_was_analysed_empty_is_not_taken_for_empty(
        self, world: BackendWorld
    ) -> None:
        await world.admin.execute("ANALYZE router_config_snapshots")
        await world.former_row(await Story(world).begin(), "A", 1)

        async def is_counted() -> bool:
            estimate = "SELECT snapshot_ingest.estimated_rows() IS NOT NULL"
            return bool(await world.admin.fetchval(estimate))

        await until_true(is_counted)
        await world.admin.execute("ALTER POLICY tenant_isolation ON tenants USING (false)")
        with pytest.raises(Misconfigured, match="estimates 1;"):
            await world.backfill.run()

    async def test_tenants_without_rows_cost_no_look_at_the_whole_table(
        self, world: BackendWorld
    ) -> None:
        """A take-over waits for this, and messages for it."""
        first = TenantId(UUID(int=1))
        await Story(world, first).begin()
        story = await Story(world).begin()
        await world.former_row(story, "A", 1)
        await world.admin.execute("ANALYZE router_config_snapshots")
        async with world.owning.acquire(timeout=10) as connection, connection.transaction():
            assert not await connection.fetchval("SELECT snapshot_ingest.rows_hidden()")
            looks = await connection.fetchval(
                "SELECT seq_scan FROM pg_stat_xact_user_tables"
                " WHERE relname = 'router_config_snapshots'"
            )
        assert looks == 0

    async def test_rows_that_are_no_owners_are_seen_too(self, world: BackendWorld) -> None:
        story = await Story(world).begin()
        await world.former_row(story, "A", 1)
        await world.register(story.device, TenantId(uuid4()))
        await world.admin.execute("ANALYZE router_config_snapshots")
        assert (await world.backfill.run()).rows == 1

    async def test_an_empty_table_has_nothing_to_add(self, world: BackendWorld) -> None:
        story = await Story(world).begin()
        assert (await world.backfill.run()).rows == 0
        await world.former_row(story, "A", 1)
        await world.admin.execute("ANALYZE router_config_snapshots")
        await world.admin.execute("DELETE FROM router_config_snapshots")
        await world.admin.execute("ANALYZE router_config_snapshots")
        assert (await world.backfill.run()).seen == 0

    async def test_while_a_batch_is_at_work_others_write_and_other_devices_are_stored(
        self, world: BackendWorld
    ) -> None:
        mine, other = await Story(world).begin(), await Story(world).begin()
        await world.former_row(mine, "A", 1)
        async with world.owning.acquire(timeout=10) as connection, connection.transaction():
            row = await connection.fetchrow(
                "SELECT * FROM snapshot_ingest.add_unknown_rows($1, $2, 10, interval '1 hour')",
                [mine.device],
                [mine.tenant],
            )
            assert row is not None
            assert row["added"] == 1
            async with asyncio.timeout(3):
                await world.former_row(mine, "B", 2)
                await other.stored("A", 1)
                await world.admin.execute("DELETE FROM devices WHERE id = $1", other.device)
                await world.admin.execute("DELETE FROM router_config_snapshots")

    async def test_beside_workers_the_former_subscriber_and_retention_nothing_is_lost(
        self, world: BackendWorld
    ) -> None:
        stories = [await Story(world).begin() for _ in range(12)]
        chance = random.Random(1)
        for story in stories:
            for hour in range(6):
                await world.former_row(story, chance.choice("ABC"), hour)
        deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        before = await world.admin.fetchval(deadlocks)
        bustle = _Bustle(world, stories)
        await bustle.until_the_workers_are_done()
        told = bustle.told
        await world.backfill.run()
        assert set(told) <= {"Stored", "Unchanged", "AlreadyStored"}
        await world.assert_consistent()
        await world.admin.execute("SELECT pg_stat_clear_snapshot()")
        assert await world.admin.fetchval(deadlocks) == before


class _Bustle:
    """Workers, the former subscriber, retention and two backfills on the same devices."""

    def __init__(self, world: BackendWorld, stories: list[Story]) -> None:
        self.told: Counter[str] = Counter()
        self._world = world
        self._stories = stories
        self._is_over = asyncio.Event()

    async def until_the_workers_are_done(self) -> None:
        await asyncio.gather(self._workers(), self._others(), self._fill(), self._fill())

    async def _workers(self) -> None:
        await asyncio.gather(*(self._work(seed) for seed in range(1, 4)))
        self._is_over.set()

    async def _work(self, seed: int) -> None:
        chance = random.Random(seed)
        for step in range(15):
            batch = [
                story.snapshot(chance.choice("ABC"), chance.uniform(0, 12), seed * 1000 + step)
                for story in chance.sample(self._stories, 6)
            ]
            for answer in await self._world.repository.store(batch):
                self.told[type(answer).__name__] += 1

    async def _others(self) -> None:
        chance = random.Random(9)
        while not self._is_over.is_set():
            row_id = await self._world.former_row(
                chance.choice(self._stories), chance.choice("ABC"), chance.uniform(0, 12)
            )
            if chance.random() < 0.3:
                await self._world.delete_row(row_id)

    async def _fill(self) -> None:
        while not self._is_over.is_set():
            await self._world.backfill.run()


async def _erased(world: BackendWorld, tenant: TenantId) -> None:
    async for _ in PostgresTenantRecords(world.admin).erase(tenant):
        pass


async def _until_so_many_wait(world: BackendWorld, sessions: int) -> None:
    async with asyncio.timeout(10):
        while (
            await world.admin.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            < sessions
        ):
            pass
