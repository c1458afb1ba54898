"""The tables and functions in the database, and their version."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from zra_async import errors

if TYPE_CHECKING:
    from psycopg import AsyncConnection

VERSION = 1  #: of the schema that this version of the package works with
#: the statements that create it; each can be repeated
SCHEMA: str = files("zra_async.postgres").joinpath("schema.sql").read_text("utf-8")
_LOCK = 7_205_614_031  # of no meaning: processes that open together create the schema in turn


async def create_schema(connection: AsyncConnection[Any]) -> bool:
    """Create the schema unless it is there; True if it was created now.

    Any number of processes may do so at the same time. Raises `ConfigurationError` for the schema of another version,
    and where the user of the database may not create tables and functions.
    """
    if await _is_there(connection):
        return False
    import psycopg

    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            if await _is_there(connection):
                return False
            await connection.execute(SCHEMA)  # pyright: ignore[reportArgumentType, reportCallIssue]
    except psycopg.errors.InsufficientPrivilege as problem:
        raise errors.ConfigurationError(
            f"the user of the database may not create tables ({_first_line(problem)}): run `zra database init --dsn …` "
            "once with a user who may, and grant this one the use of the tables"
        ) from None
    return True


async def prepare(dsn: str) -> bool:
    """Connect, and create the schema unless it is there; True if it was created now. Raises `ConfigurationError`."""
    try:
        import psycopg
    except ImportError:
        raise errors.ConfigurationError("this needs psycopg: pip install 'zra-async[postgres]'") from None
    try:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5) as connection:
            return await create_schema(connection)
    except psycopg.Error as problem:
        raise errors.ConfigurationError(f"the database cannot be used: {_first_line(problem)}") from None


async def _is_there(connection: AsyncConnection[Any]) -> bool:
    """Tell if the database has the schema. Raises `ConfigurationError` for one of another version."""
    # not to_regclass(): its answer may be older than the lock
    cursor = await connection.execute(
        "select exists (select 1 from pg_tables"
        " where tablename = 'zra_schema' and schemaname = any(current_schemas(false)))"
    )
    row: Any = await cursor.fetchone()
    if not row[0]:
        return False
    import psycopg

    try:
        cursor = await connection.execute("select version from zra_schema")
    except psycopg.errors.InsufficientPrivilege:
        raise errors.ConfigurationError(
            "the user of the database may not use the tables of this package: grant it select, insert, update and "
            "delete on the tables whose names begin with zra_"
        ) from None
    row = await cursor.fetchone()
    version: int = 0 if row is None else row[0]
    if version > VERSION:
        raise errors.ConfigurationError(
            f"the database has version {version} of the schema, and this package knows version {VERSION}: update the "
            "package zra-async in this application"
        )
    if version < VERSION:
        raise errors.ConfigurationError(
            f"the database has version {version} of the schema, and this package needs version {VERSION}: stop the "
            "applications that use it, and run `zra database init --dsn …`"
        )
    return True


def _first_line(problem: BaseException) -> str:
    return str(problem).partition("\n")[0]
