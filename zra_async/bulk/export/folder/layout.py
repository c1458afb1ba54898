"""Account for the files of an export before a run: every one must be in the ledger, as the ledger says.

What a killed run has written without noting it is recognised: it is behind the noted end of an open segment, or in
segments that follow the last noted one, and all its lines are of a run that was not finished. Anything else that does
not match is refused, and nothing is changed: the ledger may be an older one, or that of another folder.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections.abc import Collection
from pathlib import Path

import msgspec

from zra_async.bulk.export.destination import RECORDINGS
from zra_async.bulk.export.streams import STREAMS
from zra_async.bulk.seal import identity
from zra_async.errors import LedgerError
from zra_async.osfiles.paths import kind_of

#: the stream that tells which units were written and which are gone; always written
UNITS = "units"
LEDGER = "ledger.sqlite"
MANIFEST = "manifest.json"
FAILED = "failed.jsonl"

_NAME = re.compile(rf"({'|'.join([*STREAMS, UNITS])})-(\d{{5,}})\.jsonl")
_RUN = re.compile(rb',"_run":(\d+)\}\n\Z')
_ADVICE = "Nothing was changed: put back the ledger that belongs to this folder, or export into another folder"


class _ManifestSegment(msgspec.Struct):
    file: str
    bytes: int


class _ManifestStream(msgspec.Struct):
    segments: list[_ManifestSegment]


class _Manifest(msgspec.Struct):
    streams: dict[str, _ManifestStream]
    format: str
    run: int
    ledger: str = ""


def segment_path(folder: Path, file: object) -> Path:
    """Return where a segment lies. Raises `LedgerError` for what is no name of one: it could lead out of the folder."""
    if not isinstance(file, str) or not _NAME.fullmatch(file):
        raise LedgerError(f"the ledger of {folder} takes {file!r} for a segment: somebody has changed it")
    return folder / file


def check_folder(folder: Path, connection: sqlite3.Connection | None) -> None:
    """Compare a folder with its ledger, None where there is none or an empty one. Raises `LedgerError`."""
    try:
        for name in (MANIFEST, FAILED):
            _require_regular(folder / name)
        if connection is None:
            _check_without_ledger(folder)
        else:
            _check_manifest(folder, connection)
            uncommitted(folder, connection)
    except OSError as problem:
        raise LedgerError(f"the folder {folder} cannot be used: {problem.strerror}") from problem


def uncommitted(folder: Path, connection: sqlite3.Connection) -> list[Path]:
    """Return the files that a killed run made and did not note. Raises `LedgerError` for a file that does not match."""
    statement = "SELECT number FROM run WHERE finished IS NULL"
    unfinished = {row[0] for row in connection.execute(statement)}
    last: dict[str, int] = {}
    known: set[str] = set()
    rows = connection.execute("SELECT stream, number, file, bytes, sha256 FROM segment").fetchall()
    for stream, number, file, size, digest in rows:
        path = segment_path(folder, file)
        known.add(file)
        last[stream] = max(last.get(stream, 0), number)
        found = _size(path)
        if found is None or found < size:
            what = "is missing" if found is None else f"has {found} bytes where {size} were written"
            raise LedgerError(f"{path} {what}: the folder was changed, or its ledger is another one. {_ADVICE}")
        if found > size and (digest is not None or not _written_by(path, size, unfinished)):
            raise LedgerError(f"{path} has {found} bytes, and the ledger knows of {size} of them only. {_ADVICE}")
    unknown = [path for path in sorted(folder.iterdir()) if path.name not in known and _NAME.fullmatch(path.name)]
    for path in unknown:
        stream, number = _NAME.fullmatch(path.name).groups()  # type: ignore[union-attr]
        follows = int(number) > last.get(stream, 0)
        if not follows or _size(path) is None or not _written_by(path, 0, unfinished):
            raise LedgerError(f"the ledger of {folder} knows nothing of {path.name}. {_ADVICE}")
    return unknown


def _check_without_ledger(folder: Path) -> None:
    if not folder.exists():
        return
    names = sorted(path.name for path in folder.iterdir())
    left = [name for name in names if _NAME.fullmatch(name) or name in (MANIFEST, FAILED)]
    if (folder / RECORDINGS).is_dir() and any((folder / RECORDINGS).iterdir()):
        left.append(RECORDINGS)
    if left:
        raise LedgerError(f"{folder} holds {left[0]} but no ledger, or an empty one. {_ADVICE}")


def _check_manifest(folder: Path, connection: sqlite3.Connection) -> None:
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=_Manifest)
    except (FileNotFoundError, msgspec.MsgspecError, ValueError):
        return  # the next run writes a whole one
    known = identity(connection)
    if manifest.ledger and (known is None or known[0] != manifest.ledger):
        raise LedgerError(f"{folder / MANIFEST} was written with another ledger than {LEDGER}. {_ADVICE}")
    sizes: dict[str, int] = dict(connection.execute("SELECT file, bytes FROM segment").fetchall())
    for segment in (segment for stream in manifest.streams.values() for segment in stream.segments):
        if sizes.get(segment.file, -1) < segment.bytes:
            raise LedgerError(
                f"the ledger of {folder} is older than {MANIFEST}, which lists {segment.file} with "
                f"{segment.bytes} bytes after run {manifest.run}. {_ADVICE}"
            )


def _require_regular(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise LedgerError(f"{path} is {_kind(found)}, not a regular file: remove it, or export into another folder")


def _size(path: Path) -> int | None:
    """Return the size of a segment, None without one. Raises `LedgerError` for what is no file."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise LedgerError(f"{path} is {_kind(found)}, not a segment of the export. {_ADVICE}")
    return found.st_size


def _kind(found: os.stat_result) -> str:
    return "a link, which is not followed" if stat.S_ISLNK(found.st_mode) else kind_of(found)


def _written_by(path: Path, start: int, runs: Collection[int]) -> bool:
    """Return whether all whole lines from ``start`` on are of these runs; the last one may be cut."""
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            content = line.strip(b"\0")  # of a machine that lost its power
            found = _RUN.search(content)
            if content.endswith(b"\n") and (found is None or int(found[1]) not in runs):
                return False
    return bool(runs)
