"""The 52 operations as the service sees them: method, path, rate-limit label and the scopes that open them.

One line each: method, path without its prefix, label, classic scopes, granular scopes. The prefixes ``iq_`` of the
classic and ``zra:`` of the granular scopes are left out; ``*`` means with and without ``:admin``, ``|`` either word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: operations that also answer under the deprecated ``/iq`` prefix
TWINNED = """
GET    /settings/indicators MEDIUM account:read:admin read:indicator*
GET    /conversations MEDIUM conversation:read|write* read:list_conversations*
POST   /conversations MEDIUM conversation:write* write:conversation*
GET    /conversations/{conversationId} LIGHT conversation:read|write* read:conversations*
DELETE /conversations/{conversationId} LIGHT conversation:write* delete:conversations*
GET    /conversations/{conversationId}/comments MEDIUM comment:read|write* read:list_conversation_comments*
POST   /conversations/{conversationId}/comments MEDIUM comment:write* read:list_conversation_comments*
DELETE /conversations/{conversationId}/comments/{commentId} MEDIUM comment:write* delete:conversation_comment*
PATCH  /conversations/{conversationId}/comments/{commentId} MEDIUM comment:write* update:conversation_comment*
GET    /conversations/{conversationId}/content_analysis MEDIUM conversation:read|write* read:conversation_analysis*
GET    /conversations/{conversationId}/interactions MEDIUM conversation:read|write* read:conversation_participants*
GET    /conversations/{conversationId}/scorecards MEDIUM coaching:read* read:conversation_scorecards*
PATCH  /conversations/{conversationId}/update_host MEDIUM conversation:write* update:conversation_host*
POST   /files FILES conversation:write* write:file*
POST   /files/multipart MULTIPART conversation:write* write:file*
POST   /files/multipart/upload_events MULTIPART conversation:write* write:file*
POST   /users/{userId}/conversations MEDIUM conversation:write* write:conversation*
GET    /users/{userId}/conversations/playlists MEDIUM playlist:read* read:list_conversation_playlists
GET    /deals MEDIUM deal:read|write* read:list_deals*
GET    /deals/{dealId} MEDIUM deal:read|write* read:deal*
GET    /deals/{dealId}/activities MEDIUM deal:read|write* read:list_deal_activities*
DELETE /deals/{dealId}/activities MEDIUM deal:write* delete:deal_activity*
GET    /teams MEDIUM team:read* read:team_list:admin
"""

#: operations that exist under `/zra` only
CURRENT = """
GET    /crm/accounts MEDIUM crm:read:admin read:crm_account:admin
POST   /crm/accounts RESOURCE-INTENSIVE crm:write write:crm_accounts:admin
GET    /crm/contacts MEDIUM crm:read:admin read:crm_contact:admin
POST   /crm/contacts RESOURCE-INTENSIVE crm:write:admin write:crm_contact:admin
GET    /crm/deals MEDIUM crm:read:admin read:crm_deal:admin
POST   /crm/deals RESOURCE-INTENSIVE crm:write:admin write:crm_deal:admin
GET    /crm/leads MEDIUM crm:read:admin read:crm_lead:admin
POST   /crm/leads RESOURCE-INTENSIVE crm:write:admin write:crm_lead:admin
GET    /crm/settings LIGHT crm:read:admin read:crm_registration:admin
POST   /crm/settings HEAVY crm:write:admin write:crm_registration:admin
DELETE /crm/settings HEAVY crm:write:admin delete:crm_registration:admin
GET    /crm/tasks/{taskId} LIGHT crm:read:admin read:crm_task:admin
GET    /scheduled MEDIUM conversation:read|write* read:list_conversations*
POST   /team HEAVY team:write:admin write:team:admin
GET    /team/unassigned_team_users HEAVY team:read:admin read:unassigned_team_users:admin
GET    /team/{teamId} MEDIUM team:read:admin read:team:admin
DELETE /team/{teamId} HEAVY team:write:admin delete:team:admin
PATCH  /team/{teamId} MEDIUM team:write:admin update:team:admin
POST   /team/{teamId}/access/granted-from MEDIUM team:write:admin write:team:admin
DELETE /team/{teamId}/access/granted-from MEDIUM team:write:admin delete:team:admin
POST   /team/{teamId}/access/granted-to MEDIUM team:write:admin write:team:admin
DELETE /team/{teamId}/access/granted-to MEDIUM team:write:admin delete:team:admin
PATCH  /team/{teamId}/parent_team HEAVY team:write:admin update:team:admin
GET    /team/{teamId}/team_managers MEDIUM team:read:admin read:team_managers:admin
POST   /team/{teamId}/team_managers HEAVY team:write:admin write:team_manages:admin
DELETE /team/{teamId}/team_managers HEAVY team:write:admin delete:team_managers:admin
GET    /team/{teamId}/team_members MEDIUM team:read:admin read:team_members:admin
POST   /team/{teamId}/team_members HEAVY team:write:admin write:team_members:admin
DELETE /team/{teamId}/team_members HEAVY team:write:admin delete:team_members:admin
"""

#: scopes that the notation above cannot say: two that are not of the accelerator, one of the deprecated twin alone
ALSO: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "GET /settings/indicators": (("account:read:admin", "account:write:admin"), ()),
    "POST /conversations/{conversationId}/comments": (
        (),
        ("zra:write:conversation_comment", "zra:write:conversation_comment:admin"),
    ),
}
FILE_LABELS = frozenset({"FILES", "MULTIPART"})


@dataclass(frozen=True, slots=True)
class Row:
    """One operation; any one of ``scopes`` or ``granular`` is enough for it."""

    method: str
    template: str
    label: str
    scopes: tuple[str, ...]
    granular: tuple[str, ...]
    twin: bool
    enough: frozenset[str]  #: every scope of both kinds

    @property
    def key(self) -> str:
        """The name of the operation, for example ``GET /deals/{dealId}``."""
        return f"{self.method} {self.template}"

    @property
    def host(self) -> Literal["api", "files"]:
        """Name the host that serves the operation."""
        return "files" if self.label in FILE_LABELS else "api"


def _parse(text: str, *, twin: bool) -> list[Row]:
    rows: list[Row] = []
    for line in text.strip().splitlines():
        method, template, label, classic, granular = line.split()
        more_classic, more_granular = ALSO.get(f"{method} {template}", ((), ()))
        scopes = (*more_classic, *_expand("iq_" + classic))
        finer = (*_expand("zra:" + granular), *more_granular)
        rows.append(Row(method, template, label, scopes, finer, twin, frozenset((*scopes, *finer))))
    return rows


def _expand(pattern: str) -> tuple[str, ...]:
    kinds = (pattern.replace("read|write", kind) for kind in ("read", "write")) if "|" in pattern else (pattern,)
    return tuple(name for kind in kinds for name in _with_admin(kind))


def _with_admin(name: str) -> tuple[str, ...]:
    plain = name.removesuffix("*")
    return (plain,) if plain == name else (plain, f"{plain}:admin")


ROWS: tuple[Row, ...] = (*_parse(TWINNED, twin=True), *_parse(CURRENT, twin=False))
CLASSIC_SCOPES = tuple(sorted({scope for row in ROWS for scope in row.scopes}))
GRANULAR_SCOPES = tuple(sorted({scope for row in ROWS for scope in row.granular}))
