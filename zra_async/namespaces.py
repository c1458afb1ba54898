"""The resources of the API as a client shows them. Each is imported when it is first used: few programs need all."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zra_async.api.comments import Comments
    from zra_async.api.conversations import Conversations
    from zra_async.api.crm import Crm
    from zra_async.api.deals import Deals
    from zra_async.api.files import Files
    from zra_async.api.indicators import Indicators
    from zra_async.api.meetings import Meetings
    from zra_async.api.playlists import Playlists
    from zra_async.api.teams import Teams


class Namespaces:
    """The resources of the API, each made when it is first used."""

    def __init__(self, caller: Any, *, legacy: bool) -> None:
        self._caller = caller
        self._legacy_calls = legacy

    @functools.cached_property
    def conversations(self) -> Conversations:
        """Conversations and what they hold."""
        from zra_async.api.conversations import Conversations

        return Conversations(self._caller, legacy=self._legacy_calls)

    @functools.cached_property
    def comments(self) -> Comments:
        """The comments of conversations."""
        from zra_async.api.comments import Comments

        return Comments(self._caller, legacy=self._legacy_calls)

    @functools.cached_property
    def playlists(self) -> Playlists:
        """The playlists of users."""
        from zra_async.api.playlists import Playlists

        return Playlists(self._caller, legacy=self._legacy_calls)

    @functools.cached_property
    def indicators(self) -> Indicators:
        """The account's indicator settings."""
        from zra_async.api.indicators import Indicators

        return Indicators(self._caller, legacy=self._legacy_calls)

    @functools.cached_property
    def meetings(self) -> Meetings:
        """The meetings to come."""
        from zra_async.api.meetings import Meetings

        return Meetings(self._caller, legacy=self._legacy_calls)

    @functools.cached_property
    def deals(self) -> Deals:
        """The deals and their activities."""
        from zra_async.api.deals import Deals

        return Deals(self._caller, legacy=self._legacy_calls)

    @functools.cached_property
    def crm(self) -> Crm:
        """A CRM connected through the API, and its imports."""
        from zra_async.api.crm import Crm

        return Crm(self._caller, legacy=self._legacy_calls)

    @functools.cached_property
    def teams(self) -> Teams:
        """Teams, their people and what they may see."""
        from zra_async.api.teams import Teams

        return Teams(self._caller, legacy=self._legacy_calls)

    @functools.cached_property
    def files(self) -> Files:
        """Files on their way to the service."""
        from zra_async.api.files import Files

        return Files(self._caller, legacy=self._legacy_calls)


class Legacy(Namespaces):
    """``zra.legacy``: the deprecated ``/iq`` operations, with the same methods and a DeprecationWarning."""

    def __init__(self, caller: Any) -> None:
        super().__init__(caller, legacy=True)
