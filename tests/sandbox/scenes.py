"""Scenes: for each documented operation an account in which it can be called as its example shows.

The examples of the documents name people, teams and records that no account has; each is led to one that lives here.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from tests.sandbox.conftest import Plain, Start
from zra_async.sandbox.clock import Clock

OPERATIONS = json.loads((Path(__file__).parents[1] / "contract" / "operations.json").read_text())


def strict(schema: Any) -> Any:
    """The schema without room for fields that no document names."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(value) for name, value in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict):
        closed["additionalProperties"] = False
    return closed


def example_of(method: str, path: str) -> Any:
    """The documented example of a request body."""
    for operation in OPERATIONS:
        if (operation["method"], operation["path"]) == (method, path):
            return copy.deepcopy(operation["request"]["example"])
    raise KeyError(path)


def fill(value: Any, names: dict[str, Any]) -> Any:
    """Put living values in place of every field that ``names`` knows, at any depth."""
    if isinstance(value, list):
        return [fill(item, names) for item in value]
    if isinstance(value, dict):
        return {key: names[key] if key in names else fill(item, names) for key, item in value.items()}
    return value


@dataclass
class Scene:
    """What an operation needs to find in the account before it is called."""

    plain: Plain
    operation: dict[str, Any]
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    form: dict[str, Any] | None = None

    @property
    def prefix(self) -> str:
        return "/iq" if self.operation["deprecated"] else "/zra"

    async def do(self, method: str, path: str, body: Any = None, *, base: str = "") -> Any:
        """Make a call on the side and give its body."""
        reply = await self.plain.send(method, path, json=body, base=base)
        assert reply.status < 300, (path, reply.status, reply.content)
        return reply.body if reply.content else None

    async def users(self) -> list[Any]:
        return list(self.plain.sandbox.world.users)

    async def conversation(self) -> str:
        return str((await self.do("GET", "/zra/conversations"))["conversations"][0]["conversation_id"])

    async def comment(self) -> str:
        made = await self.do(
            "POST", f"/zra/conversations/{twice(self.path['conversationId'])}/comments", {"comment": "c"}
        )
        return str(made["id"])

    async def deal(self) -> str:
        return str((await self.do("GET", "/zra/deals"))["deals"][0]["deal_id"])

    async def team(self, name: str = "A team of this test") -> str:
        return str((await self.do("POST", "/zra/team", {"team_name": name}))["added_team_id"])

    async def file(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        base = self.plain.sandbox.upload_url
        body = {"method": method, "params": params}
        answer: dict[str, Any] = await self.do("POST", "/zra/files/multipart/upload_events", body, base=base)
        return answer

    async def main_file(self) -> str:
        form = aiohttp.FormData({"source": "1"})
        form.add_field("file", b"moving pictures", filename="video.mp4")
        reply = await self.plain.send("POST", "/zra/files", base=self.plain.sandbox.upload_url, data=form)
        return str(reply.body["file_id"])

    async def crm(self, *kinds: str) -> str:
        """Register and import the examples of ``kinds``; give the last task."""
        email = (await self.users())[0].email
        await self.do("POST", "/zra/crm/settings", complete(example_of("POST", "/zra/crm/settings")))
        task = ""
        for kind in kinds:
            records = fill(example_of("POST", f"/zra/crm/{kind}"), EMAILS | {"owner_email": email})
            task = (await self.do("POST", f"/zra/crm/{kind}", records))["task_id"]
            self.plain.sandbox.clock.advance(10)
        return task


def twice(value: str) -> str:
    """An id as a path value."""
    return quote(quote(value, safe=""), safe="") if "/" in value else quote(value, safe="")


def complete(registration: Any) -> Any:
    """Add what the example of a registration lacks of its own rule: a stage of every type."""
    for kind in ("CLOSED_WON", "CLOSED_LOST"):
        registration["deal_stages"].append({"stage_name": kind.title(), "stage_type": kind})
    return registration


EMAILS = {"contact_email": "jill@customer.example", "lead_email": "jill@customer.example", "team_member_emails": []}
Arrange = Callable[[Scene], Awaitable[None]]
ARRANGED: dict[str, Arrange] = {}


def arrange(*keys: str) -> Callable[[Arrange], Arrange]:
    """Prepare the operations ``keys``, given without their prefix."""

    def register(prepare: Arrange) -> Arrange:
        ARRANGED.update(dict.fromkeys(keys, prepare))
        return prepare

    return register


@arrange(
    "GET /conversations/{conversationId}",
    "DELETE /conversations/{conversationId}",
    "GET /conversations/{conversationId}/interactions",
    "GET /conversations/{conversationId}/scorecards",
    "GET /conversations/{conversationId}/comments",
)
async def a_conversation(scene: Scene) -> None:
    """Any conversation, with a comment on it."""
    scene.path["conversationId"] = await scene.conversation()
    await scene.comment()


@arrange("GET /conversations/{conversationId}/content_analysis")
async def an_analysis(scene: Scene) -> None:
    """The widest analysis that the operation offers."""
    scene.path["conversationId"] = await scene.conversation()
    scene.query["analysis_type"] = "indicators" if scene.operation["deprecated"] else "all"


@arrange(
    "POST /conversations/{conversationId}/comments",
    "PATCH /conversations/{conversationId}/comments/{commentId}",
    "DELETE /conversations/{conversationId}/comments/{commentId}",
)
async def a_comment(scene: Scene) -> None:
    """A comment to answer, change or delete, and somebody to mention."""
    scene.path["conversationId"] = await scene.conversation()
    comment, user, team = await scene.comment(), (await scene.users())[1], await scene.team()
    if "{commentId}" in scene.operation["path"]:
        scene.path["commentId"] = comment
    names = {"parent_comment_id": comment, "mention_user_ids": [user.user_id], "mention_team_ids": [team]}
    scene.body = fill(scene.body, names)


@arrange("PATCH /conversations/{conversationId}/update_host")
async def another_host(scene: Scene) -> None:
    """A licensed user to take over."""
    scene.path["conversationId"] = await scene.conversation()
    scene.body = {"new_host_id": next(user.user_id for user in await scene.users() if user.licensed)}


@arrange("POST /conversations")
async def a_file(scene: Scene) -> None:
    """An uploaded file, a host and a deal."""
    host = next(user for user in await scene.users() if user.licensed)
    names = {"file_id": await scene.main_file(), "host_id": host.user_id, "deal_id": await scene.deal()}
    people = [{"display_name": host.display_name, "email": host.email}]
    scene.body = fill(scene.body, names | {"participants": people, "meeting_end_time": "2022-03-23T07:00:00Z"})
    del scene.body["download_url"]  # the reference wants one of file_id and download_url


@arrange("POST /users/{userId}/conversations", "GET /users/{userId}/conversations/playlists")
async def a_user(scene: Scene) -> None:
    """A licensed user."""
    scene.path["userId"] = next(user.user_id for user in await scene.users() if user.licensed)
    if scene.body:
        del scene.body["recording_link"]  # an ellipsis in the documents


@arrange("POST /files")
async def a_single_upload(scene: Scene) -> None:
    """A transcript of a file that is there."""
    transcript = {"file": (b"{}", "video_transcript.json")}
    scene.form = scene.body | {"main_file_id": await scene.main_file()} | transcript
    scene.body = None


@arrange("POST /files/multipart")
async def an_upload_context(scene: Scene) -> None:
    """A multipart upload under way."""
    context = (await scene.file("CreateMultipartUpload", {"file_name": "video.mp4"}))["upload_context"]
    scene.form = scene.body | {"upload_context": context, "file": (b"a part", "video.mp4")}
    scene.body = None


@arrange("POST /files/multipart/upload_events")
async def a_main_file(scene: Scene) -> None:
    """A file to which a transcript is added."""
    params = {"file_name": "video_transcript.json", "main_file_id": await scene.main_file()}
    scene.body = {"method": "CreateMultipartUpload", "params": scene.body["params"] | params}


@arrange("GET /deals/{dealId}", "GET /deals/{dealId}/activities", "DELETE /deals/{dealId}/activities")
async def a_deal(scene: Scene) -> None:
    """A deal with a conversation."""
    deals = (await scene.do("GET", "/zra/deals"))["deals"]
    scene.path["dealId"] = next(deal["deal_id"] for deal in deals if deal["number_of_conversations"])
    if scene.operation["method"] == "DELETE":
        listed = await scene.do("GET", f"/zra/deals/{twice(scene.path['dealId'])}/activities")
        ids = [activity["conversation_id"] for activity in listed["activities"] if activity.get("conversation_id")]
        scene.query["conversation_id"] = ids[0]


@arrange("POST /crm/settings")
async def no_crm(scene: Scene) -> None:
    """Nothing is registered yet."""
    scene.body = complete(scene.body)


@arrange("GET /crm/settings", "DELETE /crm/settings")
async def a_crm(scene: Scene) -> None:
    """A registered CRM."""
    await scene.crm()


@arrange("GET /crm/tasks/{taskId}")
async def a_task(scene: Scene) -> None:
    """An import that is done."""
    scene.path["taskId"] = await scene.crm("accounts")


@arrange("POST /crm/accounts", "POST /crm/contacts", "POST /crm/deals", "POST /crm/leads")
async def records_to_import(scene: Scene) -> None:
    """A registered CRM with an account."""
    await scene.crm("accounts")
    scene.body = fill(scene.body, EMAILS | {"owner_email": (await scene.users())[0].email})


@arrange("GET /crm/accounts", "GET /crm/contacts", "GET /crm/deals", "GET /crm/leads")
async def imported_records(scene: Scene) -> None:
    """A record of each kind."""
    await scene.crm("accounts", "contacts", "deals", "leads")
    kind = scene.operation["path"].rpartition("/")[2]
    name = f"crm_{kind[:-1]}_id"
    scene.query[f"{name}s"] = example_of("POST", f"/zra/crm/{kind}")["data"][0][name]


@arrange("POST /team")
async def a_parent(scene: Scene) -> None:
    """A team to stand under."""
    scene.body = fill(scene.body, {"parent_team_id": await scene.team()})


@arrange(
    "GET /team/{teamId}",
    "DELETE /team/{teamId}",
    "PATCH /team/{teamId}",
)
async def a_team(scene: Scene) -> None:
    """An empty team."""
    scene.path["teamId"] = await scene.team()


@arrange("GET /team/{teamId}/team_managers", "GET /team/{teamId}/team_members")
async def a_staffed_team(scene: Scene) -> None:
    """A team with managers and members."""
    teams = (await scene.do("GET", "/zra/teams?page_size=100"))["teams"]
    scene.path["teamId"] = next(t["team_id"] for t in teams if t.get("supervisor_size") and t.get("member_size"))


@arrange("PATCH /team/{teamId}/parent_team")
async def two_teams(scene: Scene) -> None:
    """A team and its parent to be."""
    scene.path["teamId"] = await scene.team()
    scene.body = {"new_parent_team_id": await scene.team("Another team of this test")}


@arrange(
    "POST /team/{teamId}/access/granted-from",
    "POST /team/{teamId}/access/granted-to",
    "DELETE /team/{teamId}/access/granted-from",
    "DELETE /team/{teamId}/access/granted-to",
)
async def teams_with_access(scene: Scene) -> None:
    """Two teams, one of which has access when it is to be taken away."""
    scene.path["teamId"], other = await scene.team(), await scene.team("Another team of this test")
    if scene.operation["method"] == "POST":
        scene.body = [other]
    else:
        access = scene.operation["path"].rpartition("/")[2]
        await scene.do("POST", f"/zra/team/{scene.path['teamId']}/access/{access}", [other])
        scene.query["team_ids"] = other


@arrange(
    "POST /team/{teamId}/team_managers",
    "POST /team/{teamId}/team_members",
    "DELETE /team/{teamId}/team_managers",
    "DELETE /team/{teamId}/team_members",
)
async def staff(scene: Scene) -> None:
    """A team and somebody for it, who is in it when to be removed."""
    team, people = await scene.team(), scene.operation["path"].rpartition("/")[2]
    free = (await scene.do("GET", "/zra/team/unassigned_team_users"))["unassigned_users"][0]
    body: list[Any] = [free["user_id"]] if people == "team_managers" else [{"user_id": free["user_id"]}]
    scene.path["teamId"] = team
    if scene.operation["method"] == "POST":
        scene.body = body
    else:
        await scene.do("POST", f"/zra/team/{team}/{people}", body)
        scene.query["user_ids"] = free["user_id"]


def form_of(fields: dict[str, Any]) -> aiohttp.FormData:
    """The fields as multipart/form-data; a pair is a file and its name."""
    form = aiohttp.FormData(quote_fields=False)
    for name, value in fields.items():
        if isinstance(value, tuple):
            form.add_field(name, value[0], filename=value[1])
        else:
            form.add_field(name, str(value))
    return form


async def perform(scene: Scene) -> tuple[int, Any]:
    """Call the operation of ``scene`` and give status and body."""
    operation = scene.operation
    path = operation["path"]
    for name, value in scene.path.items():
        path = path.replace("{" + name + "}", twice(value))
    path += f"?{urlencode(scene.query)}" if scene.query else ""
    base = scene.plain.sandbox.upload_url if operation["host"] == "fileapi" else ""
    if scene.form is not None:
        reply = await scene.plain.send(operation["method"], path, base=base, data=form_of(scene.form))
    else:
        reply = await scene.plain.send(operation["method"], path, base=base, json=scene.body)
    return reply.status, reply.body if reply.content else None


async def stage(start: Start, operation: dict[str, Any], **options: Any) -> Scene:
    """Start an account in which the operation can be called as documented."""
    plain = await start(limits=False, awkward=0, conversations=60, clock=Clock(frozen=True), **options)
    scene = Scene(plain, operation)
    if "request" in operation:
        scene.body = copy.deepcopy(operation["request"]["example"])
    key = f"{operation['method']} {operation['path'].removeprefix('/zra').removeprefix('/iq')}"
    if key in ARRANGED:
        await ARRANGED[key](scene)
    return scene
