"""Results as plain JSON values: what a web framework that knows nothing of msgspec can give out."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.bulk.ingest.data import video
from tests.bulk.ingest.service import run, service
from zra_async import api
from zra_async.api.conversations.models import Participant
from zra_async.api.crm.records import AccountRecord
from zra_async.api.schema import Model, Record
from zra_async.bulk import ingest_status
from zra_async.models import Conversation
from zra_async.sandbox import Sandbox
from zra_async.webhooks import ConversationAnalysisCompletedEvent, ConversationSource

MODELS = sorted(
    {
        thing
        for module in pkgutil.walk_packages(api.__path__, "zra_async.api.")
        for thing in vars(importlib.import_module(module.name)).values()
        if inspect.isclass(thing) and issubclass(thing, (Model, Record)) and thing not in (Model, Record)
    },
    key=lambda thing: thing.__name__,
)


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_every_model_has_it(kind: type[Any]) -> None:
    """No field of any model hides the method."""
    assert callable(kind.to_dict)
    assert "to_dict" not in kind.__struct_fields__


def test_times_and_odd_values_become_texts() -> None:
    """Times are ISO 8601, enums their text, also one that is not known, and what is not sent is not there."""
    at = datetime(2025, 1, 31, 9, tzinfo=UTC)
    assert (
        Conversation(conversation_id="a", meeting_start_time=at).to_dict()["meeting_start_time"]
        == "2025-01-31T09:00:00Z"
    )
    event = ConversationAnalysisCompletedEvent(name="x", happened_at=at, source=ConversationSource("NEW"))
    assert (event.to_dict()["source"], event.to_dict()["type"]) == ("NEW", "conversation_analysis_completed")
    assert Participant(display_name="Ann").to_dict() == {"display_name": "Ann"}
    assert AccountRecord.delete("A").to_dict() == {"crm_account_id": "A", "deletion": True}


async def test_every_list_can_be_given_out() -> None:
    """What the sandbox answers comes out as JSON, the same by ``to_dict`` and by msgspec's encoder."""
    async with Sandbox(conversations=5) as sandbox, sandbox.client() as zra:
        page = await zra.conversations.list()
        detail = await zra.conversations.get(page.items[0].conversation_id)
        deals = await zra.deals.list()
    for one in (*page.items, detail, *deals.items):
        assert json.loads(json.dumps(one.to_dict())) == one.to_dict() == json.loads(msgspec.json.encode(one))
    assert page.to_dict()["items"] == [one.to_dict() for one in page.items]
    assert json.loads(msgspec.json.encode(page.items)) == page.to_dict()["items"]


async def test_reports_can_be_given_out(tmp_path: Path) -> None:
    """The result of a job, its status, and that of an upload, with their paths and times."""
    async with service() as (_, zra):
        report = await run(zra, [video()], tmp_path / "ledger")
        stored = await zra.files.upload_recording(b"video", b"{}", file_name="a.mp4")
        exported = await zra.export(tmp_path / "out", streams="conversations")
    assert report.to_dict()["counts"] == {"added": 1}
    assert stored.to_dict()["transcript"]["file_name"] == "transcript.json"
    assert exported.to_dict()["folder"] == str(tmp_path / "out")
    assert (await ingest_status(tmp_path / "ledger")).to_dict()["counts"] == {"done": 1}
    for one in (report, stored, exported):
        json.dumps(one.to_dict())
