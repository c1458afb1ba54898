"""Schemathesis against a live sandbox, with an OpenAPI document made of the contract: nothing may break or stray."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.sandbox.scenes import strict, twice
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.server import Sandbox
from zra_async.sandbox.world.crm_schema import read_registration
from zra_async.sandbox.world.intake import Received

pytestmark = pytest.mark.slow

OPERATIONS = json.loads((Path(__file__).parents[2] / "contract" / "operations.json").read_text())
ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
    "additionalProperties": False,
}
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
#: a number of examples that together with the rest of the module stays well under a minute
EXAMPLES = 6


def new_sandbox() -> Sandbox:
    """The account under test: the same one each time, so that its ids are known before it is served."""
    clock = Clock(datetime(2026, 3, 1, tzinfo=UTC), frozen=True)
    sandbox = Sandbox(conversations=50, awkward=0, limits=False, clock=clock)
    crm = sandbox.account.crm
    stages = [{"stage_name": kind, "stage_type": kind} for kind in ("OPEN", "CLOSED_WON", "CLOSED_LOST")]
    crm.register(read_registration({"crm_type": "oracle", "deal_stages": stages}))
    record = {"crm_account_id": "account1", "account_name": "One", "modify_time": "2026-01-01T00:00:00Z"}
    crm.submit("accounts", [record])
    clock.advance(10)
    sandbox.account.files.store("video.mp4", Received(5, "m", "s", None), main_file_id=None, source=1)
    return sandbox


def living() -> dict[str, list[Any]]:
    """Values that mean something in the account, by the name of a parameter or field, besides some that do not."""
    sandbox = new_sandbox()
    world, truth = sandbox.world, sandbox.truth
    conversations = sorted((row["conversation_id"] for row in truth.conversations()), key=lambda name: "/" in name)
    conversations = [*conversations[:3], *conversations[-3:], *conversations[3:-3]]
    comments = [comment.comment_id for name in conversations[:5] for comment in truth.comments(name)][:4]
    users = [user.user_id for user in world.users[:3]] + ["unknown"]
    teams = [team.team_id for team in sandbox.account.teams.all()[:4]] + ["unknown"]
    deals = [deal["deal_id"] for _, deal in zip(range(3), truth.deals(), strict=False)] + ["unknown"]
    good_times = ["2026-01-02T00:00:00Z"]
    times = ["2025-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "nonsense"]
    task = sandbox.account.crm.submit("accounts", [])
    return {
        "conversationId": [*conversations[:5], "unknown"],
        "DELETE conversationId": [*conversations[10:20], "unknown"],
        "commentId": [*comments, "unknown"],
        "taskId": [task, "unknown"],
        "file_id": [sandbox.account.files.all()[0].file_id, "unknown"],
        "comment": ["well done", ""],
        "parent_comment_id": [comments[0], "unknown"],
        "time_in_recording": ["00:00:10", "soon"],
        "team_name": ["One", "Two", "Three", ""],
        "meeting_uuid": ["egLSRuj2SlWet+wLi87LNA==", "unknown"],
        "recording_link": ["https://zoom.us/rec/share/abc", "nowhere"],
        "download_url": ["https://example.com/foo.mp4", "nowhere"],
        "start_time_in_recording": ["00:00:10"],
        "crm_account_ids": ["account1", "account1,unknown", "unknown"],
        "crm_account_id": ["account1", "account2"],
        "stage": ["OPEN", "CLOSED_WON", "unknown"],
        "owner_email": [world.users[0].email, "nobody@outside.example"],
        "analysis_type": ["topics", "nextSteps", "engagingQuestions", "indicators", "smartChapters"],
        "mention_user_ids": users,
        "mention_team_ids": teams,
        **dict.fromkeys(["modify_time", "create_time", "meeting_start_time"], good_times),
        **dict.fromkeys(["from", "to"], times),
        **dict.fromkeys(["userId", "user_id", "user_ids", "host_id", "new_host_id", "owner_id"], users),
        **dict.fromkeys(["teamId", "team_id", "team_ids", "parent_team_id", "new_parent_team_id"], teams),
        **dict.fromkeys(["dealId", "deal_id"], deals),
    }


def alive(schema: Any) -> Any:
    """A request schema whose well-known fields hold values that mean something."""
    if not isinstance(schema, dict):
        return schema
    changed = {key: alive(value) if key == "items" else value for key, value in schema.items()}
    if "properties" in schema:
        changed["properties"] = {name: _field(name, value) for name, value in schema["properties"].items()}
    return changed


def _field(name: str, schema: Any) -> Any:
    if name not in LIVING:
        return alive(schema)
    values = {"type": "string", "enum": LIVING[name]}
    return {"type": "array", "items": values, "maxItems": 3} if schema["type"] == "array" else values


def body_schema(path: str, schema: Any) -> Any:
    """The schema of a body; that of a bare list of ids follows from the path."""
    if schema["type"] == "array" and schema["items"]["type"] == "string":
        ids = LIVING["userId" if path.endswith("team_managers") else "teamId"]
        return schema | {"items": {"type": "string", "enum": ids}}
    return alive(schema)


def path_parameter(method: str, name: str) -> dict[str, Any]:
    """A path value, quoted here where it contains a slash, since that has to be quoted twice."""
    ids = LIVING.get(f"{method} {name}") or LIVING[name]
    return {"name": name, "in": "path", "required": True, "schema": {"enum": [twice(one) for one in ids]}}


def query_parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    """A query parameter, with bounds only where they mean a number."""
    name, numbers = parameter["name"], ("minimum", "maximum") if parameter["type"] == "integer" else ()
    schema = {key: parameter[key] for key in ("type", "enum", *numbers) if key in parameter}
    if name in LIVING:
        schema = {"type": "string", "enum": LIVING[name]}
    return {"name": name, "in": "query", "required": parameter["required"], "schema": schema}


def openapi() -> dict[str, Any]:
    """The contract as an OpenAPI document."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        parameters = [path_parameter(operation["method"], name) for name in operation["path_params"]]
        parameters += [query_parameter(parameter) for parameter in operation["query_params"]]
        responses = {
            status: {"description": status, **_content(strict(answer["schema"]) if "schema" in answer else None)}
            for status, answer in operation["responses"].items()
            if int(status) < 300
        }
        described = {"parameters": parameters, "responses": responses | {"4XX": {"description": "", **_content(ERROR)}}}
        if "request" in operation:
            request = operation["request"]
            media = {"schema": body_schema(operation["path"], request["schema"]), "example": request["example"]}
            described["requestBody"] = {"required": True, "content": {request["content_type"]: media}}
        paths.setdefault(operation["path"], {})[operation["method"].lower()] = described
    return {"openapi": "3.0.3", "info": {"title": "contract", "version": "1"}, "paths": paths}


def _content(schema: Any) -> dict[str, Any]:
    return {} if schema is None else {"content": {"application/json": {"schema": schema}}}


LIVING = living()
schema = schemathesis.openapi.from_dict(openapi())
schema.config.generation.update(max_examples=EXAMPLES, deterministic=True, no_shrink=True, database="none")
schema.config.phases.examples.enabled = True


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    """The sandbox on a loop of its own, since Schemathesis calls from plain threads."""
    sandbox, loop = new_sandbox(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sandbox.__aenter__(), loop).result(10)
        yield sandbox
        asyncio.run_coroutine_threadsafe(sandbox.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def session(served: Sandbox) -> Iterator[requests.Session]:
    """A session that is signed in."""
    with requests.Session() as session:
        form = {"grant_type": "account_credentials", "account_id": served.account_id}
        answer = session.post(served.token_url, data=form, auth=(served.client_id, served.client_secret))
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield session


@schema.parametrize()
@hypothesis.settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_the_sandbox_keeps_to_its_document(case: schemathesis.Case, served: Sandbox, session: requests.Session) -> None:
    """Whatever is sent, no answer is a 5xx, and each has a documented status, type and shape."""
    url = served.upload_url if "/files" in case.path else served.api_url
    case.call_and_validate(base_url=url, session=session, checks=CHECKS)
