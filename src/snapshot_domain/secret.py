"""Secrets: the only classes that ever hold a configuration or a raw message."""

from typing import NoReturn, Self, final


class Secret:
    """Bytes that must never be seen by accident.

    `reveal` is the only way to the bytes, and easy to grep for. Everything that Python does
    to an object by itself gives nothing away: repr, str, format, vars, pickle, copy and
    comparison. Two secrets are equal only if they are the same object, since an equality
    of content would answer guesses.
    """

    __slots__ = ("__content",)

    def __init__(self, content: bytes) -> None:
        self.__content = content

    @final
    def reveal(self) -> bytes:
        """The bytes themselves. Call it only where they must be had: to decode or to encrypt."""
        return self.__content

    @final
    @property
    def size_bytes(self) -> int:
        """How many bytes are held."""
        return len(self.__content)

    @final
    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.size_bytes} bytes, sealed>"

    @final
    def __format__(self, spec: str) -> str:
        return repr(self)

    @final
    def __copy__(self) -> Self:
        return self

    @final
    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    @final
    def __getstate__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is sealed and cannot be pickled")

    @final
    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__getstate__()


@final
class Configuration(Secret):
    """The text of one device's configuration, in UTF-8."""

    __slots__ = ()


@final
class RawMessage(Secret):
    """The body of a message exactly as the stream delivered it."""

    __slots__ = ()
