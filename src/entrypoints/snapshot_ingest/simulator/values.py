"""The small values of which a simulated configuration is made."""

from base64 import b64encode
from random import Random

WORDS = ("tower", "barn", "shed", "school", "harbour", "mill", "depot", "clinic", "library")


def hex_digits(draw: Random, digits: int) -> str:
    """Lower-case hex digits."""
    return f"{draw.getrandbits(4 * digits):0{digits}x}"


def mac_address(draw: Random) -> str:
    """An address of MikroTik's."""
    return f"48:A9:8A:{draw.randbytes(3).hex(':').upper()}"


def network(draw: Random) -> str:
    """Any /24."""
    first, second, third = draw.randbytes(3)
    return f"{first}.{second}.{third}.0/24"


def password(draw: Random) -> str:
    """A password that is easy to search for."""
    return f"pw-{hex_digits(draw, 14)}"


def key(draw: Random) -> str:
    """A key as WireGuard writes it."""
    return b64encode(draw.randbytes(32)).decode()
