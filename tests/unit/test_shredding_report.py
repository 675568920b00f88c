"""What the report of a shredding says, and when."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from snapshot_domain.model import TenantId
from snapshot_domain.ports import KeyState
from snapshot_domain.shredding import OutOfUse
from snapshot_ingest.operator.shredding_report import Report

_NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
_OUT_OF_USE = OutOfUse(_NOON, _NOON + timedelta(minutes=15), _NOON + timedelta(minutes=20))


def test_after_a_deletion_it_says_before_when_no_new_key_may_be_made() -> None:
    report = Report(TenantId(uuid4()), KeyState.GONE, _NOON, _OUT_OF_USE)
    line = next(each for each in report.lines() if "no new key" in each)
    assert "before 2026-04-02T12:20:00+00:00, unless all workers were started again" in line
    assert json.loads(report.as_json())["no_new_key_before"] == "2026-04-02T12:20:00+00:00"


@pytest.mark.parametrize(
    "report",
    [
        Report(TenantId(uuid4()), KeyState.FROZEN, _NOON, _OUT_OF_USE),
        Report(TenantId(uuid4()), KeyState.USABLE, _NOON),
    ],
)
def test_where_no_key_was_deleted_it_says_nothing_of_a_new_one(report: Report) -> None:
    assert "new key" not in "".join(report.lines())
    assert "no_new_key_before" not in json.loads(report.as_json())
