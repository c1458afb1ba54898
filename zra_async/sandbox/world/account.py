"""The state of the sandbox account, one part per module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zra_async.sandbox.clock import Clock
    from zra_async.sandbox.options import Options
    from zra_async.sandbox.world.crm_store import Crm
    from zra_async.sandbox.world.file_store import Files
    from zra_async.sandbox.world.page_tokens import PageTokens
    from zra_async.sandbox.world.team_tree import Teams
    from zra_async.sandbox.world.webhooks import Webhooks
    from zra_async.sandbox.world.world import World


@dataclass(slots=True, kw_only=True)
class Account:
    """Everything the handlers read and change."""

    options: Options
    clock: Clock
    world: World
    teams: Teams
    crm: Crm
    files: Files
    pages: PageTokens
    webhooks: Webhooks
