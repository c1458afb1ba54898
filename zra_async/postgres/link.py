"""The one connection of a process to the database: statements, notifications, and the clock of the database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from zra_async import errors
from zra_async.core.secret import Secret
from zra_async.postgres.schema import create_schema

CHANNEL = "zra_limit"  #: of the notifications about freezes
_PATIENCE = 3.0  #: seconds after which a statement without an answer means that the database is away
_CONNECT = 5  #: seconds
_SAMPLES = 16  #: statements whose round trips are compared


class DatabaseLost(Exception):
    """The database cannot be reached, or refuses its service."""


class DatabaseLink:
    """A connection in autocommit mode that is opened again after a loss. Times are those of the event loop.

    `pooled` says that a pooler such as pgbouncer is in between: a session may end after each statement then, so that
    nothing is prepared and no notification is awaited.
    """

    def __init__(self, dsn: str, *, notified: Callable[[str], None], lost: Callable[[str], None]) -> None:
        self._dsn = Secret(dsn)
        self._notified = notified
        self._lost = lost
        self._connection: Any = None
        self._socket: socket.socket | None = None
        self._turn = asyncio.Lock()
        self._busy = False
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self.pooled: bool = False
        self.statements: int = 0

    @property
    def is_open(self) -> bool:
        """True while statements can be sent."""
        return self._connection is not None

    @property
    def offset(self) -> float:
        """The loop's time minus the time of the database, from the quickest of the last round trips."""
        return min(self._samples)[1] if self._samples else 0.0

    async def open(self, *, create: bool = True) -> None:
        """Connect, and create the schema where it is missing.

        Raises `DatabaseLost` when the database cannot be reached and `ConfigurationError` when it cannot be used.
        """
        try:
            import psycopg
        except ImportError:
            raise errors.ConfigurationError(
                "shared limits and tokens need psycopg: pip install 'zra-async[postgres]'"
            ) from None
        self.close()
        self._samples.clear()
        self._turn = asyncio.Lock()
        connection: Any = None
        try:
            connection = await psycopg.AsyncConnection.connect(
                self._dsn, autocommit=True, connect_timeout=_CONNECT, application_name="zra_async"
            )
            if create:
                await create_schema(connection)
            cursor = await connection.execute("select pg_backend_pid()")
            row: Any = await cursor.fetchone()
            self.pooled = row[0] != connection.info.backend_pid
            connection.prepare_threshold = None if self.pooled else 1
            if not self.pooled:
                await connection.execute(f"listen {CHANNEL}")
        except psycopg.ProgrammingError as problem:
            await _end(connection)
            raise errors.ConfigurationError(f"the database cannot be used: {_reason(problem)}") from None
        except (psycopg.Error, OSError) as problem:
            await _end(connection)
            raise DatabaseLost(_reason(problem)) from None
        except BaseException:
            await _end(connection)
            raise
        self._connection = connection
        self._watch()

    def _watch(self) -> None:
        """Read notifications while no statement is under way, through a second descriptor of the same socket."""
        connection = self._connection
        connection.add_notify_handler(self._heard)
        if os.name != "nt":
            self._socket = socket.socket(fileno=os.dup(connection.fileno()))
            asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def _heard(self, notification: Any) -> None:
        self._notified(notification.payload)

    def _readable(self) -> None:
        if self._busy or self._connection is None:
            return  # the statement reads it
        import psycopg

        pgconn = self._connection.pgconn
        try:
            pgconn.consume_input()
            while (notification := pgconn.notifies()) is not None:
                self._notified(notification.extra.decode())
        except psycopg.Error as problem:
            self.close()
            self._lost(_reason(problem))

    async def call(self, function: str, *arguments: Any, expected: int | None = None) -> Any:
        """Call a function of the schema and return its row. Raises `DatabaseLost`.

        The argument at the place ``expected`` is filled in with the time at which the statement should arrive.
        """
        import psycopg
        from psycopg.rows import namedtuple_row

        values = list(arguments)
        marks = ", ".join(["%s"] * len(values))
        async with self._turn:
            connection = self._connection
            if connection is None:
                raise DatabaseLost("the connection is closed")
            loop = asyncio.get_running_loop()
            self._busy = True
            stuck = loop.call_later(_PATIENCE, self._interrupt)
            try:
                sent = loop.time()
                if expected is not None and self._samples:
                    values[expected] = sent - self.offset
                cursor = connection.cursor(row_factory=namedtuple_row)
                await cursor.execute(f"select * from {function}({marks})", values, binary=True)  # noqa: S608
                row: Any = await cursor.fetchone()
            except (psycopg.Error, OSError) as problem:
                self.close()
                raise DatabaseLost(_reason(problem)) from None
            except asyncio.CancelledError:
                self.close()  # its state is not known
                raise
            finally:
                stuck.cancel()
                self._busy = False
            self.statements += 1
            if (now := getattr(row, "now_", None)) is not None:
                answered = loop.time()
                if getattr(row, "jumped", False):
                    self._samples.clear()
                self._samples.append((answered - sent, (sent + answered) / 2 - now))
            return row

    def _interrupt(self) -> None:
        """End the connection below a statement that gets no answer."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None


async def _end(connection: Any) -> None:
    if connection is not None:
        await connection.close()


def _reason(problem: BaseException) -> str:
    """Return the first line of an error; it never holds the password, which libpq does not repeat."""
    return str(problem).strip().partition("\n")[0] or type(problem).__name__
