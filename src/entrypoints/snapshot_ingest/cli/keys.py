"""`snapshot-ingest rewrap`, `convert`, `digest` and `shred`: keys, and what is under them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from snapshot_ingest.cli.given import given
from snapshot_ingest.cli.loop import run_to_end

_Tenant = Annotated[str | None, typer.Option(help="Only of this tenant, a UUID.")]
_Rate = Annotated[float | None, typer.Option(help="Texts a second, at most.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what there is to do.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_keys_commands(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(rewrap)
    app.command()(convert)
    app.command()(shred)
    digest = typer.Typer(no_args_is_help=True)
    digest.command("migrate")(digest_migrate)
    app.add_typer(digest, name="digest", help="What stored texts are known by.")


def rewrap(
    context: typer.Context,
    tenant: _Tenant = None,
    rate: _Rate = None,
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Bring everything under the newest version of each tenant's key."""
    from snapshot_ingest.commands.rewrap import rewrap as command
    from snapshot_ingest.operator.arguments import parse_work

    asked = parse_work(tenant=tenant, rate=rate, dry_run=dry_run)
    run_to_end(command(given(context).settings(), asked, as_json=as_json))


def convert(
    context: typer.Context,
    to: Annotated[str, typer.Option(help="transit, compressed or envelope.")],
    tenant: _Tenant = None,
    rate: _Rate = None,
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Bring stored texts into another format."""
    from snapshot_ingest.commands.convert import convert as command
    from snapshot_ingest.operator.arguments import parse_format, parse_work

    asked = parse_work(tenant=tenant, rate=rate, dry_run=dry_run)
    chosen = parse_format(to)
    run_to_end(command(given(context).settings(), chosen, asked, as_json=as_json))


def digest_migrate(
    context: typer.Context,
    tenant: _Tenant = None,
    rate: _Rate = None,
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Make the plain digests keyed that are stored."""
    from snapshot_ingest.commands.digest_migrate import digest_migrate as command
    from snapshot_ingest.operator.arguments import parse_work

    asked = parse_work(tenant=tenant, rate=rate, dry_run=dry_run)
    run_to_end(command(given(context).settings(), asked, as_json=as_json))


def shred(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT")],
    restore: Annotated[bool, typer.Option("--restore", help="Undo a freeze.")] = False,
    forever: Annotated[
        bool, typer.Option("--forever", help="Delete the key instead. Nothing undoes it.")
    ] = False,
    confirm: Annotated[
        str | None, typer.Option(metavar="TENANT", help="With --forever: the id once more.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what came of it as JSON.")
    ] = None,
) -> None:
    """Freeze a tenant's key, so that nothing of it opens."""
    from snapshot_ingest.commands.shred import shred as command
    from snapshot_ingest.operator.shredding_arguments import parse_shredding

    asked = parse_shredding(
        tenant,
        restore=restore,
        forever=forever,
        confirm=confirm,
        report=report,
        ask=_ask_for_the_tenant,
    )
    run_to_end(command(given(context).settings(), asked))


def _ask_for_the_tenant() -> str | None:
    """What a person types on the terminal, or None without one."""
    if not sys.stdin.isatty():
        return None
    typer.echo("This deletes the key for good. The tenant's id once more: ", nl=False, err=True)
    return sys.stdin.readline()
