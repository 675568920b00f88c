"""`snapshot-ingest takeover`."""

from typing import Annotated

import typer

from snapshot_ingest.cli.given import given
from snapshot_ingest.cli.loop import run_to_end
from snapshot_ingest.command_errors import UsageError


def add_takeover_command(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(takeover)


def takeover(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do it, not only say it.")] = False,
    back: Annotated[
        bool, typer.Option("--back", help="Undo it: the former subscriber goes on.")
    ] = False,
    consumer: Annotated[
        str | None,
        typer.Option(help="The former subscriber's; if not given, nats.consumer."),
    ] = None,
    inbox_prefix: Annotated[
        str | None,
        typer.Option(help="With --back: what the former subscriber may listen to; _INBOX."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take the stream over from the backend's former subscriber."""
    from snapshot_ingest.commands.takeover import TakeOverOptions
    from snapshot_ingest.commands.takeover import takeover as command
    from snapshot_nats import DEFAULT_PUSH_INBOX

    if inbox_prefix is not None and not back:
        raise UsageError("--inbox-prefix is for the way back", expected="--back beside it")
    asked = TakeOverOptions(
        consumer=consumer,
        back=back,
        for_real=yes,
        inbox=inbox_prefix or DEFAULT_PUSH_INBOX,
        as_json=as_json,
    )
    run_to_end(command(given(context).settings(), asked))
