"""A secret that is nowhere else, and the search for it in any form that it may be left in."""

import re
from collections.abc import Iterator, Sequence
from uuid import uuid4

from attrs import field, frozen

from snapshot_conformance.secret_canary_forms import needles_of
from snapshot_conformance.secret_canary_unpacking import readings_of
from snapshot_domain.secret import Configuration

_SPECIAL = '§"\\/ &+'
_PART = re.compile("[a-zA-Z0-9]{10,16}")


def _new_text() -> str:
    return f"canary{uuid4().hex}{_SPECIAL}{uuid4().hex}"


def _has_a_part(_: object, __: object, text: str) -> None:
    if not _PART.search(text):
        raise ValueError("a canary needs ten letters or digits in a row to be looked for")


@frozen
class SecretCanary:
    """A secret to plant, with characters that each encoding writes differently.

    It is looked for by pieces of ten to sixteen letters and digits, which no quoting changes and
    which a text that was cut short still shows. Each alone is found.
    """

    text: str = field(factory=_new_text, validator=_has_a_part, repr=False)
    needles: Sequence[tuple[str, bytes]] = field(init=False, repr=False, eq=False)
    """Each form's name and what it looks like, for each part of the secret."""

    @needles.default
    def _needles_of_its_parts(self) -> Sequence[tuple[str, bytes]]:
        return [each for part in _PART.findall(self.text) for each in needles_of(part)]

    def configuration(self) -> Configuration:
        """A configuration that holds it."""
        return Configuration(f"/ppp secret add name=x password={self.text}\n".encode())

    def is_in(self, content: bytes | str) -> bool:
        """Whether the content holds the secret in any form, whatever it is packed in."""
        return any(True for _ in self._found(content))

    def forms_in(self, content: bytes | str) -> set[str]:
        """The names of the forms that the content holds, packed or not."""
        return set(self._found(content))

    def is_in_reading_as(self, form: str, reading: bytes) -> bool:
        """Whether bytes that are unpacked already hold it in this one form."""
        return any(needle in reading for name, needle in self.needles if name == form)

    def _found(self, content: bytes | str) -> Iterator[str]:
        for reading in readings_of(as_bytes(content)):
            yield from (name for name, needle in self.needles if needle in reading)


def as_bytes(content: bytes | str) -> bytes:
    """The content as it would be written."""
    return content.encode(errors="surrogatepass") if isinstance(content, str) else content
