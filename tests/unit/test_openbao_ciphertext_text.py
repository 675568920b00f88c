"""What counts as a ciphertext of Transit's: all of it, whatever its size."""

import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_openbao.ciphertext_text import is_of_transit

_WHOLE = re.compile(r"vault:v[0-9]+:[A-Za-z0-9+/]+={0,2}", re.ASCII)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=500))
def test_what_transit_returns_is_one(version: int, box: bytes) -> None:
    assert is_of_transit(f"vault:v{version}:{b64encode(box).decode()}")


@given(st.text(alphabet='vault:1=A+/é\n" ', max_size=30))
def test_it_is_the_same_as_the_pattern_for_the_whole(text: str) -> None:
    for candidate in (text, f"vault:v1:{text}"):
        assert is_of_transit(candidate) == bool(_WHOLE.fullmatch(candidate))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vault:v1:",
        "vault:v1:=",
        "vault:v1:AA===",
        "vault:v1:A=A",
        "vault:v:AA",
        "vault:v1:AA\n",
        "vault:v1:\u0661AA",
        "si1z:vault:v1:AA",
        "hostname core-1",
    ],
)
def test_nothing_else_is_one(text: str) -> None:
    assert not is_of_transit(text)
