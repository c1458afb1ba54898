"""The comparison of a copy with a sandbox's truth: stream by stream, unit by unit, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zra_async.bulk.export.folder.present import read_stream
from zra_async.sandbox.truth import Truth

Records = Sequence[Mapping[str, Any]]
#: the streams that are compared, and the column that names the unit of a row
UNITS = {
    "conversations": "conversation_id",
    "transcripts": "conversation_id",
    "scorecards": "conversation_id",
    "comments": "conversation_id",
    "deals": "deal_id",
    "deal_activities": "deal_id",
}
_EXAMPLES = 3


@dataclass(slots=True)
class Verdict:
    """The outcome of one comparison, by stream. `stale` counts rows that the account no longer has."""

    compared: Counter[str] = field(default_factory=Counter[str])
    lost: Counter[str] = field(default_factory=Counter[str])
    doubled: Counter[str] = field(default_factory=Counter[str])
    stale: Counter[str] = field(default_factory=Counter[str])
    different: Counter[str] = field(default_factory=Counter[str])
    examples: list[str] = field(default_factory=list[str])

    @property
    def clean(self) -> bool:
        """Tell if the copy is the truth."""
        return not any((self.lost.total(), self.doubled.total(), self.stale.total(), self.different.total()))

    def compare(self, stream: str, wanted: Mapping[str, Records], found: Mapping[str, Records]) -> None:
        """Hold the rows of each unit against its records."""
        for unit, records in wanted.items():
            rows = found.get(unit, ())
            self.compared[stream] += len(records)
            self.lost[stream] += max(0, len(records) - len(rows))
            surplus = max(0, len(rows) - len(records))
            doubled = min(surplus, len(rows) - len({_content(row) for row in rows}))
            self.doubled[stream] += doubled
            self.stale[stream] += surplus - doubled
            if len(rows) != len(records):
                self._show(stream, unit, f"{len(rows)} rows for {len(records)} records")
            for record, row in zip(records, rows, strict=False):
                if other := differing(record, row):
                    self.different[stream] += 1
                    self._show(stream, unit, f"{other}: {row[other]!r}, in truth {record[other]!r}")
        for unit in found.keys() - wanted.keys():
            self.stale[stream] += len(found[unit])
            self._show(stream, unit, "is not in the account")

    def _show(self, stream: str, unit: str, problem: str) -> None:
        if sum(example.startswith(f"{stream} ") for example in self.examples) < _EXAMPLES:
            self.examples.append(f"{stream} {unit}: {problem}")


def differing(record: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Name the first simple field of ``record`` that has another value in ``row``; empty if there is none."""
    shared = [name for name, value in record.items() if name in row and not isinstance(value, list | dict)]
    if not shared:
        raise ValueError(f"a row has nothing of its record: {sorted(row)}, {sorted(record)}")
    return next((name for name in shared if _simple(record[name]) != _simple(row[name])), "")


def audit(truth: Truth, folder: Path) -> Verdict:
    """Compare every stream of the export in ``folder`` with the account."""
    verdict = Verdict()
    wanted = dict(_truths(truth))
    for stream, unit in UNITS.items():
        found: dict[str, list[dict[str, Any]]] = {}
        for row in read_stream(folder, stream):
            found.setdefault(row[unit], []).append(row)
        for rows in found.values():
            rows.sort(key=lambda row: row.get("index", 0))
        verdict.compare(stream, {name: records for name, records in wanted[stream].items() if records}, found)
    return verdict


def _truths(truth: Truth) -> Iterator[tuple[str, dict[str, Records]]]:
    rows = {row["conversation_id"]: row for row in truth.conversations()}
    deals = {deal["deal_id"]: deal for deal in truth.deals()}
    yield "conversations", {name: [row | truth.detail(name)] for name, row in rows.items()}
    yield "transcripts", {name: _said(truth.interactions(name)) for name in rows}
    yield "scorecards", {name: truth.scorecards(name) for name in rows}
    yield "comments", {name: [_comment(comment) for comment in truth.comments(name)] for name in rows}
    yield "deals", {name: [deal] for name, deal in deals.items()}
    yield "deal_activities", {name: truth.activities(name) for name in deals}


def _said(speakers: Iterable[Mapping[str, Any]]) -> Records:
    said = [{"email": speaker["email"], **item} for speaker in speakers for item in speaker.get("transcripts", ())]
    return sorted(said, key=lambda item: int(item["item_id"]))


def _comment(comment: Any) -> dict[str, Any]:
    return {"comment_id": comment.comment_id, "id": comment.comment_id, "comment": comment.text}


def _content(row: Mapping[str, Any]) -> str:
    """Write a row without its place and its run, which differ where a row is there twice."""
    return repr({name: value for name, value in row.items() if name not in ("index", "_run")})


def _simple(value: Any) -> Any:
    """Write a value as both sides would: an empty text is nothing, and a number is one number."""
    if value in ("", None):
        return None
    if isinstance(value, bool | int | float):
        return float(value)
    text = str(value)
    return text.removesuffix("T00:00:00Z")
