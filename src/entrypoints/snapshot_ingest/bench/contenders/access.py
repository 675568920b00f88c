"""What a contender is told when it starts, on its standard input: nothing secret is an argument."""

import json
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen


@frozen
class Access:
    """The ways to the servers. Ours takes the settings file; the others what stands beside it."""

    settings_file: Path
    overrides: list[str]
    latencies_file: Path | None
    nats_url: str = field(repr=False)
    stream: str
    subject: str
    consumer: str
    push_subject: str
    postgres_dsn: str = field(repr=False)
    openbao_url: str
    openbao_token: str = field(repr=False)

    def encode(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def decode(cls, line: str) -> "Access":
        """What `encode` made the line of."""
        return cls.of(json.loads(line))

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Access":
        """The same, once it was read."""
        given["settings_file"] = Path(given["settings_file"])
        if given["latencies_file"] is not None:
            given["latencies_file"] = Path(given["latencies_file"])
        return cls(**given)
