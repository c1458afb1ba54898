"""All operations of the API as methods, over any caller. Each resource is imported when it is first used."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zra_async.api.conversations.comments import Comments
    from zra_async.api.conversations.operations import ConversationOperations
    from zra_async.api.crm.operations import CrmOperations
    from zra_async.api.deals.operations import Deals
    from zra_async.api.files.operations import FileOperations
    from zra_async.api.indicators import Indicators
    from zra_async.api.meetings import Meetings
    from zra_async.api.playlists import Playlists
    from zra_async.api.resource import Caller
    from zra_async.api.teams.operations import Teams


class Operations:
    """A method for each operation, grouped by resource, as ``zra.legacy`` shows them.

    With ``legacy``, the methods call the deprecated ``/iq`` twins and give a DeprecationWarning.
    """

    def __init__(self, caller: Caller, *, legacy: bool = False) -> None:
        self._caller = caller
        self._legacy = legacy

    @functools.cached_property
    def conversations(self) -> ConversationOperations:
        """Conversations and their content."""
        from zra_async.api.conversations.operations import ConversationOperations

        return ConversationOperations(self._caller, legacy=self._legacy)

    @functools.cached_property
    def comments(self) -> Comments:
        """The comments of conversations."""
        from zra_async.api.conversations.comments import Comments

        return Comments(self._caller, legacy=self._legacy)

    @functools.cached_property
    def playlists(self) -> Playlists:
        """The playlists of users."""
        from zra_async.api.playlists import Playlists

        return Playlists(self._caller, legacy=self._legacy)

    @functools.cached_property
    def indicators(self) -> Indicators:
        """The account's indicator settings."""
        from zra_async.api.indicators import Indicators

        return Indicators(self._caller, legacy=self._legacy)

    @functools.cached_property
    def meetings(self) -> Meetings:
        """The scheduled meetings."""
        from zra_async.api.meetings import Meetings

        return Meetings(self._caller, legacy=self._legacy)

    @functools.cached_property
    def deals(self) -> Deals:
        """The deals and their activities."""
        from zra_async.api.deals.operations import Deals

        return Deals(self._caller, legacy=self._legacy)

    @functools.cached_property
    def crm(self) -> CrmOperations:
        """A CRM that is connected through the API, and its imports."""
        from zra_async.api.crm.operations import CrmOperations

        return CrmOperations(self._caller, legacy=self._legacy)

    @functools.cached_property
    def teams(self) -> Teams:
        """Teams, their members and managers, and their access."""
        from zra_async.api.teams.operations import Teams

        return Teams(self._caller, legacy=self._legacy)

    @functools.cached_property
    def files(self) -> FileOperations:
        """The single requests of uploads."""
        from zra_async.api.files.operations import FileOperations

        return FileOperations(self._caller, legacy=self._legacy)
