"""How the method of an operation is called: minimal arguments, and the documented request bodies as arguments."""

from __future__ import annotations

import email
import email.policy
import functools
import inspect
import json
import typing
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.api.conftest import RecordingCaller
from tests.contract.corrections import ARGUMENTS, EXCLUSIVE, ONE_OF
from tests.contract.reference import Documented, Schema
from tests.contract.shapes import atoms
from zra_async.api.operations import Operations
from zra_async.core import wire

NOON = datetime(2025, 11, 20, 12, tzinfo=UTC)
#: the reference shows one stage, and says that each type needs one
STAGES = [{"stage_name": kind, "stage_type": kind} for kind in ("OPEN", "CLOSED_WON", "CLOSED_LOST")]

#: a value for every argument that a method insists on
_MINIMAL: Mapping[str, Any] = {
    "analysis_type": "topics",
    "comment": "Nicely done!",
    "content": b"content",
    "conversation_type": "meeting",
    "crm_type": "oracle",
    "deal_stages": STAGES,
    "file_name": "call.mp4",
    "ids": ["1"],
    "meeting_start_time": NOON,
    "method": "CreateMultipartUpload",
    "part_number": 1,
    "upload_context": "context",
    "user_ids": ["u"],
    "team_ids": ["t"],
}
#: methods that insist on more than their signature can say
_ALSO: Mapping[str, Mapping[str, Any]] = {
    "comments.update": {"comment": "Nicely done!"},
    "files.upload_events": {"file_name": "call.mp4"},
    "teams.members.add": {"user_ids": ["u"]},
}


def method_of(operation: Documented, caller: Any = None) -> Callable[..., Any]:
    """The typed method of an operation; its name in the registry is its path from the client."""
    name = operation.row.name
    legacy = name.startswith("legacy.")
    names = Operations(caller, legacy=legacy)
    method: Callable[..., Any] = functools.reduce(getattr, name.removeprefix("legacy.").split("."), names)
    return method


def arguments_of(operation: Documented) -> Mapping[str, inspect.Parameter]:
    """The arguments of the operation's method."""
    return inspect.signature(method_of(operation)).parameters


def hints_of(operation: Documented) -> dict[str, Any]:
    """The type hints of the operation's method."""
    return typing.get_type_hints(method_of(operation))


async def requests_of(operation: Documented, arguments: Mapping[str, Any]) -> list[wire.Request]:
    """The requests that a call of the operation's method makes, in a list the first page's."""
    caller = RecordingCaller()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        await method_of(operation, caller)(**arguments)
    assert caller.requests
    return caller.requests


async def request_of(operation: Documented, arguments: Mapping[str, Any]) -> wire.Request:
    """The only request of a call."""
    (request,) = await requests_of(operation, arguments)
    return request


def name_of(operation: Documented) -> str:
    """The name of the current operation, for a deprecated twin as well."""
    return operation.row.name.removeprefix("legacy.")


def minimal(operation: Documented, **chosen: Any) -> dict[str, Any]:
    """The least that the operation's method takes, with the arguments that a test has chosen."""
    arguments = {name: f"{name}-1" for name in operation.path_names}
    for name, parameter in arguments_of(operation).items():
        if parameter.default is parameter.empty and name not in arguments:
            arguments[name] = _MINIMAL.get(name, f"{name}-1")
    if name_of(operation).endswith("import_records"):
        arguments["records"] = operation.body_example["data"]
    exclusive = {**EXCLUSIVE, **ONE_OF}.get(name_of(operation), ())
    if exclusive and not chosen.keys() & set(exclusive):
        arguments[exclusive[0]] = "https://example.com/1"
    return {**arguments, **_ALSO.get(name_of(operation), {}), **chosen}


# --------------------------------------------------------------------------- documented bodies


def bodies(operation: Documented) -> list[Any]:
    """The documented example as bodies that can be sent: several where its fields exclude each other."""
    name, body = name_of(operation), operation.body_example
    if name == "files.upload_events":
        # The example shows the parameters of both methods at once.
        creation, completion = ("file_name", "main_file_id"), ("upload_context", "part_number_etags")
        return [
            {"method": "CreateMultipartUpload", "params": {key: body["params"][key] for key in creation}},
            {"method": "CompleteMultipartUpload", "params": {key: body["params"][key] for key in completion}},
        ]
    if name.startswith("files."):
        return [{**body, "file": "content"}]
    if name == "teams.members.add":
        return [[{key: value}] for entry in body for key, value in entry.items()]
    if name == "crm.register":
        return [{**body, "deal_stages": [*body["deal_stages"], *STAGES]}]
    if name in EXCLUSIVE:
        others = {key: value for key, value in body.items() if key not in EXCLUSIVE[name]}
        return [{**others, chosen: body[chosen]} for chosen in EXCLUSIVE[name]]
    return [body]


def body_fields(operation: Documented) -> dict[str, Schema]:
    """The documented fields that a method takes as arguments."""
    schema = operation.body or {}
    fields = dict(schema.get("properties", {}))
    if "params" in fields:  # the library has no such level: a method takes the parameters themselves
        fields |= fields.pop("params")["properties"]
    return fields


def sending(operation: Documented, body: Any) -> dict[str, Any]:
    """The arguments that send ``body``."""
    name = name_of(operation)
    arguments: dict[str, Any] = {name: f"{name}-1" for name in operation.path_names}
    if name == "teams.members.add":
        users = [entry["user_id"] for entry in body if "user_id" in entry]
        return {**arguments, "user_ids": users, "emails": [entry["email"] for entry in body if "email" in entry]}
    if isinstance(body, list):
        return {**arguments, "user_ids" if "managers" in name else "team_ids": body}
    fields = {**body, **body.get("params", {})}
    fields.pop("params", None)
    if "file" in fields:
        fields["file"] = fields["file"].encode()
    if name == "files.upload_single":
        arguments["file_name"] = "call.mp4"
    hints = hints_of(operation)
    for key, value in fields.items():
        argument = ARGUMENTS.get(key, key)
        arguments[argument] = datetime.fromisoformat(value) if datetime in atoms(hints.get(argument)) else value
    return arguments


async def body_of(request: wire.Request) -> Any:
    """The body of a request as it went over the wire: JSON, or the fields of a form as texts."""
    body = request.body
    assert body is not None
    if isinstance(body, bytes):
        return json.loads(body)
    pieces: list[bytes] = []

    async def send(chunk: bytes | memoryview) -> None:
        pieces.append(bytes(chunk))

    await body.write(send)
    head = b"Content-Type: " + body.content_type.encode() + b"\r\n\r\n"
    form: Any = email.message_from_bytes(head + b"".join(pieces), policy=email.policy.HTTP)
    names = "content-disposition"
    return {part.get_param("name", header=names): part.get_payload(decode=True).decode() for part in form.iter_parts()}


def over_the_wire(operation: Documented, body: Any) -> Any:
    """``body`` as it arrives: a form holds nothing but texts."""
    if operation.data["request"]["content_type"] == "application/json":
        return body
    return {name: str(value) for name, value in body.items()}
