"""The account that a ledger belongs to: remembered when the ledger is made, and compared whenever it is opened."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from zra_async.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Owner:
    """The account of the client that opens a ledger, "" if it is not known; `adopt` takes over a ledger without one."""

    account: str
    adopt: bool = False

    def check(self, path: Path, connection: sqlite3.Connection) -> None:
        """Refuse the ledger of another account. Raises `LedgerError`; reads only."""
        known = read_account(connection)
        if known == self.account:
            return
        if not known:
            if not self.adopt:
                raise LedgerError(
                    f"the ledger {path} does not say whose it is, and this client is that of {self.account}. Nothing "
                    "was changed: if it is the ledger of this account, adopt it with adopt=True"
                )
        elif not self.account:
            raise LedgerError(
                f"the ledger {path} is that of {known}, and this client does not know its account. Nothing was "
                "changed: name the account in the client's option account, or use another ledger"
            )
        else:
            raise LedgerError(
                f"the ledger {path} is that of {known}, and this client is that of {self.account}. Nothing was "
                "changed: use the credentials of that account, or another ledger"
            )

    def adopt_missing(self, connection: sqlite3.Connection) -> None:
        """Remember the account in a ledger that has none. `check` has permitted it."""
        if self.account and not read_account(connection):
            self.remember(connection)

    def remember(self, connection: sqlite3.Connection) -> None:
        """Write the account into the ledger."""
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE IF NOT EXISTS ledger_account (account TEXT NOT NULL)")
        connection.execute("DELETE FROM ledger_account")
        connection.execute("INSERT INTO ledger_account VALUES (?)", (self.account,))
        connection.execute("COMMIT")


def read_account(connection: sqlite3.Connection) -> str:
    """Read the account that a ledger remembers; "" if it has none. Raises `LedgerError` for what is no name of one."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger_account'").fetchone():
        return ""
    row = connection.execute("SELECT account FROM ledger_account").fetchone()
    if row is None:
        return ""
    if not isinstance(row[0], str) or not row[0].isprintable():
        raise LedgerError("the account of the ledger was changed: put the ledger back from a copy")
    return row[0]
