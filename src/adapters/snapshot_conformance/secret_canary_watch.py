"""Everything in one hand: a secret, the places that every process has, and the report on them.

```python
from snapshot_conformance.secret_canary_watch import SecretWatch, secret_canary  # a fixture


async def test_nothing_leaks(secret_canary: SecretWatch, tmp_path: Path) -> None:
    secret_canary.places.append(FilesPlace("my store", [tmp_path]))
    store = MyStore(tmp_path, metrics=secret_canary.events)
    async with secret_canary.keeping_errors():
        await store.keep(secret_canary.canary.configuration())
    report = await secret_canary.report()
    assert report.is_proof, str(report)
```
"""

import logging
import sys
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from attrs import define, field, frozen

from snapshot_conformance.secret_canary import SecretCanary
from snapshot_conformance.secret_canary_forms import WRITINGS
from snapshot_conformance.secret_canary_kept import ErrorsPlace, EventsPlace, LogPlace
from snapshot_conformance.secret_canary_objects import Content
from snapshot_conformance.secret_canary_places import Place, ReadPlace
from snapshot_conformance.secret_canary_report import CanaryReport, reported


@frozen
class SecretWatch:
    """A canary to drive through an adapter, and the places where it is then looked for.

    `logs`, `errors` and `events` fill as it goes; append to `places` what else there is, and to
    `may_hold` the few frames that must have the secret at hand (see `shown_by_error`).
    """

    canary: SecretCanary = field(factory=SecretCanary)
    may_hold: list[str] = field(factory=list)
    logs: LogPlace = field(init=False)
    errors: ErrorsPlace = field(init=False)
    events: EventsPlace = field(factory=EventsPlace)
    places: list[Place] = field(init=False, repr=False)

    @logs.default
    def _every_record(self) -> LogPlace:
        return LogPlace(may_hold=self.may_hold)

    @errors.default
    def _every_error(self) -> ErrorsPlace:
        return ErrorsPlace(may_hold=self.may_hold)

    @places.default
    def _places_of_a_process(self) -> list[Place]:
        return [self.logs, self.errors, self.events]

    @asynccontextmanager
    async def keeping_errors(self) -> AsyncIterator[None]:
        """Keeps the error that ends the block, to look into it, and lets the block end with it."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - every error is what is looked for
            self.errors.add(error)

    async def report(self) -> CanaryReport:
        """Searches, and proves the search; controls are planted, so it comes last."""
        return await reported(self.canary, self.places)


@contextmanager
def watching(may_hold: Collection[str] = ()) -> Iterator[SecretWatch]:
    """A watch that hears every logger at DEBUG meanwhile.

    `may_hold` names the frames that must have the secret at hand, such as the test's own.
    """
    watch = SecretWatch(may_hold=list(may_hold))
    root = logging.getLogger()
    level = root.level
    root.addHandler(watch.logs.handler)
    root.setLevel(logging.DEBUG)
    try:
        yield watch
    finally:
        root.setLevel(level)
        root.removeHandler(watch.logs.handler)


@define
class _Output:
    """What pytest captured of the process's standard output and error, as it accumulates."""

    captured: pytest.CaptureFixture[bytes]
    so_far: list[Content] = field(factory=list)

    async def read(self) -> Iterable[Content]:
        out, err = self.captured.readouterr()
        self.so_far += [out, err]
        return self.so_far

    async def plant(self, content: bytes) -> None:
        sys.stderr.buffer.write(content + b"\n")
        sys.stderr.flush()


@pytest.fixture
def secret_canary(
    request: pytest.FixtureRequest, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[SecretWatch]:
    """A watch that also reads standard output and error; the test module's frames may hold it."""
    output = _Output(capfdbinary)
    with watching(may_hold=[request.module.__name__]) as watch:
        watch.places.append(
            ReadPlace("standard output and error", output.read, output.plant, WRITINGS)
        )
        yield watch
