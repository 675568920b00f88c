"""The nasty messages: each ends as it must, soon, in bounded memory, and in silence."""

import time
import tracemalloc

import pytest

from fuzz.inspection import inspected
from fuzz.nasty import MIB, NASTY, Nasty
from fuzz.rules import name_of
from snapshot_domain.outcome import Malformed
from snapshot_domain.policy import IngestPolicy
from snapshot_domain.secret import RawMessage
from snapshot_json import JsonSnapshotDecoder

_CPU_SECONDS_AT_MOST = 10.0
_MEMORY_TIMES_AT_MOST = 25
"""An empty list takes 72 bytes of memory and three of JSON; nothing is worse."""
_MEMORY_BESIDES_BYTES = 2 * MIB

_each = pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: nasty.name)


@_each
async def test_it_ends_as_it_must_and_nothing_is_said_of_what_is_in_it(nasty: Nasty) -> None:
    result = await inspected([nasty.make()], IngestPolicy())
    assert [violation.rule for violation in result.violations] == []
    assert list(result.counts) == [name_of(Malformed(nasty.due)) if nasty.due else "Stored"]


@_each
def test_reading_it_takes_bounded_time_and_memory(nasty: Nasty) -> None:
    body = RawMessage(nasty.make())
    began = time.process_time()
    JsonSnapshotDecoder().decode(body)
    assert time.process_time() - began < _CPU_SECONDS_AT_MOST
    tracemalloc.start()
    try:
        JsonSnapshotDecoder().decode(body)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < _MEMORY_TIMES_AT_MOST * body.size_bytes + _MEMORY_BESIDES_BYTES
