"""The search for a secret finds it in every form, and nothing that is not there."""

import gzip
import zlib
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest
import zstandard

from snapshot_conformance.secret_canary import SecretCanary
from snapshot_conformance.secret_canary_files import files_with
from snapshot_conformance.secret_canary_forms import FORMS, WRITINGS, Writing

_AROUND = ("", "x", "xy", "xyz")


@pytest.mark.parametrize("before", _AROUND)
@pytest.mark.parametrize("after", _AROUND)
@pytest.mark.parametrize("writing", WRITINGS, ids=lambda writing: writing.name)
def test_it_is_found_in_every_form_wherever_it_stands(
    writing: Writing, before: str, after: str
) -> None:
    canary = SecretCanary()
    assert canary.is_in(b"\x00noise " + writing.write(before + canary.text + after) + b" noise\xff")


@pytest.mark.parametrize("writing", WRITINGS, ids=lambda writing: writing.name)
def test_a_control_is_found_by_the_form_that_it_names(writing: Writing) -> None:
    canary = SecretCanary()
    assert writing.found_as in canary.forms_in(writing.write(canary.text))


def test_every_form_has_a_control() -> None:
    assert {writing.found_as for writing in WRITINGS} == {form.name for form in FORMS}


def test_each_half_of_it_alone_is_found() -> None:
    canary = SecretCanary()
    half = len(canary.text) // 2
    assert canary.is_in(canary.text[:half])
    assert canary.is_in(canary.text[half:])


def test_another_secret_is_not_taken_for_it() -> None:
    other = SecretCanary().text
    content = b" ".join(writing.write(other) for writing in WRITINGS)
    assert not SecretCanary().is_in(content)


def test_what_is_packed_more_than_once_is_opened() -> None:
    canary = SecretCanary()
    packed = zlib.compress(b"x" + zstandard.ZstdCompressor().compress(canary.text.encode()))
    assert canary.is_in(b"noise" + packed)
    assert canary.is_in(b'{"batch_input": [{"plaintext": "' + b64encode(packed) + b'"}]}')
    assert canary.is_in(b"/v1/transit/keys/" + b64encode(packed))
    assert canary.is_in(urlsafe_b64encode(gzip.compress(b64encode(packed))))


def test_a_member_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    canary = SecretCanary()
    noise = bytes(range(256)) * 64
    content = canary.text.encode() + noise
    assert canary.is_in(gzip.compress(content)[:-9])
    assert canary.is_in(zlib.compress(content)[:-5])


def test_bytes_that_only_look_like_a_member_end_no_search() -> None:
    canary = SecretCanary()
    for start in (b"\x1f\x8b\x08", b"\x78\x9c", b"\x28\xb5\x2f\xfd", b"H4sI", b"KLUv"):
        assert not canary.is_in(start * 50)
        assert canary.is_in(start * 50 + canary.text.encode())


def test_a_text_that_could_not_be_recognised_is_refused() -> None:
    with pytest.raises(ValueError, match="ten letters or digits"):
        SecretCanary("12 34 secret")


def test_its_repr_does_not_plant_it() -> None:
    canary = SecretCanary()
    assert not canary.is_in(repr(canary))


def test_its_configuration_holds_it() -> None:
    canary = SecretCanary()
    assert canary.is_in(canary.configuration().reveal())


def test_it_is_found_across_the_pieces_of_a_large_file(tmp_path: Path) -> None:
    canary = SecretCanary()
    large, small = tmp_path / "large", tmp_path / "sub" / "small"
    small.parent.mkdir()
    small.write_bytes(b"nothing")
    for secret in (canary.text.encode(), gzip.compress(canary.text.encode())):
        large.write_bytes(bytes(4 * 1024 * 1024 - len(secret) // 2) + secret + bytes(10))
        assert files_with(canary, [tmp_path]) == [large]
    assert files_with(canary, [small]) == []
