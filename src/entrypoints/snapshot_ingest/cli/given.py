"""What stands before every command: the settings file, single settings, and the log level."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

if TYPE_CHECKING:
    from snapshot_ingest.settings import Settings


class Given(NamedTuple):
    """The options that stand before the command."""

    config: Path | None
    overrides: list[str]
    log_level: str | None

    def settings(self, default_level: str = "WARNING") -> "Settings":
        """The settings, checked; logging is set up on the way."""
        from snapshot_ingest.logs import set_up_logging
        from snapshot_ingest.settings.loading import load_settings

        set_up_logging(self.log_level or default_level)
        return load_settings(self.config, self.overrides)


def given(context: typer.Context) -> Given:
    """What was given before this command."""
    found: Given = context.obj
    return found
