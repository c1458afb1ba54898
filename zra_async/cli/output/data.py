"""Data on stdout: JSON lines for programs, tables for people."""

from __future__ import annotations

import difflib
import sys
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import click
import msgspec

from zra_async.cli.output.streams import StdoutLost, say, write, write_text
from zra_async.cli.output.tables import Layout, sheet
from zra_async.cli.output.wording import printable

Format = Literal["table", "jsonl"]


@dataclass(slots=True)
class Sink:
    """The destination of data: stdout, or stderr if stdout fails after the command has changed something.

    `done` says what to know about that change and is "" for a command that only reads: that one ends with `StdoutLost`.
    """

    done: str = ""
    lost: bool = False

    def data(self, content: bytes) -> None:
        """Write lines for programs. Raises `StdoutLost`."""
        self._put(lambda: write(content), lambda: content.decode("utf-8", "replace"))

    def text(self, content: str) -> None:
        """Write text for people. Raises `StdoutLost`."""
        self._put(lambda: write_text(content), lambda: content)

    def _put(self, put: Callable[[], None], content: Callable[[], str]) -> None:
        if not self.lost:
            try:
                put()
                return
            except StdoutLost as lost:
                if not self.done:
                    raise
                self.lost = True
                say(f"error: {lost}; what it was to show:")
        say(content().rstrip("\n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOutput:
    """The writer of data. `format` None: a table on a terminal, JSON lines everywhere else."""

    format: Format | None = None
    fields: tuple[str, ...] = ()
    sink: Sink = field(default_factory=Sink, repr=False, compare=False)
    _doubted: set[str] = field(default_factory=set[str], repr=False, compare=False)  #: fields already asked about

    @property
    def tabular(self) -> bool:
        """True if the output is for people."""
        return self.format == "table" or (self.format is None and sys.stdout.isatty())

    async def pages(self, pages: AsyncIterable[Sequence[Any]], columns: Sequence[str]) -> int:
        """Write all items of all pages as they come, and return how many there were."""
        total = 0
        layout: Layout | None = None
        async for items in pages:
            rows = [self.pick(item) for item in items]
            total += len(rows)
            if not self.tabular:
                self.sink.data(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
                continue
            if layout is None and rows:
                layout = Layout.of(rows, self.fields or columns)
                self.sink.text(layout.head())
            if layout is not None:
                self.sink.text("".join(layout.line(row) for row in rows))
        return total

    def one(self, thing: Any) -> None:
        """Write one thing: a JSON object on a line, or its fields below each other."""
        row = self.pick(thing)
        if self.tabular and isinstance(row, Mapping):
            self.sink.text(sheet(cast("Mapping[str, Any]", row)))
        else:
            self.sink.data(msgspec.json.encode(row) + b"\n")

    def report(self, data: Mapping[str, Any], text: Callable[[], str]) -> None:
        """Write the outcome of a command: ``text`` for people, or its data where JSON is asked for."""
        if self.format == "jsonl":
            self.sink.data(msgspec.json.encode(data) + b"\n")
        else:
            self.sink.text(printable(text()))

    def pick(self, thing: Any) -> Any:
        """The chosen fields of ``thing`` as plain values; ``a.b`` reaches into ``a``."""
        plain = msgspec.to_builtins(thing)
        if not self.fields or not isinstance(plain, dict):
            return plain
        values = cast("dict[str, Any]", plain)
        self._doubt(values.keys() | _fields_of(thing))
        return {name: _reach(values, name) for name in self.fields}

    def _doubt(self, known: Collection[str]) -> None:
        """Say once which of the chosen fields there are not: a misspelt one would be null without a word."""
        for name in self.fields:
            if name in known or name.split(".")[0] in known or name in self._doubted:
                continue
            self._doubted.add(name)
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            say(f"note: no field is called {name!r}{hint} (there are {', '.join(sorted(known))})")


def _fields_of(thing: Any) -> set[str]:
    """All fields of a Struct, also those that are not set in this one."""
    return {row.encode_name for row in msgspec.structs.fields(thing)} if isinstance(thing, msgspec.Struct) else set()


def _reach(plain: dict[str, Any], name: str) -> Any:
    found: Any = plain
    for step in [name] if name in plain else name.split("."):
        found = cast("dict[str, Any]", found).get(step) if isinstance(found, dict) else None
    return found


def output_options(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of its output."""
    options = (
        click.option("--json", "as_json", is_flag=True, help="JSON, one object a line: the same as --format jsonl."),
        click.option(
            "--format",
            "form",
            type=click.Choice(["table", "jsonl"]),
            help="By default a table on a terminal, JSON lines elsewhere.",
        ),
        click.option("--fields", metavar="A,B.C", help="Only these fields, in this order."),
    )
    for option in reversed(options):
        callback = option(callback)
    return callback


def report_options(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option of its report, which is text for people unless it is set."""
    return click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")(callback)


def take_output(params: dict[str, Any], sink: Sink) -> DataOutput:
    """The output that the options ask for; they are taken out of ``params``."""
    as_json, form, fields = params.pop("as_json"), params.pop("form", None), params.pop("fields", None)
    if as_json and form == "table":
        raise click.UsageError("--json and --format table exclude each other")
    names = tuple(name.strip() for name in (fields or "").split(",") if name.strip())
    return DataOutput(format="jsonl" if as_json else form, fields=names, sink=sink)


async def in_one_page(items: Iterable[Any]) -> AsyncIterable[Sequence[Any]]:
    """Items that are all there already, as the pages that `DataOutput.pages` takes."""
    yield list(items)
