"""The bare stages that need no server: decoding, zstd, and AES-GCM with its base64."""

import secrets
from base64 import b64encode
from collections.abc import Callable, Sequence

import msgspec
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from snapshot_ingest.bench.floors.data import LEVEL, Fields, bodies, compressed, texts
from snapshot_ingest.bench.floors.order import Order

_NONCE_BYTES = 12
_BOUND_TO = b"tenant, device and digest are about as long as this is, all in all: 0123456789"


def decoding(order: Order) -> Callable[[], int]:
    """JSON to ids, a time, and the text in UTF-8."""
    decoder, given = msgspec.json.Decoder(Fields), bodies(order)

    def work() -> int:
        for body in given:
            decoder.decode(body).config_text.encode()
        return len(given)

    return work


def zstd(order: Order) -> Callable[[], int]:
    """The text to one frame."""
    compressor, given = zstandard.ZstdCompressor(level=LEVEL), texts(order)

    def work() -> int:
        for text in given:
            compressor.compress(text)
        return len(given)

    return work


def aes_gcm(order: Order) -> Callable[[], int]:
    """The compressed text under one key, as text."""
    given = compressed(texts(order))

    def work() -> int:
        return len(sealed(given))

    return work


def sealed(given: Sequence[bytes]) -> list[str]:
    """Each under a key that nobody keeps, in base64."""
    key = AESGCM(AESGCM.generate_key(256))
    results = []
    for body in given:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        results.append(b64encode(nonce + key.encrypt(nonce, body, _BOUND_TO)).decode("ascii"))
    return results
