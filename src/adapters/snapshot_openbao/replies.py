"""Reads the JSON of OpenBao's answers without letting an error hold any of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from snapshot_openbao.client import Reply


def json_object(body: bytes | bytearray) -> Mapping[str, Any] | None:
    """The answer as a mapping, or None if it is no JSON object.

    msgspec reads the bytes as they are; the standard library would make a text of all of them
    first, as large again.
    """
    answer: object
    try:
        answer = msgspec.json.decode(body)
    except (ValueError, RecursionError):  # a DecodeError is a ValueError
        answer = None
    return answer if isinstance(answer, dict) else None


def error_texts(body: bytes | bytearray) -> Sequence[str] | None:
    """The texts under `errors`, or None if the answer is not of OpenBao's form."""
    answer = json_object(body)
    errors = answer.get("errors") if answer is not None else None
    if not isinstance(errors, list):
        return None
    return [text for text in errors if isinstance(text, str)]


def is_of_no_key(reply: Reply) -> bool:
    """Whether it says that there is no such key: with 404 and no text; a wrong mount has one."""
    return reply.status == 404 and error_texts(reply.body) == []


def batch_results(body: bytes | bytearray, count: int) -> Sequence[Mapping[str, Any]] | None:
    """The entries under `data.batch_results`, or None if there are not exactly `count` of them.

    They come with the status 200 as well as with 400 and 500.
    """
    answer = json_object(body)
    data = answer.get("data") if answer is not None else None
    results = data.get("batch_results") if isinstance(data, dict) else None
    if not isinstance(results, list) or len(results) != count:
        return None
    return results if all(isinstance(entry, dict) for entry in results) else None
