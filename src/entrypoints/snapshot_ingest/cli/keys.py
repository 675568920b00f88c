"""`snapshot-ingest rewrap` and `convert`: stored texts under another key version or format."""

import asyncio
from typing import Annotated

import typer

from snapshot_ingest.cli.given import given

_Tenant = Annotated[str | None, typer.Option(help="Only of this tenant, a UUID.")]
_Rate = Annotated[float | None, typer.Option(help="Texts a second, at most.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what there is to do.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_keys_commands(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(rewrap)
    app.command()(convert)


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
    asyncio.run(command(given(context).settings(), asked, as_json=as_json))


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
    asyncio.run(command(given(context).settings(), chosen, asked, as_json=as_json))
