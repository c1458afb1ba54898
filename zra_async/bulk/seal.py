"""The seal of a ledger: a small file beside it, by which a ledger that was emptied, removed or replaced is recognised.

SQLite cannot tell that a database is older than it was, or another one. The seal holds the identity of the ledger, and
how many commits it has had. It is written after each commit, so it never knows of one that the ledger does not have.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from pathlib import Path
from typing import Self

import msgspec

from zra_async.errors import LedgerError
from zra_async.osfiles.paths import beside
from zra_async.osfiles.replace import replace_file

ENDING = ".seal"
IDENTITY = (
    "CREATE TABLE IF NOT EXISTS ledger_identity (id TEXT PRIMARY KEY, commits INTEGER NOT NULL) WITHOUT ROWID;"
    " INSERT INTO ledger_identity SELECT lower(hex(randomblob(16))), 0"
    " WHERE NOT EXISTS (SELECT 1 FROM ledger_identity)"
)
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_LONGEST = 1024
_ID = re.compile("[0-9a-f]{32}")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a seal: the id of its ledger and the number of its commits.

    `synced` of the `commits` are on the disk for sure. The others may be lost when the machine loses its power, which
    is known by the number of its `boot`.
    """

    ledger: str
    commits: int
    synced: int
    boot: str


def seal_path(ledger: Path) -> Path:
    """Return the path of the seal of a ledger."""
    return beside(ledger, ENDING)


def read_mark(ledger: Path) -> Mark | None:
    """Read the seal of ``ledger``, a resolved path; None without one. Raises `LedgerError` for one that is damaged."""
    place = seal_path(ledger)
    try:
        with os.fdopen(os.open(place, _FLAGS | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            return msgspec.json.decode(file.read(_LONGEST), type=Mark)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise LedgerError(f"{place}, which belongs to the ledger {ledger.name}, cannot be read: {problem}") from problem
    except (msgspec.MsgspecError, ValueError) as problem:
        raise LedgerError(
            f"{place}, by which a ledger that was emptied or replaced is recognised, is damaged: "
            f"remove it if you know that {ledger.name} is the latest ledger"
        ) from problem


def identity(connection: sqlite3.Connection) -> tuple[str, int] | None:
    """Read the id and the number of commits that a ledger has of itself; None in one of an older version."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger_identity'").fetchone():
        return None
    row = connection.execute("SELECT id, commits FROM ledger_identity").fetchone()
    if row is None or not _ID.fullmatch(str(row[0])) or not isinstance(row[1], int) or not 0 <= row[1] < 10**18:
        raise LedgerError("the identity of the ledger was changed: put it back from a copy")
    return row[0], row[1]


def check(ledger: Path, mark: Mark | None, known: tuple[str, int] | None) -> None:
    """Compare a ledger with its seal. Raises `LedgerError` for one that is not the latest."""
    if mark is None:
        return  # it is an older version's, or was moved here by itself
    seal = seal_path(ledger).name
    if known is None or known[0] != mark.ledger:
        raise LedgerError(
            f"the ledger {ledger} was replaced: it is not the one that {seal} belongs to. Nothing was changed: put the "
            f"right ledger back, or move {seal} away if you know that this ledger is the latest one"
        )
    required = mark.commits if mark.boot and mark.boot == _boot() else mark.synced
    if known[1] < required:
        raise LedgerError(
            f"the ledger {ledger} is older than it was: it has {known[1]} commits where {seal} knows of {required}; "
            f"it was restored from a copy, or {ledger.name}-wal was removed. Nothing was changed: put the latest "
            f"ledger back together with its -wal file"
        )


def check_missing(ledger: Path, mark: Mark | None) -> None:
    """Refuse a ledger that was there and is gone or empty. Raises `LedgerError`."""
    empty = ledger.exists()
    if empty:
        seal = f", although {seal_path(ledger).name} knows of {mark.commits} commits" if mark else ""
        raise LedgerError(
            f"the ledger {ledger} is empty{seal}. Nothing was changed: put it back from a copy, or remove it"
            f"{' and the seal' if mark else ''} to begin a new one, which knows nothing of what was done"
        )
    side = ledger.with_name(f"{ledger.name}-wal")
    left = seal_path(ledger) if mark else side if side.exists() and side.stat().st_size else None
    if left is not None:
        commits = f" (with {mark.commits} commits)" if mark else ""
        raise LedgerError(
            f"the ledger {ledger} is gone, although {left.name} belongs to it{commits}. Nothing was changed: put it "
            f"back, or remove {left.name} to begin a new one, which knows nothing of what was done"
        )


class Seal:
    """The seal of an open ledger."""

    def __init__(self, ledger: Path, known: tuple[str, int], *, durable: bool) -> None:
        self._path = seal_path(ledger)
        self._id, self._commits = known
        self._durable = durable
        self._synced = self._commits  # an opened ledger was read from the disk
        self._boot = _boot()
        replace_file(self._path, [self._content()], private=True)
        self._fd: int | None = os.open(self._path, _FLAGS)

    @property
    def id(self) -> str:
        """The identity of the ledger."""
        return self._id

    @property
    def next(self) -> int:
        """The number of the commit under way."""
        return self._commits + 1

    def committed(self) -> None:
        """Note that the commit under way was made."""
        self._commits += 1
        if self._durable:
            self._synced = self._commits
        self._write()

    def close(self) -> None:
        """Note that all commits are on the disk, and close the file; safe to call twice."""
        self._synced = self._commits
        self._write()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def remove(self) -> None:
        """Remove the seal of a ledger that holds nothing any more that must not be lost."""
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _write(self) -> None:
        if self._fd is not None:
            # a seal that is behind does no harm, and what was committed stays so
            with contextlib.suppress(OSError):
                os.lseek(self._fd, 0, os.SEEK_SET)
                os.write(self._fd, self._content())

    def _content(self) -> bytes:
        # always as long as before: it is overwritten in one call
        return (
            f'{{"ledger": "{self._id}", "commits": {self._commits:20d}, "synced": {self._synced:20d}, '
            f'"boot": "{self._boot:36}"}}\n'
        ).encode()

    @classmethod
    def of(cls, ledger: Path, connection: sqlite3.Connection, *, durable: bool) -> Self:
        """Seal an open ledger, which gets an identity if it has none."""
        known = identity(connection)
        if known is None:
            connection.executescript(f"BEGIN IMMEDIATE; {IDENTITY}; COMMIT")
            known = identity(connection)
            assert known is not None
        return cls(ledger, known, durable=durable)


def _boot() -> str:
    try:
        return _BOOT.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
