"""`snapshot-ingest bench`: how fast, beside what people would write."""

from pathlib import Path
from typing import Annotated

import typer

from snapshot_ingest.cli.given import given
from snapshot_ingest.cli.loop import run_to_end
from snapshot_ingest.command_errors import UsageError

_VOID = 1


def add_bench_command(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(bench)


def bench(
    context: typer.Context,
    size: Annotated[
        list[int] | None,
        typer.Option(metavar="BYTES", help="Of a text; may be repeated; if not given, 16384."),
    ] = None,
    tenants: Annotated[
        list[int] | None, typer.Option(metavar="N", help="May be repeated; if not given, 1.")
    ] = None,
    unchanged: Annotated[
        list[int] | None,
        typer.Option(metavar="PERCENT", help="May be repeated; if not given, 0."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="F", help="May be repeated; if not given, all three."),
    ] = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="No audit log, and the stream in clear.")
    ] = False,
    rounds: Annotated[int, typer.Option(help="The contenders in turn, so many times.")] = 3,
    seconds: Annotated[float, typer.Option(help="About how long each run takes.")] = 2.0,
    framework: Annotated[
        bool | None, typer.Option("--framework/--no-framework", help="FastStream as well.")
    ] = None,
    floors: Annotated[
        bool, typer.Option("--floors/--no-floors", help="The bare stages as well.")
    ] = True,
    latency: Annotated[
        bool, typer.Option("--latency/--no-latency", help="Latency at half of the top rate.")
    ] = True,
    prices: Annotated[
        bool,
        typer.Option(
            "--prices/--no-prices", help="What audit log and encryption cost; not --bare."
        ),
    ] = True,
    marks: Annotated[
        bool, typer.Option("--marks", help="Hold it against the marks, which are for --bare.")
    ] = False,
    heads: Annotated[
        int | None, typer.Option(metavar="N", help="With --marks: so many devices as well.")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Real configurations, in place of made-up.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every figure as JSON.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw bars and curves as SVG.")
    ] = None,
) -> None:
    """Measure the pipeline beside what people would write, on servers of its own.

    Of --size, --tenants and --unchanged the first of each is the base, and each other one is
    tried with the base's other two. A run that counts for nothing ends with exit 1.
    """
    from snapshot_ingest.bench import options

    before = given(context)
    if before.config is not None:
        raise UsageError("bench makes its own configuration", expected="no --config")
    with_framework, no_framework = options.optional(
        name="the framework", module="faststream", asked=framework
    )
    options.optional(name="--plot", module="matplotlib", asked=plot is not None or None)
    remarks = options.remarks_on_real_texts(texts, bare=bare, prices=prices, marks=marks)
    asked = options.BenchOptions(
        cases=options.cases_of(size or [16_384], tenants or [1], unchanged or [0]),
        formats=options.formats_of(formats or []),
        bare=bare,
        rounds=options.checked_rounds(rounds),
        seconds=options.checked_seconds(seconds),
        framework=with_framework,
        floors=floors,
        latency=latency,
        prices=prices and not bare,
        marks=marks,
        heads=options.checked_heads(heads, marks=marks),
        texts=options.checked_texts(texts),
        json=options.checked_file("--json", json),
        plot=options.checked_file("--plot", plot),
        remarks=[*filter(None, [no_framework]), *remarks],
    )
    options.optional(name="bench", module="psutil", asked=True)
    from snapshot_ingest.commands.bench import bench as command
    from snapshot_ingest.logs import set_up_logging

    set_up_logging(before.log_level or "WARNING")
    if not run_to_end(command(asked, before.overrides)):
        raise typer.Exit(_VOID)
