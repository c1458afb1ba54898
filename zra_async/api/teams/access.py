"""Access of teams to the conversations of other teams, beyond the hierarchy."""

from __future__ import annotations

from collections.abc import Sequence

from zra_async.api.arguments import build_path, check_ids
from zra_async.api.resource import Resource, in_pieces
from zra_async.api.teams.models import AccessGrant, latest
from zra_async.core.operation import Label, Operation

MAX_TEAMS = 200

_SCOPES = ("iq_team:write:admin",)

GRANT_FROM = Operation(
    name="teams.access.grant_from",
    method="POST",
    path="/team/{team_id}/access/granted-from",
    label=Label.MEDIUM,
    result=AccessGrant,
    government=False,
    retry_safe=False,
    scopes=_SCOPES,
    granular_scopes=("zra:write:team:admin",),
)
REVOKE_FROM = Operation(
    name="teams.access.revoke_from",
    method="DELETE",
    path="/team/{team_id}/access/granted-from",
    label=Label.MEDIUM,
    result=type(None),
    government=False,
    retry_safe=True,
    scopes=_SCOPES,
    granular_scopes=("zra:delete:team:admin",),
)
GRANT_TO = Operation(
    name="teams.access.grant_to",
    method="POST",
    path="/team/{team_id}/access/granted-to",
    label=Label.MEDIUM,
    result=AccessGrant,
    government=False,
    retry_safe=False,
    scopes=_SCOPES,
    granular_scopes=("zra:write:team:admin",),
)
REVOKE_TO = Operation(
    name="teams.access.revoke_to",
    method="DELETE",
    path="/team/{team_id}/access/granted-to",
    label=Label.MEDIUM,
    result=type(None),
    government=False,
    retry_safe=True,
    scopes=_SCOPES,
    granular_scopes=("zra:delete:team:admin",),
)


class Access(Resource):
    """``zra.teams.access``: additional access between teams, which the government cloud does not have.

    Every method takes any number of teams: more than 200 take several calls, and `PartlyDone` names the teams that
    were done when one fails.
    """

    async def grant_from(self, team_id: str, team_ids: Sequence[str]) -> AccessGrant:
        """Let the team see the conversations of the teams ``team_ids``.

        Raises `BadRequest` (5002, 5007), `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound`
        (5011). The government cloud does not have it. Label MEDIUM,
        ``POST /zra/team/{teamId}/access/granted-from``.
        """
        return await self._grant(GRANT_FROM, team_id, team_ids)

    async def revoke_from(self, team_id: str, team_ids: Sequence[str]) -> None:
        """Let the team no longer see the conversations of the teams ``team_ids``.

        Raises `BadRequest` (5002, 5008), `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound`
        (5011). The government cloud does not have it. Label MEDIUM,
        ``DELETE /zra/team/{teamId}/access/granted-from``.
        """
        await self._revoke(REVOKE_FROM, team_id, team_ids)

    async def grant_to(self, team_id: str, team_ids: Sequence[str]) -> AccessGrant:
        """Let the teams ``team_ids`` see the conversations of the team.

        Raises `BadRequest` (5002, 5007), `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound`
        (5011). The government cloud does not have it. Label MEDIUM,
        ``POST /zra/team/{teamId}/access/granted-to``.
        """
        return await self._grant(GRANT_TO, team_id, team_ids)

    async def revoke_to(self, team_id: str, team_ids: Sequence[str]) -> None:
        """Let the teams ``team_ids`` no longer see the conversations of the team.

        Raises `BadRequest` (5002, 5008), `AuthenticationFailed` (30031004), `PermissionDenied` (5001), `NotFound`
        (5011). The government cloud does not have it. Label MEDIUM,
        ``DELETE /zra/team/{teamId}/access/granted-to``.
        """
        await self._revoke(REVOKE_TO, team_id, team_ids)

    async def _grant(self, operation: Operation[AccessGrant], team_id: str, team_ids: Sequence[str]) -> AccessGrant:
        where, teams = build_path(team_id=team_id), check_ids("team_ids", team_ids)
        answers = await in_pieces(operation, teams, MAX_TEAMS, lambda piece: self._call(operation, where, body=piece))
        return AccessGrant(added_at=latest([answer.added_at for answer in answers]))

    async def _revoke(self, operation: Operation[None], team_id: str, team_ids: Sequence[str]) -> None:
        where, teams = build_path(team_id=team_id), check_ids("team_ids", team_ids)
        await in_pieces(
            operation, teams, MAX_TEAMS, lambda piece: self._call(operation, where, query={"team_ids": piece})
        )


OPERATIONS = (GRANT_FROM, REVOKE_FROM, GRANT_TO, REVOKE_TO)
