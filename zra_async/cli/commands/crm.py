"""``zra crm import``: accounts, contacts, deals and leads from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from zra_async.bulk.crm.input import Input
from zra_async.bulk.crm.kinds import DEALS
from zra_async.bulk.crm.report import FailedRecord, ImportReport
from zra_async.cli.arguments.ledgers import adopt_option
from zra_async.cli.arguments.paths import PathArgument
from zra_async.cli.connection import memory
from zra_async.cli.exits import Exit
from zra_async.cli.failures import UsageProblem, report_shown
from zra_async.cli.frame import Frame, subcommand
from zra_async.cli.output.live import progress_options, watched
from zra_async.cli.output.streams import say
from zra_async.cli.output.tables import Layout
from zra_async.cli.output.wording import count, duration, rate
from zra_async.client import ZRAClient

_FILE = PathArgument("read")
_LEDGER = Path("zra-crm-import.ledger")
_SHOWN = 20


@click.group("crm")
def command() -> None:
    """Bring the records of a CRM in."""


@subcommand(
    "import",
    reports=True,
    continues="with the account",
    done="the ledger is kept: the same command sends nothing twice",
    short_help="Import records from files.",
)
@click.option("--accounts", type=_FILE, help="Accounts, which come first.")
@click.option("--contacts", type=_FILE, help="Contacts, after the accounts.")
@click.option("--deals", type=_FILE, help="Deals, after the contacts.")
@click.option("--leads", type=_FILE, help="Leads, beside the others.")
@click.option("--ledger", type=PathArgument("kept"), help=f"What is done; by default ./{_LEDGER}, removed when all is.")
@click.option(
    "--failed-to",
    type=PathArgument("written"),
    metavar="FILE",
    help="Write every record that failed to this JSONL file.",
)
@adopt_option
@progress_options
async def import_(
    frame: Frame,
    ledger: Path | None,
    failed_to: Path | None,
    adopt: bool,
    every: float,
    quiet: bool,
    **files: Path | None,
) -> Exit:
    """Import records by the hundred thousand, and bring every failure home to its line.

    Files are JSONL (one record a line) or CSV (with the names of the fields as its header). A record with deletion
    true needs its CRM id alone. Deal stages must be registered (zra get crm-registration); with --sandbox they are.

    Records that fail do not stop the others: they are told with file and line, and the exit code is 3.
    """
    if not any(files.values()):
        raise UsageProblem("give at least one of --accounts, --contacts, --deals and --leads")

    def show(report: ImportReport) -> None:
        _tell(report, files, failed_to)
        frame.output.report(_data(report), lambda: _text(report))

    with memory(frame.connection, ledger, _LEDGER) as place, report_shown(show):
        async with frame.open() as zra:
            if frame.connection.sandbox:
                await _register(zra, files["deals"])
            async with watched("importing", zra.limits.snapshot, every, quiet) as board:
                report = await zra.crm.import_all(
                    **files,  # type: ignore[arg-type]
                    ledger=place,
                    failed_to=failed_to,
                    adopt=adopt,
                    on_event=board.observe,
                )
        show(report)
        if ledger is None and not report.stopped and not frame.output.sink.lost:
            _remove(place)
    return Exit.PARTIAL if report.partial else Exit.OK


command.add_command(import_)


def _remove(ledger: Path) -> None:
    ledger.unlink(missing_ok=True)


async def _register(zra: ZRAClient, deals: Path | None) -> None:
    """Give the embedded account a CRM with the stages that the deals name."""
    survey = await Input(DEALS, deals).survey(frozenset()) if deals else None
    open_stages = [stage for stage in (survey.stages if survey else ()) if stage not in {"Won", "Lost"}] or ["Open"]
    await zra.crm.register(
        "sandbox",
        deal_stages=[
            *({"stage_name": stage} for stage in open_stages),
            {"stage_name": "Won", "stage_type": "CLOSED_WON"},
            {"stage_name": "Lost", "stage_type": "CLOSED_LOST"},
        ],
    )


def _tell(report: ImportReport, files: Mapping[str, Path | None], failed_to: Path | None) -> None:
    for failed in report.failures[:_SHOWN]:
        say(_place(failed, files) + f": {failed.reason}")
    if report.failed > _SHOWN:
        where = f"all of them are in {failed_to}" if failed_to else "--failed-to FILE writes all of them"
        say(f"… and {report.failed - min(_SHOWN, len(report.failures)):,} more; {where}")
    if report.stopped:
        when = f" from {report.resets_at:%Y-%m-%d %H:%M} UTC on" if report.resets_at else ""
        say(f"stopped before the end: {report.stopped}; the same command goes on{when}")


def _place(failed: FailedRecord, files: Mapping[str, Path | None]) -> str:
    """Return the place of a record in the form of editors and compilers."""
    place = f"{files.get(failed.kind) or failed.kind}:{failed.line if failed.line is not None else failed.index + 1}"
    return f"{place}: {failed.crm_id}" if failed.crm_id else place


def _data(report: ImportReport) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(report)
    data.pop("failures")
    return data | {"imported": report.imported, "failed": report.failed, "partial": report.partial}


def _text(report: ImportReport) -> str:
    rows = [{"": name, **msgspec.to_builtins(counts)} for name, counts in report.kinds.items()]
    layout = Layout.of(rows, ())
    total = count(report.imported, "record")
    foot = f"{total} imported in {duration(report.seconds)} ({rate(report.imported, report.seconds)})\n"
    return layout.head() + "".join(map(layout.line, rows)) + foot
