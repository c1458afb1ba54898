"""Match a raw request path to its operation and read the values in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from zra_async.sandbox.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zra_async.sandbox.service.table import Row

PREFIXES = (("/v2/zra/", False), ("/v2/iq/", True))
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_NO_VALUES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Match:
    """A request path understood."""

    row: Row
    legacy: bool
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Template:
    words: tuple[str | None, ...]  #: None where a value stands
    names: tuple[tuple[int, str], ...]
    rows: dict[str, Row]  #: by method

    def fits(self, segments: list[str]) -> bool:
        """Tell whether a path has this shape; its parameters must not be empty."""
        pairs = zip(self.words, segments, strict=True)
        return all(segment == word if word is not None else segment for word, segment in pairs)

    def match(self, method: str, segments: list[str], legacy: bool) -> Match:
        """The operation of ``method`` at this path. Raises the error that the service answers with."""
        row = self.rows.get(method)
        if row is not None and (row.twin or not legacy):
            return Match(row, legacy, {name: _decode(segments[at]) for at, name in self.names})
        methods = sorted(name for name, other in self.rows.items() if other.twin or not legacy)
        if not methods:
            raise _not_found()
        raise ApiError(405, 0, f"405 Method {method} Not Allowed", headers={"Allow": ", ".join(methods)})


class Paths:
    """Finds the row of a method and a path as it came over the wire.

    A slash that was encoded once separates segments, as it does behind a real gateway; so an id that contains one has
    to be encoded twice, and every value is decoded again while it still holds an escape after the first time.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._fixed: dict[tuple[str, str], Match] = {}
        self._templates: dict[tuple[int, str], list[_Template]] = {}
        by_template: dict[str, dict[str, Row]] = {}
        for row in rows:
            by_template.setdefault(row.template, {})[row.method] = row
            if "{" not in row.template:
                for prefix, legacy in PREFIXES:
                    if row.twin or not legacy:
                        self._fixed[row.method, prefix + row.template[1:]] = Match(row, legacy, _NO_VALUES)
        for template, of_template in by_template.items():
            made = _template(template, of_template)
            self._templates.setdefault((len(made.words), str(made.words[0])), []).append(made)
        for alternatives in self._templates.values():
            alternatives.sort(key=lambda template: len(template.names))  # fixed words win over values

    def match(self, method: str, raw_path: str) -> Match:
        """The operation that ``raw_path`` (without its query) means: 404/0 or 405/0 where there is none."""
        found = self._fixed.get((method, raw_path))
        if found is not None:
            return found
        for prefix, legacy in PREFIXES:
            if raw_path.startswith(prefix):
                return self._search(method, raw_path[len(prefix) :], legacy)
        raise _not_found()

    def _search(self, method: str, rest: str, legacy: bool) -> Match:
        segments = re.sub("%2f", "/", rest, flags=re.IGNORECASE).split("/") if "%2" in rest else rest.split("/")
        for template in self._templates.get((len(segments), segments[0]), ()):
            if template.fits(segments):
                return template.match(method, segments, legacy)
        raise _not_found()


def _template(template: str, rows: dict[str, Row]) -> _Template:
    segments = template[1:].split("/")
    names = tuple((at, segment[1:-1]) for at, segment in enumerate(segments) if segment.startswith("{"))
    return _Template(tuple(None if segment.startswith("{") else segment for segment in segments), names, rows)


def _decode(segment: str) -> str:
    if "%" not in segment:
        return segment
    once = unquote(segment)
    return unquote(once) if _ESCAPE.search(once) else once


def _not_found() -> ApiError:
    return ApiError(404, 0, "404 Route Not Found")
