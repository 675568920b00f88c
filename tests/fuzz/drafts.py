"""Messages before they are spoilt: members of a JSON object, as bytes, so that each can be odd."""

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from random import Random

from attrs import define

from snapshot_ingest.simulator.routeros import export_of
from support.messages import MORNING, device, tenant

CANARY = "canarybird7"
"""Stands in every text, and in most of what takes the place of a field."""

KEYLESS = "keyless"
"""A tenant without a key."""

# Of the devices here `r1` to `r3` are acme's, `z1` is zeta's, `k1` the keyless tenant's.
_OWNED = (("r1", "acme"), ("r2", "acme"), ("r3", "acme"), ("z1", "zeta"))
_NOT_INGESTED = (("nobody", "acme"), ("r1", "zeta"), ("k1", KEYLESS))

_TEXTS = 12
_SIMULATED = 4
_OTHERS_SHARE = 0.08


@define
class Draft:
    """A message's members, each name and value as it will be written."""

    members: list[tuple[bytes, bytes]]

    def written(self) -> bytes:
        """The message as the poller would write it."""
        return b"{" + b",".join(name + b":" + value for name, value in self.members) + b"}"

    def replace(self, name: bytes, value: bytes) -> None:
        """Gives the member of that name, if there is one, another value."""
        self.members = [(each, value if each == name else old) for each, old in self.members]


def draft_of(draw: Random) -> Draft:
    """A good message of a few devices, so that some are unchanged, or come late."""
    others = draw.random() < _OTHERS_SHARE
    of, owner = draw.choice(_NOT_INGESTED if others else _OWNED)
    text = draw.choice(_texts())
    collected_at = MORNING + timedelta(minutes=draw.randrange(120))
    return Draft(
        [
            (b'"device_id"', _quoted(str(device(of)))),
            (b'"tenant_id"', _quoted(str(tenant(owner)))),
            (b'"routeros_version"', b'"7.16.2"'),
            (b'"collected_at"', _quoted(collected_at.isoformat().replace("+00:00", "Z"))),
            (b'"sha256_hash"', _quoted(_digest(text))),
            (b'"config_text"', _quoted(text)),
            (b'"normalization_version"', b"1"),
        ]
    )


@cache
def _texts() -> Sequence[str]:
    small = [
        f"# software id = QQ11-ZZ{number:02}\n/snmp community\nadd name={CANARY}\n"
        f"/system identity\nset name=shed-ap-{number:02}\n"
        f'/user\nadd name=ops password="{CANARY}§{number}"\n'
        for number in range(_TEXTS - _SIMULATED)
    ]
    exports = [export_of(7, number, 0).reveal().decode() for number in range(_SIMULATED)]
    return [*small, *(f"{text}add name=x password={CANARY}\n" for text in exports)]


@cache
def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _quoted(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()
