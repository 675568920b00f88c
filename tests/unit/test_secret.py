"""A secret gives nothing away but through `reveal`."""

import copy
import pickle
import traceback

import pytest

from snapshot_domain.secret import Configuration, RawMessage, Secret

CONTENT = b"/user set admin password=hunter2-canary"
KINDS = [Configuration, RawMessage]


@pytest.fixture(params=KINDS)
def secret(request: pytest.FixtureRequest) -> Secret:
    kind: type[Secret] = request.param
    return kind(CONTENT)


def test_reveal_gives_the_bytes(secret: Secret) -> None:
    assert secret.reveal() == CONTENT


def test_the_size_is_no_secret(secret: Secret) -> None:
    assert secret.size_bytes == len(CONTENT)


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{:>80}".format, "{!r}".format])
def test_no_way_of_printing_shows_content(secret: Secret, shown: object) -> None:
    assert callable(shown)
    text = shown(secret)
    assert "canary" not in text
    assert "sealed" in text


def test_percent_formatting_shows_no_content(secret: Secret) -> None:
    assert "canary" not in "%s %r" % (secret, secret)  # noqa: UP031 - this way of printing is the subject


def test_it_has_no_dictionary_to_look_into(secret: Secret) -> None:
    with pytest.raises(TypeError):
        vars(secret)
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_cannot_be_pickled(secret: Secret, protocol: int) -> None:
    with pytest.raises(TypeError, match="sealed") as caught:
        pickle.dumps(secret, protocol)
    assert "canary" not in str(caught.value)


def test_a_copy_is_the_same_sealed_object(secret: Secret) -> None:
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_equality_does_not_answer_guesses(secret: Secret) -> None:
    assert secret != type(secret)(CONTENT)
    guess: object = CONTENT
    assert secret != guess
    assert secret == secret


def test_it_has_no_order(secret: Secret) -> None:
    with pytest.raises(TypeError):
        sorted([secret, type(secret)(b"other")])  # type: ignore[type-var]  # the subject


@pytest.mark.parametrize("conversion", [bytes, bytearray, memoryview, list, iter, len])
def test_no_conversion_opens_it(secret: Secret, conversion: object) -> None:
    assert callable(conversion)
    with pytest.raises(TypeError) as caught:
        conversion(secret)
    assert "canary" not in str(caught.value)


def test_a_traceback_with_locals_shows_no_content(secret: Secret) -> None:
    def fail(held: Secret) -> None:
        raise ValueError(f"with {held}")

    with pytest.raises(ValueError, match="sealed") as caught:
        fail(secret)
    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    frame = shown[shown.index("in fail") :]
    assert "sealed" in frame
    assert "canary" not in frame


def test_pytest_s_own_report_of_a_failed_assertion_shows_no_content(
    pytester: pytest.Pytester,
) -> None:
    test_file = """
        from snapshot_domain.secret import Configuration

        def test_it():
            secret = Configuration(bytes.fromhex("CONTENT"))
            assert secret == Configuration(b"")
            assert [secret] == [b"x"]
        """
    pytester.makepyfile(test_file.replace("CONTENT", CONTENT.hex()))
    result = pytester.runpytest_subprocess("-vv", "--showlocals", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    output = result.stdout.str()
    assert "sealed" in output
    assert "hunter2" not in output
