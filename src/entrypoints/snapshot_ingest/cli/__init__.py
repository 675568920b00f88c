"""The command line: what there is to type, and what each command is for.

Each command's module is imported when the command is run, so that --help stays quick.
"""

import math
from pathlib import Path
from typing import Annotated

import typer

from snapshot_ingest.cli.bench import add_bench_command
from snapshot_ingest.cli.given import Given, given
from snapshot_ingest.cli.keys import add_keys_commands
from snapshot_ingest.cli.loop import run_to_end
from snapshot_ingest.cli.quarantine import quarantine_app
from snapshot_ingest.cli.takeover import add_takeover_command
from snapshot_ingest.command_errors import UsageError

app = typer.Typer(
    name="snapshot-ingest",
    help="Takes router configuration snapshots off NATS JetStream and stores them encrypted.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing boxes around the help takes longer than all else it does
)
config_app = typer.Typer(help="Look at the settings.")

# Some versions of typer use click, others carry a copy of it: this finds the right one's.
ParserError: type[Exception] = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException"
)
"""The root of what the command line's parser raises."""


def _say_version(is_asked: bool) -> None:  # noqa: FBT001 - the signature is typer's
    if is_asked:
        from importlib.metadata import version as version_of

        typer.echo(f"snapshot-ingest {version_of('snapshot-ingest')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file; also SNAPSHOT_INGEST_CONFIG.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as http.port=0."),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR.", case_sensitive=False)
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback has answered before
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which.")
    ] = False,
) -> None:
    if log_level is not None:
        _check_level(log_level)
    level = log_level.upper() if log_level else None
    context.obj = Given(config, overrides or [], level)


def _check_level(given_level: str) -> None:
    from snapshot_ingest.logs import LEVELS

    if given_level.upper() not in LEVELS:
        raise UsageError("--log-level is not known", expected=", ".join(LEVELS))


@app.command()
def run(context: typer.Context) -> None:
    """Ingest from the configured servers until stopped."""
    from snapshot_ingest.commands.run import run as command

    run_to_end(command(given(context).settings("INFO")))


@app.command()
def up(
    context: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where it keeps everything; if not given, snapshot-ingest-data."),
    ] = None,
    ephemeral: Annotated[bool, typer.Option(help="Throw everything away at the end.")] = False,
    simulate: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Publish a made-up fleet of N devices.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of the made-up fleet.")] = 4,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet.")] = 1,
    publish: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Publish files; may be repeated.")
    ] = None,
    until_idle: Annotated[bool, typer.Option(help="End when everything is settled.")] = False,
    worker: Annotated[
        bool, typer.Option(help="Ingest; without, that is left to whoever connects.")
    ] = True,
    json: Annotated[bool, typer.Option(help="End with one JSON object.")] = False,
    nats_port: Annotated[int, typer.Option(help="0: a free one.")] = 0,
    postgres_port: Annotated[int, typer.Option(help="0: a free one.")] = 0,
    openbao_port: Annotated[int, typer.Option(help="0: a free one.")] = 0,
) -> None:
    """Start real NATS, PostgreSQL and OpenBao here, and ingest."""
    from snapshot_ingest.commands.up import DEFAULT_DATA_DIR, UpOptions
    from snapshot_ingest.commands.up import up as command
    from snapshot_ingest.logs import set_up_logging
    from snapshot_ingest.stack import StackPorts

    before = given(context)
    if before.config is not None:
        raise UsageError("up makes its own configuration", expected="no --config")
    if ephemeral and data_dir is not None:
        raise UsageError("--ephemeral and --data-dir are both given", expected="one of them")
    if simulate is not None and publish:
        raise UsageError("--simulate and --publish are both given", expected="one of them")
    asked = UpOptions(
        data_dir=None if ephemeral else data_dir or DEFAULT_DATA_DIR,
        ports=StackPorts(nats=nats_port, postgres=postgres_port, openbao=openbao_port),
        simulate=simulate,
        rounds=rounds,
        seed=seed,
        publish=publish or [],
        until_idle=until_idle,
        with_worker=worker,
        as_json=json,
        overrides=before.overrides,
    )
    level = before.log_level or "WARNING"
    set_up_logging(level)
    run_to_end(command(asked, level))


@app.command()
def publish(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…")],
    tenant: Annotated[str | None, typer.Option(help="The devices' tenant, a UUID.")] = None,
    start: Annotated[
        str | None, typer.Option(help="When the first files were collected, RFC 3339.")
    ] = None,
    repeat: Annotated[int, typer.Option(help="Publish all of it so many times.")] = 1,
    rate: Annotated[float | None, typer.Option(help="Messages a second.")] = None,
    register: Annotated[
        bool, typer.Option(help="Register tenant, devices and key first, for demonstrations.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which device each path is.")
    ] = False,
) -> None:
    """Publish files on the stream as the poller would."""
    from snapshot_ingest.commands.publish import PublishOptions
    from snapshot_ingest.commands.publish import publish as command
    from snapshot_ingest.publish_paths import parse_start, parse_tenant
    from snapshot_ingest.tenants import DEMO_TENANT

    if rate is not None and not 0 < rate < math.inf:
        raise UsageError("--rate is not positive", expected="messages a second, such as 100")
    asked = PublishOptions(
        paths=paths,
        tenant_id=parse_tenant(tenant) if tenant else DEMO_TENANT,
        start=parse_start(start) if start else None,
        repeat=repeat,
        rate=rate,
        register=register,
        dry_run=dry_run,
    )
    run_to_end(command(given(context).settings(), asked))


@app.command()
def migrate(
    context: typer.Context,
    with_backend_tables: Annotated[
        bool, typer.Option(help="Make the backend's tables too, where nothing else does.")
    ] = False,
) -> None:
    """Bring our own schema to this version."""
    from snapshot_ingest.commands.migrate import migrate as command

    run_to_end(command(given(context).settings(), with_backend_tables=with_backend_tables))


@app.command()
def uninstall(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else only say what it would.")] = False,
    discard_quarantine: Annotated[
        bool, typer.Option("--discard-quarantine", help="Also while messages are kept there.")
    ] = False,
) -> None:
    """Take our own schema away, and leave the backend's tables as they are."""
    from snapshot_ingest.commands.uninstall import Uninstalling
    from snapshot_ingest.commands.uninstall import uninstall as command

    asked = Uninstalling(is_meant=yes, discard_quarantine=discard_quarantine)
    run_to_end(command(given(context).settings(), asked))


@app.command()
def provision(
    context: typer.Context,
    tenant: Annotated[
        list[str] | None, typer.Option(help="Make this tenant's key too; may be repeated.")
    ] = None,
    own_stream: Annotated[
        bool, typer.Option("--own-stream", help="Make nats.stream for snapshots alone.")
    ] = False,
    shared_stream: Annotated[
        str, typer.Option(help="The stream that the own one takes snapshots from.")
    ] = "DEVICE_EVENTS",
    outage: Annotated[str, typer.Option(help="The outage that the own one bridges.")] = "24h",
    max_bytes: Annotated[int | None, typer.Option(min=1, help="The own one's size.")] = None,
    devices: Annotated[
        int | None, typer.Option(min=1, help="Reckon its size for so many devices.")
    ] = None,
    bytes_per_snapshot: Annotated[
        int, typer.Option(min=1, help="What one configuration has on average.")
    ] = 16_384,
    poll_interval: Annotated[str, typer.Option(help="How often a device is polled.")] = "6h",
) -> None:
    """Make the stream, the consumer and the keys that are missing."""
    from snapshot_ingest.commands.provision import provision as command
    from snapshot_ingest.own_stream.arguments import OwnStreamArguments
    from snapshot_ingest.publish_paths import parse_tenant

    if not own_stream and (max_bytes or devices):
        raise UsageError("--max-bytes and --devices size the own stream", expected="--own-stream")
    asked = OwnStreamArguments(
        shared_stream=shared_stream,
        outage=outage,
        max_bytes=max_bytes,
        devices=devices,
        snapshot_bytes=bytes_per_snapshot,
        poll_interval=poll_interval,
    )
    tenants = [parse_tenant(each) for each in tenant or ()]
    settings = given(context).settings()
    shape = asked.shape(settings.nats) if own_stream else None
    run_to_end(command(settings, tenants, shape))


@app.command()
def status(
    context: typer.Context,
    json: Annotated[bool, typer.Option(help="Print one JSON object.")] = False,
) -> None:
    """Say how much waits and how much is stored."""
    from snapshot_ingest.commands.status import status as command

    run_to_end(command(given(context).settings(), as_json=json))


@app.command()
def show(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="DEVICE|SNAPSHOT")],
) -> None:
    """Print one stored snapshot, decrypted with the reader's role."""
    from snapshot_ingest.commands.show import show as command

    run_to_end(command(given(context).settings(), which))


@config_app.command("show")
def config_show(context: typer.Context) -> None:
    """List every setting with its value; secrets only say that they are set."""
    from snapshot_ingest.commands.config_show import config_show as command

    command(given(context).settings())


add_keys_commands(app)
add_takeover_command(app)
add_bench_command(app)
app.add_typer(config_app, name="config")
app.add_typer(quarantine_app, name="quarantine")
