"""Puts items into as few requests as OpenBao's limits allow, and reads the answers item by item.

Pure: no I/O. Plaintext leaves its `Secret` only for the moment in which a body is built.
"""

from base64 import b64decode
from binascii import Error as BadBase64
from binascii import b2a_base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from attrs import field, frozen

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import KeyReference
from snapshot_domain.secret import Secret
from snapshot_openbao.ciphertext_text import is_of_transit
from snapshot_openbao.client import Reply
from snapshot_openbao.errors import Problem, problem_of_status, problem_of_text
from snapshot_openbao.paths import key_name
from snapshot_openbao.replies import batch_results, error_texts

G = TypeVar("G")
R = TypeVar("R")
_Given = TypeVar("_Given", contravariant=True)
_Result = TypeVar("_Result", covariant=True)

# Without this a single bad item turns the whole answer into a 400.
_HEAD = b'{"partial_failure_response_code":200,"batch_input":['
_TAIL = b"]}"
_COMMA_BYTES = 1
_PIECE_BYTES = 3 * 64 * 1024  # three bytes become four characters: pieces join without a seam


@frozen
class Limits:
    """How much goes into one request.

    The server counts at most 1000 strings and 32 MiB a body by default. A batch stays well below
    both, since each thread holds a body and its answer; a single item that is larger than a batch
    goes alone, up to `max_body_bytes`.
    """

    max_items: int = 120
    max_batch_bytes: int = 24 * 1024 * 1024
    max_body_bytes: int = 32 * 1024 * 1024 - 4096


class Operation(Protocol[_Given, _Result]):
    """What Transit is to do with each item."""

    @property
    def name(self) -> str:
        """Its part of the path."""
        ...

    def entry_bytes(self, given: _Given, /) -> int:
        """The size of the item's entry in a body."""
        ...

    def write_entry(self, given: _Given, body: bytearray, /) -> None:
        """Adds the item's entry to a body, as JSON."""
        ...

    def result(self, answered: Mapping[str, Any], /) -> _Result | Problem:
        """What the answer's entry holds, once it is known to hold no error."""
        ...


class _Encrypt:
    name: ClassVar[str] = "encrypt"

    def entry_bytes(self, given: Secret) -> int:
        return len(b'{"plaintext":""}') + (given.size_bytes + 2) // 3 * 4

    def write_entry(self, given: Secret, body: bytearray) -> None:
        content = memoryview(given.reveal())
        body += b'{"plaintext":"'
        for start in range(0, len(content), _PIECE_BYTES):
            body += b2a_base64(content[start : start + _PIECE_BYTES], newline=False)
        body += b'"}'

    def result(self, answered: Mapping[str, Any]) -> Ciphertext | Problem:
        return _ciphertext_in(answered)


class _OfCiphertext:
    """What is given looks like Transit's own, so that it stands in JSON as it is."""

    def entry_bytes(self, given: Ciphertext) -> int:
        return len(b'{"ciphertext":""}') + len(given.text)

    def write_entry(self, given: Ciphertext, body: bytearray) -> None:
        body += b'{"ciphertext":"'
        body += given.text.encode("ascii")
        body += b'"}'


class _Decrypt(_OfCiphertext):
    name: ClassVar[str] = "decrypt"

    def result(self, answered: Mapping[str, Any]) -> Secret | Problem:
        text = answered.get("plaintext")
        try:
            return Secret(b64decode(text, validate=True)) if isinstance(text, str) else _NOT_OPENBAO
        except (BadBase64, ValueError):
            return _NOT_OPENBAO


class _Rewrap(_OfCiphertext):
    name: ClassVar[str] = "rewrap"

    def result(self, answered: Mapping[str, Any]) -> Ciphertext | Problem:
        return _ciphertext_in(answered)


def _ciphertext_in(answered: Mapping[str, Any]) -> Ciphertext | Problem:
    text = answered.get("ciphertext")
    if not isinstance(text, str) or not is_of_transit(text):
        return Problem.NOT_OPENBAO
    return Ciphertext(text)


_NOT_OPENBAO = Problem.NOT_OPENBAO

ENCRYPT: Operation[Secret, Ciphertext] = _Encrypt()
DECRYPT: Operation[Ciphertext, Secret] = _Decrypt()
REWRAP: Operation[Ciphertext, Ciphertext] = _Rewrap()


@frozen
class Job(Generic[G]):
    """One item, its key, and its place among the answers."""

    place: int
    key: KeyReference
    given: G = field(repr=False)


@frozen
class Batch(Generic[G]):
    """Items of one key that go into one request."""

    key: KeyReference
    jobs: Sequence[Job[G]]

    def path(self, mount: str, operation: Operation[G, object]) -> str:
        """The request's path."""
        return f"{mount}/{operation.name}/{key_name(self.key)}"

    def body(self, operation: Operation[G, object]) -> bytearray:
        """The request's body. It grows in place, so that a large one is in memory only once."""
        body = bytearray(_HEAD)
        for number, job in enumerate(self.jobs):
            if number:
                body += b","
            operation.write_entry(job.given, body)
        body += _TAIL
        return body

    def halves(self) -> "tuple[Batch[G], Batch[G]]":
        """The first and the second half, to find the item that spoils the whole."""
        middle = len(self.jobs) // 2
        return Batch(self.key, self.jobs[:middle]), Batch(self.key, self.jobs[middle:])


def batches(
    operation: Operation[G, object], jobs: Iterable[Job[G]], limits: Limits
) -> tuple[Sequence[Batch[G]], Sequence[Job[G]]]:
    """Requests, each of one key and within the limits; and the jobs too large for any."""
    ready: list[Batch[G]] = []
    too_large: list[Job[G]] = []
    frame_bytes = len(_HEAD) + len(_TAIL)
    open_jobs: dict[KeyReference, list[Job[G]]] = {}
    open_bytes: dict[KeyReference, int] = {}
    for job in jobs:
        entry_bytes = operation.entry_bytes(job.given) + _COMMA_BYTES
        if frame_bytes + entry_bytes > limits.max_body_bytes:
            too_large.append(job)
            continue
        held = open_jobs.setdefault(job.key, [])
        held_bytes = open_bytes.get(job.key, frame_bytes)
        full = len(held) >= limits.max_items or held_bytes + entry_bytes > limits.max_batch_bytes
        if held and full:
            ready.append(Batch(job.key, held))
            held = open_jobs[job.key] = []
            held_bytes = frame_bytes
        held.append(job)
        open_bytes[job.key] = held_bytes + entry_bytes
    ready.extend(Batch(key, held) for key, held in open_jobs.items() if held)
    return ready, too_large


def read_batch(
    operation: Operation[G, R], reply: Reply, count: int
) -> Sequence[R | Problem] | Problem:
    """For each item what came of it, or the one problem that the whole request met.

    A partial failure comes with the status 200, a failure of every item with 400 or 500; both
    have an entry for each item. An empty plaintext is legal, so an entry's error is asked first.
    """
    if reply.status not in (200, 207, 400, 500):
        return problem_of_status(reply.status, error_texts(reply.body))
    entries = batch_results(reply.body, count)
    if entries is not None:
        # An unknown failure is taken as passing, since a wrong *refused* would give a message up
        # for good; where 400 says that no item could be used, each is to blame itself.
        unknown = Problem.INPUT_REFUSED if reply.status == 400 else Problem.SERVER_FAILED
        return [_read_entry(operation, entry, unknown) for entry in entries]
    if reply.status in (200, 207):
        return Problem.NOT_OPENBAO
    return problem_of_status(reply.status, error_texts(reply.body))


def _read_entry(
    operation: Operation[Any, R], entry: Mapping[str, Any], unknown: Problem
) -> R | Problem:
    error = entry.get("error")
    if error:
        return problem_of_text(str(error), unknown)
    return operation.result(entry)
