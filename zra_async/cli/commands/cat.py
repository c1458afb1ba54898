"""``zra cat``: the present records of an exported stream."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import click
import msgspec

from zra_async.bulk.export.folder.present import read_stream
from zra_async.bulk.export.rows.schema import columns
from zra_async.cli.exits import Exit
from zra_async.cli.frame import standalone
from zra_async.cli.output.streams import write

_AT_ONCE = 500
_encode_lines = msgspec.json.Encoder().encode_lines


@standalone("cat")
@click.argument("folder", metavar="FOLDER", type=click.Path())
@click.argument("stream", metavar="STREAM")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="JSON lines, or CSV with nested values as JSON.",
)
async def command(folder: str, stream: str, form: Literal["jsonl", "csv"]) -> int:
    """Print the present records of a stream that was exported into a folder.

    Records that a later run has replaced, and those of units that are gone, are left out. Nothing is called.
    """
    records = read_stream(folder, stream)
    names = list(columns(stream)) if form == "csv" else []
    head: Sequence[str] = names
    while chunk := list(itertools.islice(records, _AT_ONCE)):
        write(_csv(head, names, chunk) if names else _encode_lines(chunk))
        head = ()
    if head:
        write(_csv(head, names, ()))
    return Exit.OK


def _csv(head: Sequence[str], names: Sequence[str], records: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if head:
        writer.writerow(head)
    writer.writerows([_cell(record.get(name)) for name in names] for record in records)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, (dict, list, bool)):
        return msgspec.json.encode(value).decode()
    return value
