"""The handlers of all 52 operations: importing the modules below has registered them."""

from zra_async.sandbox.operations import (
    adding,
    comments,
    content,
    conversations,
    crm,
    deals,
    files,
    indicators,
    meetings,
    playlists,
    recordings,
    team_access,
    team_staff,
    teams,
)
from zra_async.sandbox.operations.route import HANDLERS

MODULES = (
    adding,
    comments,
    content,
    conversations,
    crm,
    deals,
    files,
    indicators,
    meetings,
    playlists,
    recordings,
    team_access,
    team_staff,
    teams,
)

__all__ = ["HANDLERS", "MODULES"]
