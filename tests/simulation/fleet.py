"""What is published in a simulation, and all that the model knows of each message."""

import hashlib
from datetime import datetime, timedelta
from random import Random

from attrs import field, frozen

from simulation.weather import CANARY
from snapshot_domain.secret import RawMessage
from support.messages import device, message, tenant

Position = tuple[datetime, int]

OWNERS = {"r1": "acme", "r2": "acme", "z1": "zeta", "k1": "keyless"}
"""The devices that are there from the beginning."""
NEWCOMER, MOVER = "n1", "r2"
KEYLESS = "keyless"

_DEVICES = [*OWNERS, "r1", "r1", "r2", NEWCOMER]
_MALFORMED = [b"", b"null", b"[]", b"\xff canary", b'"canary"', b'{"config_text": "canary"}']
_REFUSED = "refused"


@frozen
class Message:
    """A message on the stream, and what it says; `device` is None where it is no snapshot."""

    body: RawMessage = field(repr=False)
    device: str | None = None
    owner: str = ""
    text: str = ""
    collected_at: datetime | None = None

    @property
    def is_refused(self) -> bool:
        """Whether no cipher takes it."""
        return is_refused(self.text)

    @property
    def digest(self) -> str:
        """The SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def position(self, received_at: datetime, sequence: int) -> Position:
        """Where it stands, by rule 5: a time that is missing or far ahead does not count."""
        at = self.collected_at
        if at is None or at > received_at + timedelta(minutes=10):
            at = received_at
        return at, sequence


def is_refused(text: str) -> bool:
    """Whether no cipher takes a text or a message."""
    return _REFUSED in text


class Fleet:
    """Makes up the next message: mostly lawful, in order, and half of them unchanged."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._last_letter: dict[str, str] = {}

    def next_message(self, now: datetime, owner_of_mover: str) -> Message:
        """A message that is published now."""
        if self._chance.random() < 0.06:
            return Message(RawMessage(self._chance.choice(_MALFORMED)))
        name = self._chance.choice(_DEVICES)
        owner = {**OWNERS, MOVER: owner_of_mover, NEWCOMER: "acme"}[name]
        if self._chance.random() < 0.04:
            name = "nobody"
        if self._chance.random() < 0.04:
            owner = "zeta"
        text = self._text(name)
        collected_at = self._collected_at(now)
        body = message(device(name), tenant(owner), text, collected_at)
        return Message(body, name, owner, text, collected_at)

    def _text(self, name: str) -> str:
        if self._chance.random() < 0.03:
            return f"{CANARY} {_REFUSED}"
        if self._chance.random() < 0.5 or name not in self._last_letter:
            self._last_letter[name] = self._chance.choice("ABC")
        return f"{CANARY} {self._last_letter[name]} of {name}"

    def _collected_at(self, now: datetime) -> datetime | None:
        """In order for the most part; sometimes late, missing, or from a clock far ahead."""
        draw = self._chance.random()
        if draw < 0.04:
            return None
        if draw < 0.08:
            return now + timedelta(days=1)
        if draw < 0.3:
            return now - timedelta(seconds=self._chance.randrange(60))
        return now
