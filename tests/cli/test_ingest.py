"""``zra ingest``: checked before anything is sent, each item once, and what the ledger knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from zra_async import ZRAClient, errors
from zra_async.bulk import IngestReport, ItemOutcome
from zra_async.bulk.reports import attach


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Three small recordings, ready to be sent."""
    lines: list[dict[str, str]] = []
    for number in range(1, 4):
        (tmp_path / f"{number}.mp4").write_bytes(b"\0" * 1000 * number)
        lines.append(
            {
                "key": f"call-{number}",
                "recording": f"{number}.mp4",
                "conversation_type": "phone",
                "meeting_start_time": f"2025-11-0{number}T10:00:00Z",
                "conversation_topic": f"Call {number}",
            }
        )
    path = tmp_path / "calls.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def spoil(manifest: Path, **fields: str) -> None:
    """Add a row that cannot be sent."""
    manifest.write_text(manifest.read_text() + json.dumps(fields) + "\n")


def test_a_bad_row_stops_everything_before_it_begins(invoke: Invoke, manifest: Path) -> None:
    """Every bad row is told with its line, nothing is sent, no account is needed, and the code is 2."""
    spoil(manifest, key="call-1", recording="nowhere.mp4")
    spoil(manifest, key="call-9")
    for check in ([], ["--check"]):
        ended = invoke("ingest", str(manifest), *check)
        assert ended.code == 2
        assert [line.split(": ")[0] for line in ended.err.splitlines()] == [f"{manifest}:4", f"{manifest}:5"]
        assert "2 bad rows: nothing was sent" in ended.out
    assert not manifest.with_name("calls.jsonl.ledger").exists()


def test_a_good_manifest_can_be_checked_without_an_account(invoke: Invoke, manifest: Path) -> None:
    """``--check`` counts items, files and bytes, and sends nothing."""
    ended = invoke("ingest", str(manifest), "--check", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert {name: ended.rows[0][name] for name in ("items", "files", "bytes", "bad")} == {
        "items": 3,
        "files": 3,
        "bytes": 6000,
        "bad": 0,
    }


def test_what_the_service_would_ignore_is_a_warning(served: Invoke, manifest: Path) -> None:
    """A transcript that is not JSON, and a timeline beside it, are told by the check and by the run; all is sent."""
    (manifest.parent / "odd.transcript.json").write_text("hello")
    line = json.loads(manifest.read_text().splitlines()[0]) | {"key": "odd", "transcript": "odd.transcript.json"}
    line["conversation_topic"] = "Odd"
    line["timeline"] = [{"start_time_in_recording": "00:00:01.000", "participants": [{"display_name": "Bob"}]}]
    manifest.write_text(json.dumps(line) + "\n")
    checked = served("ingest", str(manifest), "--check")
    assert (checked.code, checked.out.count("all can be sent, 2 warnings")) == (0, 1)
    assert [row.split(": ")[:2] for row in checked.err.splitlines()] == [[f"{manifest}:1", "warning"]] * 2
    sent = served("ingest", str(manifest), "-q", "--json")
    assert (sent.code, sent.rows[0]["counts"]) == (0, {"added": 1})
    assert {key for key, _ in sent.rows[0]["warnings"]} == {"odd"}
    assert sent.err.count("odd: warning: ") == 2


def test_items_are_sent_once(served: Invoke, manifest: Path) -> None:
    """A second run skips what the first has done; the ledger tells."""
    first = served("ingest", str(manifest), "-q", "--json")
    assert (first.code, first.rows[0]["counts"]) == (0, {"added": 3})
    again = served("ingest", str(manifest), "-q", "--json")
    assert (again.code, again.rows[0]["counts"]) == (0, {"skipped": 3})
    added = [row for row in served("list", "conversations").rows if row["conversation_topic"].startswith("Call ")]
    assert len(added) == 3
    status = served("ingest", str(manifest), "--status")
    assert status.out.splitlines()[0].split() == ["done", "3"]


def test_an_item_that_is_refused_makes_it_partial(served: Invoke, manifest: Path) -> None:
    """What the service refuses is told with its key and how to try again, and the code is 3."""
    line = {"key": "cloud", "user_id": "nobody", "meeting_uuid": "x=="}
    manifest.write_text(manifest.read_text() + json.dumps(line) + "\n")
    ended = served("ingest", str(manifest), "-q", "--json")
    assert ended.code == 3
    assert ended.rows[0]["counts"] == {"added": 3, "failed": 1}
    assert ended.err.startswith("cloud: failed: ")
    assert "--retry-failed" in ended.err


def test_the_embedded_account_leaves_no_ledger(invoke: Invoke, manifest: Path) -> None:
    """What was done on an account that is gone must not count as done on a real one."""
    before = sorted(manifest.parent.iterdir())
    ended = invoke("ingest", str(manifest), "--sandbox", "--sandbox-conversations", "1", "-q")
    assert ended.code == 0
    assert sorted(manifest.parent.iterdir()) == before


def test_without_a_ledger_there_is_no_status(invoke: Invoke, manifest: Path) -> None:
    """Nothing to show is an error, not an empty answer."""
    ended = invoke("ingest", str(manifest), "--status")
    assert (ended.code, ended.out) == (1, "")
    assert "there is no ledger at" in ended.err


def test_an_error_that_ends_the_run_comes_with_the_report(
    invoke: Invoke, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done until then is told and reported, and the exit code is that of the error."""

    async def refused(*_: object, **__: object) -> IngestReport:
        error = errors.AuthenticationFailed("conversations.add", status=401)
        left = ItemOutcome("call-2", "interrupted", reason="the ingest ended before")
        attach(error, IngestReport(counts={"added": 1, "interrupted": 1}, problems=(left,), stopped="refused"))
        raise error

    monkeypatch.setattr(ZRAClient, "ingest", refused)
    ended = invoke("ingest", str(manifest), "--sandbox", "--json")
    assert ended.code == 4
    assert ended.rows[0]["counts"] == {"added": 1, "interrupted": 1}
    assert "call-2: interrupted: the ingest ended before" in ended.err
    assert "error: " in ended.err
