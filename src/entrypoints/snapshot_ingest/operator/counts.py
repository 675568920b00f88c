"""What an operator's command came to, in numbers."""

import json
import sys
from collections.abc import Mapping


def print_counts(counts: Mapping[str, int], *, as_json: bool) -> None:
    """One line: an object, or the names in words, each with its number."""
    if as_json:
        line = json.dumps(dict(counts))
    else:
        line = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())
    print(line, file=sys.stdout)  # noqa: T201 - the command's output
