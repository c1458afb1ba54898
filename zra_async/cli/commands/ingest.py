"""``zra ingest``: recordings by the thousand, from a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from zra_async.bulk.ingest.manifest import Manifest, check_manifest
from zra_async.bulk.ingest.report import IngestReport
from zra_async.bulk.ingest.status import IngestStatus, ingest_status
from zra_async.cli.arguments.ledgers import adopt_option
from zra_async.cli.arguments.paths import PathArgument
from zra_async.cli.connection import memory
from zra_async.cli.exits import Exit
from zra_async.cli.failures import UsageProblem, report_shown
from zra_async.cli.frame import Frame, subcommand
from zra_async.cli.output.live import progress_options, watched
from zra_async.cli.output.streams import say
from zra_async.cli.output.wording import count, duration, rate, size

_SHOWN = 20


@subcommand(
    "ingest",
    reports=True,
    continues="with the account",
    done="the ledger is kept: the same command sends nothing twice",
)
@click.argument("manifest", type=PathArgument("read"))
@click.option("--check", is_flag=True, help="Only look through the manifest and its files; no account is needed.")
@click.option("--status", is_flag=True, help="Only show what the ledger knows; no account is needed.")
@click.option("--ledger", type=PathArgument("kept"), help="What is done; by default MANIFEST.ledger. Keep it.")
@click.option("--retry-failed", is_flag=True, help="Try again what the service has refused.")
@click.option("--wait", is_flag=True, help="Wait until the conversations are analysed.")
@click.option(
    "--daily-budget",
    type=click.Choice(["stop", "wait"]),
    default="stop",
    show_default=True,
    help="When the file host takes no more requests today.",
)
@click.option("--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="Items at once.")
@adopt_option
@progress_options
async def command(
    frame: Frame,
    manifest: Path,
    check: bool,
    status: bool,
    ledger: Path | None,
    wait: bool,
    every: float,
    quiet: bool,
    **how: Any,
) -> Exit:
    """Turn recordings into conversations, each exactly once.

    MANIFEST is .jsonl or .csv. Every row has a key of its own, by which it is never sent twice, and either

    \b
      recording (a path from the manifest's folder on, or an address), perhaps transcript, metadata,
      source and file_name, and the fields of the conversation: conversation_type and
      meeting_start_time, perhaps conversation_topic, host_id, participants, …
      or user_id with meeting_uuid or recording_link, for a cloud recording.

    The whole manifest is checked before the first byte is sent: every bad row is told with its line, and the exit code
    is 2. The same command goes on after an interruption of any kind; what failed is told, and the exit code is 3.
    """
    if check and status:
        raise UsageProblem("--check and --status exclude each other")
    default = manifest.with_name(f"{manifest.name}.ledger")
    if status or check:
        frame.output.sink.done = ""  # these only read
    if status:
        known = await ingest_status(ledger or default)
        frame.output.report(msgspec.to_builtins(known), lambda: _status(known))
        return Exit.OK
    found = await check_manifest(manifest)
    if found.problems or check:
        return _checked(frame, manifest, found)
    with (
        report_shown(lambda done: _show(frame, done, manifest)),
        memory(frame.connection, ledger, default) as place,
    ):
        async with (
            frame.open() as zra,
            watched(f"ingesting {manifest}", zra.limits.snapshot, every, quiet) as board,
        ):
            report = await zra.ingest(found, ledger=place, wait_for_analysis=wait, on_event=board.observe, **how)
    _show(frame, report, manifest)
    return Exit.PARTIAL if report.partial else Exit.OK


def _show(frame: Frame, report: IngestReport, manifest: Path) -> None:
    _tell(report, manifest)
    frame.output.report(_data(report), lambda: _text(report))


def _checked(frame: Frame, manifest: Path, found: Manifest) -> Exit:
    """Tell what is wrong with a manifest, line by line, and what it holds."""
    for line, reason in found.problems:
        say(f"{manifest}:{line}: {reason}")
    for line, text in found.warnings[:_SHOWN]:
        say(f"{manifest}:{line}: warning: {text}")
    if len(found.warnings) > _SHOWN:
        say(f"… and {len(found.warnings) - _SHOWN:,} more warnings: --json has them all")
    bad = len(found.problems)
    text = f"{count(found.items, 'item')}, {count(found.files, 'file')}, {size(found.bytes)}"
    verdict = f"{count(bad, 'bad row')}: nothing was sent" if bad else "all can be sent"
    if found.warnings:
        verdict += f", {count(len(found.warnings), 'warning')}"
    data = {"items": found.items, "files": found.files, "bytes": found.bytes, "bad": bad, "problems": found.problems}
    data["warnings"] = found.warnings
    frame.output.report(data, lambda: f"{text}; {verdict}\n")
    return Exit.USAGE if bad else Exit.OK


def _status(known: IngestStatus) -> str:
    lines = [f"{state:<12}{number:>9,}" for state, number in sorted(known.counts.items())]
    lines += [f"{'all':<12}{known.total:>9,}"]
    for item in known.items:
        step = f" at {item.step}" if item.step else ""
        lines.append(f"{item.key}: {item.state}{step}{': ' + item.reason if item.reason else ''}")
    return "".join(line + "\n" for line in lines)


def _tell(report: IngestReport, manifest: Path) -> None:
    for problem in report.problems[:_SHOWN]:
        maybe = f" (perhaps {', '.join(problem.candidates)})" if problem.candidates else ""
        say(f"{problem.key}: {problem.outcome}{': ' + problem.reason if problem.reason else ''}{maybe}")
    if len(report.problems) > _SHOWN:
        say(f"… and {len(report.problems) - _SHOWN:,} more: zra ingest {manifest} --status shows them")
    for key, text in report.warnings[:_SHOWN]:
        say(f"{key}: warning: {text}")
    if len(report.warnings) > _SHOWN:
        say(f"… and {len(report.warnings) - _SHOWN:,} more warnings: zra ingest {manifest} --check shows them")
    if report.counts.get("failed"):
        say("what has failed is tried again with --retry-failed")
    if report.stopped:
        when = f" from {report.resets_at:%Y-%m-%d %H:%M} UTC on" if report.resets_at else ""
        say(f"stopped before the end: {report.stopped}; the same command goes on{when}")


def _data(report: IngestReport) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(report)
    return data | {"done": report.done, "failed": report.failed, "partial": report.partial}


def _text(report: IngestReport) -> str:
    lines = [f"{name.replace('_', ' '):<14}{number:>9,}\n" for name, number in report.counts.items() if number]
    items = sum(report.counts.values())
    pace = f"{rate(items, report.seconds, 'items')}, {rate(report.sent / 1e6, report.seconds, 'MB')}"
    return "".join(lines) + f"{size(report.sent)} sent in {duration(report.seconds)} ({pace})\n"
