"""The reference as data: each of its 75 operations, next to the row of the library that stands for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zra_async.api.registry import OPERATIONS
from zra_async.core.operation import Operation

Schema = Mapping[str, Any]
#: a place in a schema: property names, and "[]" for the items of an array
Place = tuple[str, ...]


@dataclass(frozen=True)
class DocumentedError:
    """One error that the reference lists; `code` is None where it gives a status alone."""

    status: int
    code: int | None
    message: str


@dataclass(frozen=True)
class Documented:
    """One operation as the reference describes it."""

    data: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.data['method']} {self.data['path']}"

    @property
    def key(self) -> tuple[str, str]:
        """Method and path without the names of its parameters."""
        return self.data["method"], route(self.data["path"])

    @property
    def query(self) -> dict[str, Mapping[str, Any]]:
        """The query parameters by name."""
        return {parameter["name"]: parameter for parameter in self.data["query_params"]}

    @property
    def path_names(self) -> list[str]:
        """The path parameters, in the spelling of Python."""
        return [re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in self.data["path_params"]]

    @property
    def body(self) -> Schema | None:
        """The schema of the request body."""
        return self.data["request"]["schema"] if "request" in self.data else None

    @property
    def body_example(self) -> Any:
        """The documented request body."""
        return _with_addresses(self.data["request"]["example"])

    @property
    def status(self) -> int:
        """The status of success."""
        return next(int(status) for status in self.data["responses"] if status.startswith("2"))

    @property
    def answer(self) -> Schema | None:
        """The schema of the answer; None where there is no body."""
        return self.data["responses"][str(self.status)].get("schema")

    @property
    def answer_example(self) -> Any:
        """The documented answer."""
        return self.data["responses"][str(self.status)]["example"]

    @property
    def errors(self) -> Iterator[DocumentedError]:
        """Every documented error; several messages of one code count each."""
        for status, response in self.data["responses"].items():
            if not status.startswith("2"):
                for error in response.get("errors", ({"code": None, "message": "as documented"},)):
                    for message in error["message"].split(" | "):
                        yield DocumentedError(int(status), error["code"], message)

    @property
    def row(self) -> Operation[Any]:
        """The library's row of the same method and path."""
        return ROWS[self.key]


def route(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def spelled(place: Place) -> str:
    """A place in a schema as one text."""
    return ".".join(place)


def places(schema: Schema, place: Place = ()) -> Iterator[tuple[Place, Schema]]:
    """Every property of a schema, however deep, with its own schema."""
    if schema["type"] == "array":
        yield from places(schema["items"], (*place, "[]"))
    for name, inner in schema.get("properties", {}).items():
        yield (*place, name), inner
        yield from places(inner, (*place, name))


def required(schema: Schema, place: Place = ()) -> Iterator[Place]:
    """Every property that must be there, however deep."""
    if schema["type"] == "array":
        yield from required(schema["items"], (*place, "[]"))
    for name, inner in schema.get("properties", {}).items():
        if name in schema.get("required", ()):
            yield (*place, name)
        yield from required(inner, (*place, name))


def _with_addresses(value: Any) -> Any:
    # The published page hides every mail address behind this text, which is none.
    if isinstance(value, dict):
        return {name: _with_addresses(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_addresses(inner) for inner in value]
    return "user@example.com" if isinstance(value, str) and value.startswith("[email") else value


DOCUMENTED = tuple(
    Documented(data) for data in json.loads((Path(__file__).parent / "operations.json").read_text(encoding="utf-8"))
)
ROWS: Mapping[tuple[str, str], Operation[Any]] = {
    (row.method, route(f"/{row.prefix}{row.path}")): row for row in OPERATIONS.values()
}
