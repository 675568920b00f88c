"""Where a secret is searched for: each place says what is in it, and lets a control be planted."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias
from uuid import uuid4

from attrs import frozen

from snapshot_conformance.secret_canary_files import files_below, pieces_of
from snapshot_conformance.secret_canary_forms import TEXT_WRITINGS, WRITINGS, Writing
from snapshot_conformance.secret_canary_objects import Content

Found: TypeAlias = tuple[str, Content]
"""Where exactly, and what is there."""


class Place(Protocol):
    """Somewhere that content must not be. Write one for whatever your adapter writes to."""

    @property
    def name(self) -> str:
        """What a reader of the report knows it by."""
        ...

    @property
    def writings(self) -> Sequence[Writing]:
        """The ways of writing a secret that can be planted here: `TEXT_WRITINGS` in a text."""
        ...

    async def contents(self) -> Iterable[Found]:
        """All that is in it now, piece by piece."""
        ...

    async def plant(self, content: bytes) -> None:
        """Puts content in it, in the way in which a leak would."""
        ...


@frozen
class FilesPlace:
    """Files, and folders with all that is below them.

    A control goes in by `plant_with`, as the program that writes the files would leave it there;
    without one it is appended to the first file, or put in a file of its own in the first folder.
    """

    name: str
    roots: Sequence[Path]
    writings: Sequence[Writing] = WRITINGS
    plant_with: Callable[[bytes], Awaitable[None]] | None = None

    async def contents(self) -> Iterable[Found]:
        """See Place."""
        return self._pieces()

    async def plant(self, content: bytes) -> None:
        """See Place."""
        if self.plant_with is not None:
            await self.plant_with(content)
            return
        root = self.roots[0]
        path = root / f"planted-{uuid4().hex}" if root.is_dir() else root
        with path.open("ab") as file:
            file.write(b"\n" + content + b"\n")

    def _pieces(self) -> Iterator[Found]:
        for path in files_below(self.roots):
            for piece in pieces_of(path):
                yield str(path), piece


@frozen
class ReadPlace:
    """Whatever a function can read: an endpoint, a table, the output of a program.

    `plant_with` puts a control where `read` must then show it.
    """

    name: str
    read: Callable[[], Awaitable[Iterable[Content]]]
    plant_with: Callable[[bytes], Awaitable[None]]
    writings: Sequence[Writing] = TEXT_WRITINGS

    async def contents(self) -> Iterable[Found]:
        """See Place."""
        return [(self.name, content) for content in await self.read()]

    async def plant(self, content: bytes) -> None:
        """See Place."""
        await self.plant_with(content)
