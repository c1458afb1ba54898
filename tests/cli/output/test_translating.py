"""Errors of the library in the words of the command line: every advice can be followed there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import zra_async
from tests.cli.conftest import Invoke
from zra_async import errors
from zra_async.cli.commands.crm import import_
from zra_async.cli.commands.download import command as download
from zra_async.cli.commands.upload import command as upload
from zra_async.cli.failures import explain
from zra_async.cli.output.translating import in_options, possible

OPTIONS = frozenset(
    name for command in (upload, download, import_) for parameter in command.params for name in parameter.opts
)
#: what only somebody who writes Python can follow
PYTHON = re.compile(r"\bzra\.\w+|\w=True\b|[A-Z]\w+\(|\bfailed_to\b|\bpart_size\b|\bsource_system\b")
#: errors that no command can meet: their features are not on the command line
LIBRARY_ONLY = {"client.py", "auth.py", "session.py", "records.py", "webhooks.py", "locks.py", "network.py"}


def texts_of_errors() -> list[str]:
    """The constant parts of the arguments of every error that the library makes."""
    found: list[str] = []
    package = Path(zra_async.__file__).parent
    for path in (file for part in ("files", "bulk", "core") for file in (package / part).rglob("*.py")):
        if path.name in LIBRARY_ONLY:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                if isinstance(getattr(errors, name, None), type):
                    parts = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
                    found.append("X".join(str(part.value) for part in parts if isinstance(part.value, str)))
    return found


def test_no_error_of_the_library_gives_advice_in_python() -> None:
    """Translated, no message names a method, a keyword argument or a class."""
    texts = texts_of_errors()
    assert len(texts) > 100
    assert not [text for text in texts if PYTHON.search(in_options(text, OPTIONS))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("give a file_name: the source has no name", "give a --file-name: the source has no name"),
        ("failed_to=/x is a folder: name a file", "--failed-to /x is a folder: name a file"),
        (
            "x is there already: give another path, or overwrite=True",
            "x is there already: give another path, or --overwrite",
        ),
        ("part_size=5 would make 9 parts", "--part-size 5 would make 9 parts"),
        ("from_ (1) lies after to (0)", "from (1) lies after to (0)"),
        ("the api URL must look like https://host/path", "ZRA_API_URL must look like https://host/path"),
        ("go on with zra.files.resume('/j (1)') within 7 days", "the same command goes on within 7 days"),
        ("my_file_name.mp4 is odd", "my_file_name.mp4 is odd"),
    ],
)
def test_arguments_become_options(text: str, expected: str) -> None:
    """An argument is called what the command calls it, and other words stay as they are."""
    assert in_options(text, OPTIONS) == expected


def test_a_command_without_the_option_keeps_the_argument() -> None:
    """``zra call`` and the columns of a manifest know ``file_name`` under that name."""
    assert in_options("give a file_name", {"--json"}) == "give a file_name"


def test_advice_names_no_option_that_is_not_there() -> None:
    """An advice for another command is left out."""
    assert possible("another place for it: --journal PATH", {"--journal"})
    assert possible("another place for it: --journal PATH", {"--to"}) == ""
    assert explain(errors.JournalError("x"), {"--ledger"}).advice == ""


def test_an_upload_without_a_usable_name_can_be_given_one(served: Invoke, tmp_path: Path) -> None:
    """The advice to give a file name can be followed."""
    Path("a.bin").write_bytes(b"video")
    assert served("upload", "a.bin").code == 2
    ended = served("upload", "a.bin", "--file-name", "a.mp4")
    assert (ended.code, ended.rows[0]["file_name"]) == (0, "a.mp4")


def test_an_attachment_alone_is_told_where_it_belongs(served: Invoke) -> None:
    """A transcript in place of a recording, and a source without either, say what to type."""
    Path("a.transcript.json").write_text("{}")
    Path("a.mp4").write_bytes(b"video")
    assert "zra upload RECORDING --transcript FILE" in served("upload", "a.transcript.json").err
    ended = served("upload", "a.mp4", "--source", "gong")
    assert (ended.code, "give --transcript or --metadata" in ended.err) == (2, True)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
