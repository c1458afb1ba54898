"""From ``key=value`` on the command line to the arguments of a method, by its annotations."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

import msgspec

from zra_async.api.operations import Operations
from zra_async.cli.failures import UsageProblem
from zra_async.client import ZRAClient
from zra_async.core.operation import ListOperation, Operation

_PAIR = re.compile(r"([A-Za-z_][\w-]*)(:?=)(.*)", re.DOTALL)
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NONE = (type(None), msgspec.UnsetType)
_NO_CALLER: Any = None  # only the signatures of the methods are read


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a method. `kinds` are the members of its annotation, without None and `UNSET`."""

    name: str
    kinds: tuple[Any, ...]
    required: bool

    @property
    def many(self) -> bool:
        """True if it takes several values."""
        return any(_origin(kind) in (Sequence, Iterable) for kind in self.kinds)

    @property
    def item(self) -> Any:
        """The type of one of its several values."""
        inner = [get_args(kind) for kind in self.kinds if _origin(kind) in (Sequence, Iterable)]
        return inner[0][0] if inner and inner[0] else str


def _origin(kind: Any) -> Any:
    return get_origin(kind) or kind


def method_of(namespaces: Operations | ZRAClient, operation: Operation[Any] | str) -> Callable[..., Any]:
    """Return the method of ``namespaces`` for an operation, or the method of that name."""
    name = operation if isinstance(operation, str) else operation.name
    found: Any = namespaces
    for step in name.removeprefix("legacy.").split("."):
        found = getattr(found, step)
    return cast("Callable[..., Any]", found)


@functools.cache
def parameters_of(operation: Operation[Any]) -> Mapping[str, Parameter]:
    """The arguments that the method of an operation takes, in its order."""
    method = method_of(Operations(_NO_CALLER), operation)
    hints = typing.get_type_hints(method)
    return {
        name: Parameter(name, _kinds(hints[name]), parameter.default is inspect.Parameter.empty)
        for name, parameter in inspect.signature(method).parameters.items()
    }


def _kinds(annotation: Any) -> tuple[Any, ...]:
    union = get_origin(annotation) in (typing.Union, types.UnionType)
    return tuple(kind for kind in (get_args(annotation) if union else (annotation,)) if kind not in _NONE)


def is_list(operation: Operation[Any]) -> bool:
    """Return True if an operation answers in pages."""
    return isinstance(operation, ListOperation)


# --------------------------------------------------------------------------- the command line


def arguments(
    operation: Operation[Any], pairs: Sequence[str], given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The arguments that ``pairs`` stand for, checked against the method of ``operation``.

    ``key=value`` is read as the argument's type says, ``key:=JSON`` is JSON; ``key=@file`` and ``key:=@file`` take the
    value from a file. Several values are separated by commas or given by repeating the key. Raises `UsageProblem`.
    """
    known = parameters_of(operation)
    found: dict[str, Any] = dict(given or {})
    repeated: dict[str, list[str]] = {}
    for pair in pairs:
        match = _PAIR.fullmatch(pair)
        if match is None:
            raise UsageProblem(f"{pair!r} is not key=value or key:=JSON {_takes(operation)}")
        parameter = _known(operation, known, match[1])
        if parameter.name in found or (parameter.name in repeated and not parameter.many):
            raise UsageProblem(f"{match[1]} is given twice")
        if match[2] == ":=":
            found[parameter.name] = _from_json(parameter, match[3])
        elif parameter.many:
            repeated.setdefault(parameter.name, []).append(match[3])
        else:
            found[parameter.name] = _from_text(parameter, match[3])
    for name, texts in repeated.items():
        found[name] = _from_texts(known[name], texts)
    missing = [name for name, parameter in known.items() if parameter.required and name not in found]
    if missing:
        raise UsageProblem(f"{operation.name} needs {', '.join(_shown(name) for name in missing)}")
    return found


def _known(operation: Operation[Any], known: Mapping[str, Parameter], key: str) -> Parameter:
    name = key.replace("-", "_")
    for candidate in (name, f"{name}_"):  # `from` is a word of Python, so its argument is `from_`
        if candidate in known:
            return known[candidate]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {_shown(near[0])}?" if near else ""
    raise UsageProblem(f"{operation.name} takes no {key!r}{hint} {_takes(operation)}")


def _takes(operation: Operation[Any]) -> str:
    known = parameters_of(operation)
    names = [_shown(name) + ("" if parameter.required else "?") for name, parameter in known.items()]
    return f"(it takes {', '.join(names)})" if names else "(it takes no arguments)"


def _shown(name: str) -> str:
    return name.rstrip("_")


# --------------------------------------------------------------------------- values


def _from_text(parameter: Parameter, text: str) -> Any:
    if text.startswith("@"):
        content = _content(text[1:])
        if bytes in parameter.kinds:
            return content
        text = _decoded(parameter.name, content)
    return _typed(parameter, text)


def _typed(parameter: Parameter, text: str) -> Any:
    if bytes in parameter.kinds:
        return text.encode()
    if datetime in parameter.kinds:
        return instant(_shown(parameter.name), text)
    for kind in parameter.kinds:
        if get_origin(kind) is Literal:
            return _one_of(parameter.name, get_args(kind), text)
    if bool in parameter.kinds:
        return _yes_or_no(parameter.name, text)
    if str not in parameter.kinds and int in parameter.kinds:
        return _whole(parameter.name, text)
    return text


def _from_texts(parameter: Parameter, texts: Sequence[str]) -> Any:
    if parameter.item is not str:
        raise UsageProblem(f"{parameter.name} takes records: give {parameter.name}:=JSON or {parameter.name}:=@file")
    return [value.strip() for text in texts for value in text.split(",") if value.strip()]


def _from_json(parameter: Parameter, text: str) -> Any:
    lines = text.endswith((".jsonl", ".ndjson")) and text.startswith("@")
    content = _content(text[1:]) if text.startswith("@") else text.encode()
    try:
        if lines:
            return [msgspec.json.decode(line) for line in content.splitlines() if line.strip()]
        value: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise UsageProblem(f"{_shown(parameter.name)} is not JSON: {problem}") from None
    if isinstance(value, str) and str not in parameter.kinds:
        return _typed(parameter, value)
    return value


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as problem:
        raise UsageProblem(f"{path} cannot be read: {problem.strerror}") from None


def _decoded(name: str, content: bytes) -> str:
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UsageProblem(f"the file of {_shown(name)} is not text in UTF-8") from None


def instant(name: str, text: str) -> datetime:
    """A time as people type it: ISO 8601, a date alone is its midnight, and without an offset it is UTC."""
    try:
        value = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageProblem(f"{name} must be a time such as 2025-01-31 or 2025-01-31T09:00:00Z, not {text!r}") from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _one_of(name: str, allowed: Sequence[Any], text: str) -> Any:
    for value in allowed:
        if str(value).casefold() == text.strip().casefold():
            return value
    raise UsageProblem(f"{_shown(name)} must be one of {', '.join(map(str, allowed))}, not {text!r}")


def _yes_or_no(name: str, text: str) -> bool:
    value = _WORDS.get(text.strip().casefold())
    if value is None:
        raise UsageProblem(f"{_shown(name)} must be true or false, not {text!r}")
    return value


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageProblem(f"{_shown(name)} must be a whole number, not {text!r}") from None
