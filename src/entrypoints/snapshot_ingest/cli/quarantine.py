"""`snapshot-ingest quarantine`: look at what could not be ingested, replay it, or drop it."""

from typing import Annotated

import typer

from snapshot_ingest.cli.given import given
from snapshot_ingest.cli.loop import run_to_end

quarantine_app = typer.Typer(
    help="Look at what could not be ingested, replay it, or drop it.", no_args_is_help=True
)

_Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…")]
_Reason = Annotated[str | None, typer.Option(help="Only of this reason, such as orphan.")]
_Tenant = Annotated[str | None, typer.Option(help="Only of this tenant, a UUID.")]
_Device = Annotated[str | None, typer.Option(help="Only of this device, a UUID.")]
_Waiting = Annotated[
    bool | None,
    typer.Option("--waiting/--not-waiting", help="Only what waits, or only the rest."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@quarantine_app.command("list")
def quarantine_list(
    context: typer.Context,
    reason: _Reason = None,
    tenant: _Tenant = None,
    device: _Device = None,
    waiting: _Waiting = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: _Json = False,
) -> None:
    """List the newest of what is kept."""
    from snapshot_ingest.commands.quarantine import list_kept
    from snapshot_ingest.quarantine.arguments import parse_selection

    asked = parse_selection(reason=reason, tenant=tenant, device=device, waiting=waiting)
    run_to_end(list_kept(given(context).settings(), asked, limit, json_wanted=as_json))


@quarantine_app.command("show")
def quarantine_show(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="ID")],
    reveal: Annotated[bool, typer.Option(help="Write its content instead, decrypted.")] = False,
) -> None:
    """Print what is known of one message; its content only with --reveal."""
    from snapshot_ingest.commands import quarantine
    from snapshot_ingest.quarantine.arguments import parse_ids

    (entry_id,) = parse_ids([which])
    command = quarantine.reveal if reveal else quarantine.show
    run_to_end(command(given(context).settings(), entry_id))


@quarantine_app.command("replay")
def quarantine_replay(
    context: typer.Context,
    ids: _Ids = None,
    reason: _Reason = None,
    tenant: _Tenant = None,
    device: _Device = None,
    waiting: _Waiting = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is kept.")] = False,
    as_json: _Json = False,
) -> None:
    """Ingest messages once more, each at its own time."""
    from snapshot_ingest.commands.quarantine import replay as command
    from snapshot_ingest.quarantine.arguments import parse_chosen, parse_selection

    asked = parse_selection(reason=reason, tenant=tenant, device=device, waiting=waiting)
    chosen = parse_chosen(ids or [], asked, everything=everything)
    run_to_end(command(given(context).settings(), chosen, json_wanted=as_json))


@quarantine_app.command("drop")
def quarantine_drop(
    context: typer.Context, ids: Annotated[list[str], typer.Argument(metavar="ID…")]
) -> None:
    """Give messages up for good: their content is erased, and does not come back."""
    from snapshot_ingest.commands.quarantine import drop as command
    from snapshot_ingest.quarantine.arguments import parse_ids

    run_to_end(command(given(context).settings(), parse_ids(ids)))
