"""The option of every command that keeps a ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

#: `zra_async.bulk` refuses a ledger that does not say whose it is, unless it is told to adopt it
adopt_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--adopt", is_flag=True, help="Take over a ledger that does not say whose account it belongs to."
)
