"""Chance that is the same for the same seed, in every process."""

import hashlib
from random import Random
from uuid import UUID


def chance(*names: object) -> Random:
    """The randomness of this name. It depends on nothing else: no hash seed, no earlier draw."""
    return Random("/".join(map(str, names)))


def named_uuid(*names: object) -> UUID:
    """The UUID of this name, like a random one to look at."""
    name = "/".join(map(str, names)).encode()
    return UUID(bytes=hashlib.blake2b(name, digest_size=16).digest(), version=4)
