"""``zra export``: the account in a folder, and the folder up to date."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

import click
import msgspec

from zra_async.bulk.export.folder.layout import UNITS
from zra_async.bulk.export.folder.parquet import to_parquet
from zra_async.bulk.export.plan import Sweep
from zra_async.bulk.export.streams import STREAMS, StreamSpec, select
from zra_async.cli.arguments.intervals import Interval
from zra_async.cli.arguments.ledgers import adopt_option
from zra_async.cli.arguments.paths import PathArgument
from zra_async.cli.arguments.values import instant
from zra_async.cli.exits import Exit
from zra_async.cli.failures import GivenUp, UsageProblem, report_shown
from zra_async.cli.frame import Frame, subcommand
from zra_async.cli.output.live import progress_options, watched
from zra_async.cli.output.streams import say
from zra_async.cli.output.tables import Layout
from zra_async.cli.output.wording import count, duration, path, rate
from zra_async.results.exports import ExportReport

_SHOWN = 10


class _Period(TypedDict):
    since: datetime | None
    until: datetime | None


def _period(since: str | None, until: str | None) -> _Period:
    first = None if since is None else instant("--since", since)
    last = None if until is None else instant("--until", until)
    if first and last and first > last:
        raise UsageProblem(f"--since {since} lies after --until {until}")
    return {"since": first, "until": last}


@subcommand("export", reports=True, continues="always", done="the folder holds all that was exported")
@click.option("--to", type=PathArgument("folder"), help="The folder; made where there is none.")
@click.option("--streams", metavar="A,B", help="Which streams; zra list streams names them with their costs.")
@click.option("--all", "everything", is_flag=True, help="Every stream but the recordings.")
@click.option("--since", metavar="TIME", help="Conversations analysed from then on.")
@click.option("--until", metavar="TIME", help="Conversations analysed up to then.")
@click.option("--full", is_flag=True, help="Read everything anew, not only what came since the last run.")
@click.option("--concurrency", type=click.IntRange(1), metavar="N", help="Units at once; by default what rates allow.")
@click.option("--parquet", is_flag=True, help="Also as Parquet, in the folder parquet (needs the extra parquet).")
@click.option(
    "--sweep",
    type=Interval("always", "daily", "never"),
    metavar="WHEN",
    default="always",
    show_default=True,
    help="List all conversations to find changed and deleted ones: always, daily, never, or every 12h or 7d.",
)
@adopt_option
@progress_options
async def command(
    frame: Frame,
    to: Path | None,
    streams: str | None,
    everything: bool,
    full: bool,
    sweep: Sweep,
    adopt: bool,
    parquet: bool,
    every: float,
    quiet: bool,
    since: str | None,
    until: str | None,
    concurrency: int | None,
) -> Exit:
    """Export the account into a folder, as fast as its rate limits allow, or bring that folder up to date.

    The same command goes on after an interruption of any kind: nothing is lost and nothing is there twice. Each
    stream becomes JSON lines; manifest.json lists the files. What cannot be read is in failed.jsonl, the next run
    tries it again, and the exit code is 3.
    """
    if to is None:
        raise UsageProblem("give the folder: --to FOLDER")
    if everything and streams:
        raise UsageProblem("--all and --streams exclude each other")
    wanted = "all" if everything else streams
    period = _period(since, until)
    select(wanted)  # a misspelt name is told before anything is opened
    if parquet and importlib.util.find_spec("duckdb") is None:
        raise GivenUp("--parquet needs DuckDB", exit_code=Exit.SETUP, advice='pip install "zra-async[parquet]"')

    def show(report: ExportReport) -> None:
        tell(report)
        frame.output.report(data(report), lambda: text(report))

    with report_shown(show):
        async with frame.open() as zra, watched(f"exporting to {to}", zra.limits.snapshot, every, quiet) as board:
            report = await zra.export(
                to,
                streams=wanted,
                incremental=not full,
                sweep=sweep,
                adopt=adopt,
                concurrency=concurrency,
                on_event=board.observe,
                **period,
            )
    if parquet:
        await to_parquet(to)
    show(report)
    return Exit.PARTIAL if report.partial else Exit.OK


def tell(report: ExportReport) -> None:
    """Say what is missing, on stderr."""
    for failure in report.failures[:_SHOWN]:
        say(str(failure))
    if report.failed:
        where = f"{report.folder / 'failed.jsonl'} has them all; " if report.folder else ""
        say(f"{count(report.failed, 'unit')} could not be read: {where}the same command tries them again")
    for period in report.unproven[:_SHOWN]:
        say(f"not proven to be complete: {period}; the next run asks for it again")
    for stream in report.refused_streams:
        say(f"refused to this account: {stream} ({count(stream.units, 'unit')}); the next run tries it again")
    waiting = sum(counts.in_processing for counts in report.units.values())
    if waiting:
        say(f"{count(waiting, 'conversation')} still in processing: the next run brings them")


def data(report: ExportReport) -> dict[str, Any]:
    """The report as plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(report, enc_hook=path)
    return plain | {"failed": report.failed, "partial": report.partial}


def text(report: ExportReport) -> str:
    """The report for people."""
    rows = [{"stream": name, "records": number} for name, number in records_of(report).items()]
    layout = Layout.of(rows, ("stream", "records")) if rows else None
    table = layout.head() + "".join(map(layout.line, rows)) if layout else ""
    return table + summary(report) + "\n"


def records_of(report: ExportReport) -> dict[str, int]:
    """Return the number of records by stream, without the stream about the units themselves."""
    return {name: number for name, number in report.records.items() if name != UNITS}


def summary(report: ExportReport) -> str:
    """Return one line on the amount and the speed."""
    calls = sum(report.calls.values())
    dropped = sum(report.dropped_fields.values())
    lost = f"; {count(dropped, 'field')} that could not be read: the log names them" if dropped else ""
    return (
        f"{count(sum(records_of(report).values()), 'record')} in {duration(report.seconds)}: {count(calls, 'call')}, "
        f"{rate(calls, report.seconds, 'calls')} ({_by_label(report.calls)}); 429s: {report.refused}{lost}"
    )


def _by_label(calls: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {number:,}" for label, number in calls.items() if number) or "none"


def described() -> list[dict[str, Any]]:
    """Every stream with what it costs, for ``zra list streams``."""
    return [
        {"stream": name, "default": spec.default, "holds": spec.summary, "costs": _cost(spec)}
        for name, spec in STREAMS.items()
    ]


def _cost(spec: StreamSpec) -> str:
    """Return the cost of a stream in calls, in few words; streams that read the same share the call."""
    pages = Counter(operation.label.value for operation in spec.lists)
    each = Counter(operation.label.value for operation in {row.name: row for row in spec.reads}.values())
    reads = f"{_sum(each)} a {spec.unit}, " if each else ""
    return f"{reads}{_sum(pages)} a page"


def _sum(labels: Mapping[str, int]) -> str:
    return " + ".join(f"{number} {label}" for label, number in labels.items())
