"""The same inspection under atheris, where that is installed: it looks for new paths by itself."""

import asyncio
import inspect
import sys
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from fuzz.inputs import input_of
from fuzz.inspection import inspected
from fuzz.policies import policy_of
from snapshot_json import JsonSnapshotDecoder, collected_at, decoder, reading

_SEED_INPUTS = 500
_INPUT_BYTES_AT_MOST = 16_384


class BrokenRule(Exception):
    """An input broke a rule; this says which, and nothing of the input."""


def is_installed() -> bool:
    """Whether atheris is there."""
    return find_spec("atheris") is not None


def inspect_one(content: bytes, number: int) -> None:
    """One input alone, under the policy of that number. Raises `BrokenRule`."""
    result = asyncio.run(inspected([content], policy_of(number)))
    if result.violations:
        raise BrokenRule("; ".join(violation.rule for violation in result.violations))


def run_guided(seed: int, runs: int, folder: Path) -> None:
    """Begins with inputs of the seed. Never returns: atheris ends the process.

    An input that fails is left in the folder, beside the corpus that grows there.
    """
    atheris = import_module("atheris")
    atheris.instrument_func(JsonSnapshotDecoder.decode)
    for module in (collected_at, decoder, reading):
        for _, function in inspect.getmembers(module, inspect.isfunction):
            atheris.instrument_func(function)
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for index in range(_SEED_INPUTS):
        (corpus / f"input-{index}").write_bytes(input_of(seed, index))
    numbers = count()
    atheris.Setup(
        [
            sys.argv[0],
            f"-runs={runs}",
            f"-max_len={_INPUT_BYTES_AT_MOST}",
            f"-artifact_prefix={folder}/",
            str(corpus),
        ],
        lambda content: inspect_one(content, next(numbers)),
    )
    atheris.Fuzz()
