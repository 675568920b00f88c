"""What PostgreSQL refuses: a row for good, or everything until an operator acts."""

import logging
import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from attrs import evolve

from snapshot_conformance.quarantine import rejected
from snapshot_conformance.repository_world import Story, the_stored
from snapshot_domain.errors import (
    Dependency,
    Misconfigured,
    Refused,
)
from snapshot_domain.model import Ciphertext, DeviceId
from snapshot_domain.outcome import ItemRefused, Orphaned
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import (
    PostgresHashRepository,
    open_pool,
)
from support.postgres import PostgresWorld, assert_tells_nothing, postgres_world


@pytest.fixture
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    """A database for each test, since each breaks it."""
    async with postgres_world(stack.addresses.postgres_admin_dsn) as running:
        yield running


@pytest.fixture
async def story(world: PostgresWorld) -> Story:
    return await Story(world).begin()


REFUSALS = {
    "a check": "ALTER TABLE router_config_snapshots"
    " ADD CONSTRAINT no_bad CHECK (config_text NOT LIKE '%:bad:%')",
    "a data error": "CREATE FUNCTION no_bad() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF NEW.config_text LIKE '%:bad:%' THEN PERFORM 1 / 0; END IF; RETURN NEW; END $$;"
    " CREATE TRIGGER no_bad BEFORE INSERT ON router_config_snapshots"
    " FOR EACH ROW EXECUTE FUNCTION no_bad()",
    "a deferred constraint": "CREATE FUNCTION no_bad() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF NEW.config_text LIKE '%:bad:%' THEN RAISE EXCEPTION USING ERRCODE = '23514'; END IF;"
    " RETURN NULL; END $$;"
    " CREATE CONSTRAINT TRIGGER no_bad AFTER INSERT ON router_config_snapshots"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no_bad()",
}


@pytest.mark.parametrize("refusal", ["a check", "a data error", "a deferred constraint"])
async def test_a_row_that_the_database_refuses_costs_no_other_its_place(
    world: PostgresWorld, refusal: str, caplog: pytest.LogCaptureFixture
) -> None:
    await world.admin.execute(REFUSALS[refusal])
    stories = [await Story(world).begin() for _ in range(9)]
    bad = {2, 7}
    batch = [
        story.snapshot("bad" if number in bad else "good", 1)
        for number, story in enumerate(stories)
    ]
    with caplog.at_level(logging.DEBUG):
        answers = await world.repository.store(batch)
    for number, (story, answer) in enumerate(zip(stories, answers, strict=True)):
        if number in bad:
            assert answer == ItemRefused(Dependency.REPOSITORY)
            assert await story.runs() == []
        else:
            the_stored(answer)
            assert await story.texts("good") == ["good"]
    assert "vault:" not in caplog.text
    assert caplog.text.count("can never store") == len(bad)


async def test_of_one_device_the_refused_snapshot_alone_is_missing(
    world: PostgresWorld, story: Story
) -> None:
    await world.admin.execute(REFUSALS["a check"])
    batch = [story.snapshot(text, hour) for hour, text in enumerate(["A", "bad", "A", "B"])]
    answers = await world.repository.store(batch)
    assert [type(answer).__name__ for answer in answers] == [
        *("Stored", "ItemRefused", "Unchanged", "Stored")
    ]
    assert await story.texts("A", "B") == ["A", "B"]


@pytest.mark.parametrize("odd", ["vault:v1:\x00", "vault:v1:\ud800"])
async def test_a_ciphertext_that_is_no_text_is_refused(
    world: PostgresWorld, story: Story, odd: str
) -> None:
    other = await Story(world).begin()
    bad = evolve(story.snapshot("A", 1), ciphertext=Ciphertext(odd))
    answers = await world.repository.store([bad, other.snapshot("A", 1)])
    assert answers[0] == ItemRefused(Dependency.REPOSITORY)
    the_stored(answers[1])


async def test_a_refused_copy_refuses_the_late_snapshot_and_leaves_the_run_whole(
    world: PostgresWorld, story: Story
) -> None:
    await story.stored("bad", 1)
    await story.tell("bad", 5)
    before = await story.runs()
    await world.admin.execute(REFUSALS["a check"] + " NOT VALID")
    assert await story.tell("A", 3) == ItemRefused(Dependency.REPOSITORY)
    assert await story.runs() == before


@pytest.mark.parametrize(
    ("damage", "expected", "advice"),
    [
        (
            "REVOKE INSERT ON router_config_snapshots FROM {role}",
            "42501",
            "deploy/postgres",
        ),
        ("REVOKE SELECT ON devices FROM {role}", "42501", "deploy/postgres"),
        (
            "REVOKE USAGE ON SCHEMA snapshot_ingest FROM {role}",
            "42501",
            "deploy/postgres",
        ),
        ("DROP TABLE router_config_snapshots", "42P01", "run `snapshot-ingest migrate`"),
        ("DROP SCHEMA snapshot_ingest CASCADE", "3F000", "run `snapshot-ingest migrate`"),
    ],
)
async def test_what_an_operator_must_mend_is_misconfigured_and_says_what_to_do(
    world: PostgresWorld, story: Story, damage: str, expected: str, advice: str
) -> None:
    await world.repository.check()
    await world.admin.execute(damage.format(role=world.database.ingest_role))
    with pytest.raises(Misconfigured, match=expected) as caught:
        await story.tell("A", 1)
    assert_tells_nothing(caught.value)
    assert re.search(advice, str(caught.value))
    with pytest.raises(Misconfigured, match=advice):
        await world.repository.check()


async def test_the_check_names_the_rights_and_migrations_that_are_lacking(
    world: PostgresWorld,
) -> None:
    role = world.database.ingest_role
    await world.admin.execute(f"REVOKE UPDATE ON snapshot_ingest.heads FROM {role}")
    with pytest.raises(Misconfigured, match=r"UPDATE on snapshot_ingest\.heads"):
        await world.repository.check()
    await world.admin.execute(f"GRANT UPDATE ON snapshot_ingest.heads TO {role}")
    await world.admin.execute("DELETE FROM snapshot_ingest.migrations WHERE name LIKE '0004%'")
    with pytest.raises(Misconfigured, match="0004_store"):
        await world.repository.check()


async def test_devices_that_are_hidden_are_a_fault_of_configuration_and_no_orphans(
    world: PostgresWorld, story: Story
) -> None:
    await world.admin.execute("ANALYZE devices")
    await world.admin.execute("ALTER POLICY tenant_isolation ON devices USING (false)")
    for call in (story.tell("A", 1), world.directory.owners({story.device})):
        with pytest.raises(Misconfigured, match="not one device is visible"):
            await call


async def test_an_empty_table_of_devices_makes_orphans(world: PostgresWorld) -> None:
    await world.admin.execute("ANALYZE devices")
    story = Story(world)
    assert await story.tell("A", 1) == Orphaned()
    assert dict(await world.directory.owners({DeviceId(uuid4())})) == {}


async def test_a_wrong_password_is_misconfigured(world: PostgresWorld) -> None:
    dsn = world.database.dsn_of(world.database.ingest_role)
    async with await open_pool(dsn, password="a-wrong-password") as pool:
        with pytest.raises(Misconfigured, match="check the user") as caught:
            await PostgresHashRepository(pool).check()
    assert "a-wrong-password" not in str(caught.value)


async def test_an_address_that_is_none_is_misconfigured_and_not_shown() -> None:
    async with await open_pool("mysql://root:hunter2@127.0.0.1/x") as pool:
        with pytest.raises(Misconfigured, match="check the connection") as caught:
            await PostgresHashRepository(pool).check()
    assert "hunter2" not in f"{caught.value!r} {caught.value.__context__!r}"


async def test_the_quarantine_keeps_a_message_whatever_its_subject(world: PostgresWorld) -> None:
    subject = "config.\x00.\ud800.\U0001f4a9.'; DROP TABLE"
    await world.quarantine.keep([evolve(rejected("ODD", 1), subject=subject)])
    [kept] = await world.kept("ODD")
    assert kept.subject == "config.\\x00.\\ud800.\U0001f4a9.'; DROP TABLE"


async def test_what_the_quarantine_can_never_keep_is_refused(world: PostgresWorld) -> None:
    odd = evolve(rejected("ODD", 1), ciphertext=Ciphertext("vault:\x00"))
    with pytest.raises(Refused) as caught:
        await world.quarantine.keep([rejected("ODD", 2), odd])
    assert_tells_nothing(caught.value)
    assert list(await world.kept("ODD")) == []
