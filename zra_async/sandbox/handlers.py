"""The handlers of all 52 operations: importing the modules below has registered them."""

from zra_async.sandbox import (
    comments,
    content,
    conversations,
    crm,
    deals,
    files,
    indicators,
    meetings,
    playlists,
    team_access,
    team_staff,
    teams,
)
from zra_async.sandbox.route import HANDLERS

MODULES = (
    comments,
    content,
    conversations,
    crm,
    deals,
    files,
    indicators,
    meetings,
    playlists,
    team_access,
    team_staff,
    teams,
)

__all__ = ["HANDLERS", "MODULES"]
