"""ConnectionSettings: what they show, and when they demand TLS."""

import ssl

import pytest

from snapshot_nats import ConnectionSettings


def test_no_secret_is_shown() -> None:
    settings = ConnectionSettings(
        servers=("nats://me:s3cret-url@host:4222",), user="me", password="s3cret", token="s3cret"
    )
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings)


@pytest.mark.parametrize(
    ("servers", "demands"),
    [
        (("nats://a:4222",), False),
        (("tls://a:4222",), True),
        (("nats://a:4222", "tls://b:4222"), True),
        (("a:4222",), False),
    ],
)
def test_tls_is_demanded_by_an_address(servers: tuple[str, ...], demands: bool) -> None:  # noqa: FBT001 - a table's column
    assert ConnectionSettings(servers=servers).demands_tls is demands


def test_tls_is_demanded_by_a_context() -> None:
    assert ConnectionSettings(tls=ssl.create_default_context()).demands_tls
