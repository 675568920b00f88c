"""Denials: what the server does not let us do, told to whoever is just doing it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from nats import errors


class SubjectDenied(errors.Error):
    """The server denies us this subject (in lower case)."""

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.subject = subject


class Denials:
    """Passes a denial on to those who use its subject now, and remembers none for later.

    Permissions change while we are connected, so what was denied once may work the next time.
    Only a subscription, once denied, stays silent on its connection whatever is granted since:
    these are kept in `subscriptions`, and only another connection heals them.
    """

    def __init__(self) -> None:
        self.subscriptions: set[str] = set()
        self._watched: dict[asyncio.Future[str], tuple[str, bool]] = {}

    def note_publish(self, subject: str) -> None:
        """The server refused to take a message on the subject."""
        for denied, (beginning, _) in self._watched.items():
            if subject.startswith(beginning):
                _tell(denied, subject)

    def note_subscription(self, subject: str) -> None:
        """The server refused to send us what arrives on the subject."""
        self.subscriptions.add(subject)
        for denied, (_, awaits_answers) in self._watched.items():
            if awaits_answers:
                _tell(denied, subject)

    @contextmanager
    def of(self, beginning: str, *, awaits_answers: bool) -> Iterator["asyncio.Future[str]"]:
        """Gives the first subject with this beginning that is denied while the block lasts.

        Whoever awaits answers needs our subscriptions too: one that is denied counts as well.
        """
        denied: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if awaits_answers and self.subscriptions:
            _tell(denied, min(self.subscriptions))
        self._watched[denied] = (beginning.lower(), awaits_answers)
        try:
            yield denied
        finally:
            del self._watched[denied]


def _tell(denied: "asyncio.Future[str]", subject: str) -> None:
    if not denied.done():
        denied.set_result(subject)
