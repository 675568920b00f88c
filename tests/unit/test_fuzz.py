"""The fuzzing: its rules hold for thousands of inputs, an index is one input, and it finds bugs."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fuzz.__main__ import lines_of, lines_of_failures, report_in_parallel
from fuzz.drafts import CANARY
from fuzz.guided import BrokenRule, inspect_one
from fuzz.inputs import drawn, input_of
from fuzz.inspection import inspected
from fuzz.policies import POLICIES
from fuzz.run import BATCH, Failure, report_on
from snapshot_domain.batch import Batch
from snapshot_domain.delivery import Delivery, Settlement
from snapshot_domain.outcome import MalformedReason
from snapshot_domain.policy import IngestPolicy
from snapshot_domain.secret import RawMessage
from snapshot_json import reading
from snapshot_memory import MemoryMessageSource
from support.messages import device, message, tenant

TESTS = Path(__file__).parent.parent


def test_every_rule_holds_for_thousands_of_inputs_and_no_outcome_is_missing() -> None:
    report = report_on(0, range(20_480))
    assert report.inputs == 20_480
    assert not report.failures, report.failures
    assert not [line for line in lines_of(report) if "never seen" in line]


def test_an_index_is_the_same_input_in_any_process() -> None:
    program = (
        "import hashlib; from fuzz.inputs import input_of;"
        "print(hashlib.sha256(b''.join(input_of(7, index) for index in range(2_000))).hexdigest())"
    )

    def digest(hash_seed: str) -> str:
        completed = subprocess.run(
            [sys.executable, "-c", program],
            env={
                **os.environ,
                "PYTHONHASHSEED": hash_seed,
                "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)]),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return completed.stdout

    assert digest("1") == digest("4711")
    assert input_of(7, 1) != input_of(8, 1)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.just(CANARY)
    | st.text(st.characters(categories=["Cs", "Cc", "Nd"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_good = json.loads(message(device("r1"), tenant("acme"), f"a text with {CANARY}").reveal())
_messages = st.builds(
    lambda changes, dropped, ascii_only: json.dumps(
        {name: value for name, value in (_good | changes).items() if name not in dropped},
        ensure_ascii=ascii_only,
    ).encode(errors="surrogatepass"),
    st.dictionaries(st.sampled_from(sorted(_good)) | st.text(), _json, max_size=3),
    st.just(set()) | st.sets(st.sampled_from(sorted(_good)), max_size=1),
    st.booleans(),
)


@hypothesis_settings(max_examples=400)
@given(
    contents=st.lists(
        _messages | st.binary(max_size=64) | st.randoms(use_true_random=False).map(drawn),
        min_size=1,
        max_size=12,
    ),
    policy=st.sampled_from(POLICIES),
)
async def test_the_rules_hold_for_whatever_hypothesis_thinks_of(
    contents: Sequence[bytes], policy: IngestPolicy
) -> None:
    result = await inspected(contents, policy)
    assert not [violation.rule for violation in result.violations]
    assert result.counts.total() == len(contents)


def _let_out(_: bytes) -> object:
    raise RecursionError("maximum recursion depth exceeded")


def _quote_it(content: bytes) -> object:
    raise ValueError(f"cannot read {content[:4_000]!r}")


def _log_it(_: object, batch: Batch) -> None:
    for delivery in batch.deliveries:
        logging.getLogger("snapshot_domain").info("took %s", delivery.body.reveal())


async def _forget_the_odd(
    source: MemoryMessageSource, settlements: Sequence[tuple[Delivery, Settlement]]
) -> None:
    for delivery, settlement in settlements:
        if delivery.body.size_bytes % 2 == 0:
            source.settled.append((delivery.origin.sequence, settlement))


async def _settle_twice(
    source: MemoryMessageSource, settlements: Sequence[tuple[Delivery, Settlement]]
) -> None:
    source.settled.extend(
        (delivery.origin.sequence, settlement) for delivery, settlement in [*settlements] * 2
    )


def _anything_is_missing(_: object) -> MalformedReason:
    return MalformedReason.FIELD_MISSING


@pytest.mark.parametrize(
    ("where", "bug", "broken"),
    [
        ("snapshot_json.decoder.fields_of", _let_out, "Unforeseen"),
        ("snapshot_json.decoder.fields_of", _quote_it, "nobody says content"),
        ("snapshot_domain.journal.Journal.write", _log_it, "nobody says content"),
        ("snapshot_memory.MemoryMessageSource.settle", _settle_twice, "not 1 and 2 times"),
        ("snapshot_memory.MemoryMessageSource.settle", _forget_the_odd, "not 1 and 0 times"),
        ("snapshot_json.reading._fields_read_slowly", _anything_is_missing, "it is Malformed"),
    ],
)
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, where: str, bug: Callable[..., object], broken: str
) -> None:
    monkeypatch.setattr(where, bug)
    report = report_on(0, range(64))
    assert any(broken in failure.rule for failure in report.failures)


def test_of_a_rule_that_only_a_batch_broke_the_one_input_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    culprit = RawMessage(input_of(0, BATCH + 5)).reveal()

    def quote_one(content: bytes) -> object:
        if content == culprit:
            raise ValueError(f"cannot read {content!r}")
        return fields_of(content)

    fields_of = reading.fields_of
    monkeypatch.setattr("snapshot_json.decoder.fields_of", quote_one)
    report = report_on(0, range(2 * BATCH))
    assert {tuple(failure.indexes) for failure in report.failures} == {(BATCH + 5,)}


def test_a_failure_is_told_without_content_and_its_file_has_the_input(tmp_path: Path) -> None:
    failure = Failure(3, range(17, 18), "a rule")
    lines = list(lines_of_failures([failure], tmp_path / "failures"))
    assert "--seed 3 --first 17 --inputs 1" in "\n".join(lines)
    (path,) = (tmp_path / "failures").iterdir()
    assert str(path) in "\n".join(lines)
    assert bytes.fromhex(path.read_text().strip()) == input_of(3, 17)
    assert CANARY not in "\n".join(lines)


def test_shared_out_among_processes_it_comes_to_the_same() -> None:
    indexes = range(300, 1_300)
    assert report_in_parallel(5, indexes, jobs=2) == report_on(5, indexes)


def test_one_input_under_atheris_raises_a_rule_and_no_content(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inspect_one(CANARY.encode(), 0)
    monkeypatch.setattr("snapshot_json.decoder.fields_of", _quote_it)
    with pytest.raises(BrokenRule) as raised:
        inspect_one(CANARY.encode(), 0)
    assert CANARY not in str(raised.value)
