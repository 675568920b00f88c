"""SafeMsg shows nothing, and only the server's own messages keep their status."""

import pytest

from snapshot_nats.client import SafeClient
from snapshot_nats.message import SafeMsg

SECRET = b"wpa2-key-0f3a"


def message(reply: str, headers: dict[str, str] | None = None) -> SafeMsg:
    return SafeMsg(SafeClient(), "subject", reply, SECRET, headers)


@pytest.mark.parametrize("form", [repr, str, "{}".format, "{!r}".format])
def test_a_message_shows_its_size_alone(form: object) -> None:
    assert callable(form)
    shown = form(message("$JS.ACK.S.D.1.1.1.1.0"))
    assert SECRET.decode() not in shown
    assert f"{len(SECRET)} bytes" in shown


def test_a_published_status_is_renamed() -> None:
    safe = message("$JS.ACK.S.D.1.1.1.1.0", {"Status": "404", "Other": "x"})
    assert safe.headers == {"Published-Status": "404", "Other": "x"}


def test_the_servers_own_status_stays() -> None:
    assert message("", {"Status": "404"}).headers == {"Status": "404"}
