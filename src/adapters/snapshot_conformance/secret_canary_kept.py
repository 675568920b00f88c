"""The places inside of a process: log records, errors, events and the adapters themselves."""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence

from attrs import field, frozen

from snapshot_conformance.secret_canary_forms import TEXT_WRITINGS, WRITINGS, Writing
from snapshot_conformance.secret_canary_objects import (
    reachable_from,
    shown_by_error,
    shown_by_record,
)
from snapshot_conformance.secret_canary_places import Found
from snapshot_domain.events import BatchHandled, Event, MessageHandled
from snapshot_domain.outcome import Unforeseen

_logger = logging.getLogger(__name__)


class _Keeper(logging.Handler):
    """Keeps every record as it is, unformatted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@frozen
class LogPlace:
    """Every log record, with its arguments and its errors, of whatever the handler is put on."""

    name: str = "log records at DEBUG"
    may_hold: Collection[str] = ()
    writings: Sequence[Writing] = WRITINGS
    handler: _Keeper = field(factory=_Keeper)

    @property
    def records(self) -> Sequence[logging.LogRecord]:
        """What was logged so far."""
        return self.handler.records

    async def contents(self) -> Iterable[Found]:
        """See Place."""
        return self._shown()

    async def plant(self, content: bytes) -> None:
        """See Place."""
        _logger.debug("planted: %s", content)

    def _shown(self) -> Iterator[Found]:
        for record in self.records:
            for how, content in shown_by_record(record, self.may_hold):
                yield f"{record.name}:{record.lineno}, {how}", content


@frozen
class ErrorsPlace:
    """Errors that came out of an adapter, or that it answered with; add them as they come."""

    name: str = "errors"
    may_hold: Collection[str] = ()
    writings: Sequence[Writing] = WRITINGS
    errors: list[BaseException] = field(factory=list, repr=False)

    def add(self, error: BaseException) -> None:
        """One more to look into."""
        self.errors.append(error)

    async def contents(self) -> Iterable[Found]:
        """See Place."""
        return self._shown()

    async def plant(self, content: bytes) -> None:
        """See Place."""
        error = RuntimeError("a planted one")
        error.__context__ = ValueError(content)
        self.add(error)

    def _shown(self) -> Iterator[Found]:
        for error in self.errors:
            for how, content in shown_by_error(error, self.may_hold):
                yield f"{type(error).__name__}, {how}", content


@frozen
class EventsPlace:
    """Every event; a Metrics of its own, to hand to whatever is under test."""

    name: str = "events"
    writings: Sequence[Writing] = TEXT_WRITINGS
    events: list[Event] = field(factory=list, repr=False)

    def record(self, event: Event) -> None:
        """See the port Metrics."""
        self.events.append(event)

    async def contents(self) -> Iterable[Found]:
        """See Place."""
        return self._shown()

    async def plant(self, content: bytes) -> None:
        """See Place."""
        outcome = Unforeseen(content.decode())
        self.record(BatchHandled([MessageHandled(outcome, 1, 0)], {}))

    def _shown(self) -> Iterator[Found]:
        for event in self.events:
            yield type(event).__name__, repr(event)
            for content in reachable_from(event):
                yield f"{type(event).__name__}, inside", content


@frozen
class ObjectsPlace:
    """Whatever can be reached from the objects: adapters, outcomes, answers, a store in memory."""

    name: str
    roots: list[object] = field(repr=False)
    writings: Sequence[Writing] = WRITINGS

    async def contents(self) -> Iterable[Found]:
        """See Place."""
        shown = [(f"{type(root).__name__}, repr", repr(root)) for root in self.roots]
        return [*shown, *((self.name, content) for content in reachable_from(self.roots))]

    async def plant(self, content: bytes) -> None:
        """See Place."""
        self.roots.append({"planted": [content]})
