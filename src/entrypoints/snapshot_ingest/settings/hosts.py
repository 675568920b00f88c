"""Which hosts are this machine: only those may be spoken to in clear."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether it is 127.0.0.0/8, ::1, localhost, or the folder of a unix socket.

    Another name that resolves to one of them today may resolve elsewhere tomorrow.
    """
    if host.startswith("/") or host.lower() == "localhost":
        return True
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
