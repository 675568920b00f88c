"""What Transit returns, and what alone is given to it to be decrypted: `vault:v<N>:<base64>`."""

import re

_HEAD = re.compile(r"vault:v[0-9]+:", re.ASCII)
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_PADDING_AT_MOST = 2


def is_of_transit(text: str) -> bool:
    """Whether the text looks like that, all of it.

    Every ciphertext is looked at: a pattern for the whole would take seven times as long.
    """
    head = _HEAD.match(text)
    if head is None or not text.isascii():
        return False
    padded = text[head.end() :].encode("ascii")
    box = padded.rstrip(b"=")
    return (
        bool(box)
        and len(padded) - len(box) <= _PADDING_AT_MOST
        and not box.translate(None, delete=_BASE64)
    )
