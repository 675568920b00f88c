"""How long a worker may hold what was sealed before a rotation."""

from datetime import timedelta
from inspect import signature

from attrs import evolve

from snapshot_ingest import workers_hold
from snapshot_ingest.connections import postgres_pool
from snapshot_ingest.settings import Settings
from snapshot_ingest.workers_hold import longest_in_hand
from snapshot_postgres import PostgresHashRepository, database


def test_it_is_the_life_of_a_data_key_and_every_timeout_until_the_commit() -> None:
    settings = Settings()
    assert longest_in_hand(settings) == timedelta(minutes=25)
    more = evolve(settings, worker=evolve(settings.worker, batches_in_flight=9))
    assert longest_in_hand(more) == timedelta(minutes=27)


def test_the_timeouts_are_those_of_a_workers_repository() -> None:
    commands = signature(postgres_pool).parameters["command_seconds"].default
    connections = signature(PostgresHashRepository).parameters["acquire_timeout_seconds"].default
    assert commands == workers_hold._COMMAND_SECONDS
    assert connections == workers_hold._CONNECTION_SECONDS
    assert database._REPETITIONS + 1 == workers_hold._TRIES
