"""``zra database``: the Postgres that the processes of an account share."""

from __future__ import annotations

import click

from zra_async.cli.exits import Exit
from zra_async.cli.failures import UsageProblem
from zra_async.cli.frame import standalone
from zra_async.cli.output.streams import say
from zra_async.config import database_from_env


@click.group("database")
def command() -> None:
    """Prepare a Postgres for shared limits and tokens."""


@standalone("init")
@click.option("--dsn", metavar="DSN", help="The connection string of the database, by default ZRA_DATABASE_URL.")
async def init(dsn: str | None) -> int:
    """Create the tables and functions, for applications whose user may not.

    A limiter creates them by itself when it opens, if its user may. The command can be repeated at any time.
    """
    from zra_async.postgres.schema import VERSION, prepare  # an extra

    found = dsn or database_from_env()
    if not found:
        raise UsageProblem("give the connection string of the database with --dsn or in ZRA_DATABASE_URL")
    created = await prepare(found)
    say(f"version {VERSION} of the schema {'was created' if created else 'is there'}")
    return Exit.OK


command.add_command(init)
