"""The search for a secret finds it in every form, and nothing that is not there."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from support.canary import Canary

_AROUND = ("", "x", "xy", "xyz")


@pytest.mark.parametrize("before", _AROUND)
@pytest.mark.parametrize("after", _AROUND)
@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.encode(),
        lambda text: text.encode("utf-16-le"),
        lambda text: b64encode(text.encode()),
        lambda text: urlsafe_b64encode(text.encode()),
        lambda text: text.encode().hex().encode(),
        lambda text: text.encode().hex().upper().encode(),
        lambda text: quote(text, safe="").encode(),
        lambda text: quote(text).encode(),
        lambda text: quote_plus(text).encode(),
        lambda text: json.dumps(text).encode(),
        lambda text: json.dumps({"a": [text]}, ensure_ascii=False).encode(),
        lambda text: repr(text).encode(),
        lambda text: repr(text.encode()).encode(),
    ],
)
def test_it_is_found_in_every_form_wherever_it_stands(
    written: Callable[[str], bytes], before: str, after: str
) -> None:
    canary = Canary()
    assert canary.is_in(b"\x00noise" + written(before + canary.text + after) + b"noise\xff")


def test_another_secret_is_not_taken_for_it() -> None:
    other = Canary().text
    content = b" ".join(
        [other.encode(), b64encode(other.encode()), urlsafe_b64encode(other.encode())]
    )
    assert not Canary().is_in(content)


def test_it_is_found_across_the_pieces_of_a_large_file(tmp_path: Path) -> None:
    canary = Canary()
    large, small = tmp_path / "large", tmp_path / "sub" / "small"
    small.parent.mkdir()
    small.write_bytes(b"nothing")
    raw = canary.text.encode()
    large.write_bytes(bytes(4 * 1024 * 1024 - len(raw) // 2) + raw + bytes(10))
    assert canary.files_with_it([tmp_path]) == [large]
    assert canary.files_with_it([small]) == []
