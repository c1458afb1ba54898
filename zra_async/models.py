"""Every structure that is sent or received, by name: records to send, answers, and open enums.

Each name is written once, in the module of `zra_async.api` that defines it.
"""

# ruff: noqa: F403 (a wildcard is how a typed package re-exports whole modules)
# several of the modules import UNSET, which is Final, and a wildcard imports it again
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from typing import TYPE_CHECKING

from zra_async.api.conversations.comments import Comment as Comment
from zra_async.api.conversations.comments import CommentPage as CommentPage
from zra_async.api.conversations.comments import MentionedTeam as MentionedTeam
from zra_async.api.conversations.comments import MentionedUser as MentionedUser
from zra_async.api.conversations.content_models import *
from zra_async.api.conversations.merge import Interactions as Interactions
from zra_async.api.conversations.models import *
from zra_async.api.crm.models import *
from zra_async.api.crm.records import *
from zra_async.api.deals.models import *
from zra_async.api.files.models import *
from zra_async.api.indicators import Indicator as Indicator
from zra_async.api.indicators import IndicatorPage as IndicatorPage
from zra_async.api.indicators import IndicatorType as IndicatorType
from zra_async.api.indicators import MentionedBy as MentionedBy
from zra_async.api.meetings import Meeting as Meeting
from zra_async.api.meetings import MeetingPage as MeetingPage
from zra_async.api.meetings import MeetingPlatform as MeetingPlatform
from zra_async.api.playlists import Playlist as Playlist
from zra_async.api.playlists import PlaylistPage as PlaylistPage
from zra_async.api.schema import Model, OpenEnum, Record
from zra_async.api.teams.models import *

if not TYPE_CHECKING:  # type checkers follow the imports above
    _BASES = (Model, OpenEnum, Record)
    __all__ = sorted(
        name
        for name, thing in globals().items()
        if isinstance(thing, type) and issubclass(thing, _BASES) and thing not in _BASES
    )
