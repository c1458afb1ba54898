"""Paths in every form, good and bad, given to every public function that takes one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from zra_async import FileTokenStore, ZRAClient
from zra_async.bulk import IngestItem, check_manifest, ingest_status, read_stream, to_parquet
from zra_async.core.secret import Secret
from zra_async.errors import NoRecording, ZRAError
from zra_async.sandbox import Sandbox

STAGES = [
    {"stage_name": "Open"},
    {"stage_name": "Won", "stage_type": "CLOSED_WON"},
    {"stage_name": "Lost", "stage_type": "CLOSED_LOST"},
]
FIELDS = {"conversation_type": "meeting", "meeting_start_time": "2026-03-01T10:00:00Z"}


class BytesPath:
    """A path object that gives bytes, as `os.PathLike` permits."""

    def __init__(self, path: str) -> None:
        self._path = os.fsencode(path)

    def __fspath__(self) -> bytes:
        return self._path


async def _upload(zra: ZRAClient, path: Any) -> object:
    return await zra.files.upload(path, file_name="call.mp4")


async def _journal(zra: ZRAClient, path: Any) -> object:
    return await zra.files.upload(b"x" * 100, file_name="call.mp4", journal=path)


async def _resume(zra: ZRAClient, path: Any) -> object:
    return await zra.files.resume(path)


async def _download(zra: ZRAClient, path: Any) -> object:
    async for conversation in zra.conversations.list():
        with contextlib.suppress(NoRecording):
            return await zra.conversations.download_recording(conversation.conversation_id or "", to=path)
    raise AssertionError("no conversation has a recording")


async def _export(zra: ZRAClient, path: Any) -> object:
    return await zra.export(path, streams="indicators")


async def _ledger(zra: ZRAClient, path: Any) -> object:
    return await zra.ingest([], ledger=path)


async def _recording(zra: ZRAClient, path: Any, ledger: Path) -> object:
    item = IngestItem(key="a", recording=path, file_name="call.mp4", conversation=FIELDS)
    report = await zra.ingest([item], ledger=ledger)
    assert sum(report.counts.values()) == 1
    return report


async def _transcript(zra: ZRAClient, path: Any, ledger: Path) -> object:
    item = IngestItem(key="a", recording=b"x", file_name="call.mp4", transcript=path, conversation=FIELDS)
    report = await zra.ingest([item], ledger=ledger)
    assert sum(report.counts.values()) == 1
    return report


async def _import(zra: ZRAClient, path: Any) -> object:
    return await zra.crm.import_all(accounts=path)


async def _import_ledger(zra: ZRAClient, path: Any) -> object:
    return await zra.crm.import_all(leads=[], ledger=path)


async def _failed_to(zra: ZRAClient, path: Any) -> object:
    return await zra.crm.import_all(leads=[], failed_to=path)


async def _manifest(_: ZRAClient, path: Any) -> object:
    return await check_manifest(path)


async def _status(_: ZRAClient, path: Any) -> object:
    return await ingest_status(path)


async def _read(_: ZRAClient, path: Any) -> object:
    return list(read_stream(path, "conversations"))


async def _parquet(_: ZRAClient, path: Any) -> object:
    return await to_parquet(path)


async def _token(_: ZRAClient, path: Any) -> object:
    store = FileTokenStore(path)
    async with store.lock():
        await store.save(Secret("token"))
        return await store.load()


Use = Callable[..., Awaitable[object]]
USES: list[Use] = [
    _upload,
    _journal,
    _resume,
    _download,
    _export,
    _ledger,
    _import,
    _import_ledger,
    _failed_to,
    _manifest,
    _status,
    _read,
    _parquet,
    _token,
]
ITEMS: list[Use] = [_recording, _transcript]
BAD: dict[str, Any] = {
    "empty": "",
    "empty bytes": BytesPath(""),
    "a null character": "a\0b",
    "a long name": "n" * 300,
    "a long path": "/".join(["folder"] * 1000),
    "below a file": f"{__file__}/x.jsonl",
    "an endless link": "loop",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder with a link that leads to itself."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path in BAD.items()])
@pytest.mark.parametrize("use", [*USES, *ITEMS], ids=lambda use: use.__name__[1:])
async def test_a_path_that_cannot_be_used_is_told(use: Use, path: Any, here: Path) -> None:
    """A path that cannot be used is an error of the library with a text, or the failure of its item."""
    async with Sandbox(conversations=3) as sandbox, sandbox.client() as zra:
        await zra.crm.register(crm_type="oracle", deal_stages=STAGES)
        more = [here / "ledger"] if use in ITEMS else []
        try:
            report: Any = await use(zra, path, *more)
        except ZRAError as problem:
            assert str(problem)
        else:
            assert use in ITEMS
            assert report.counts.get("failed") == 1


@pytest.mark.parametrize("path", [3.5, object(), ["a"]], ids=["float", "object", "list"])
@pytest.mark.parametrize("use", [use for use in USES if use is not _import], ids=lambda use: use.__name__[1:])
async def test_what_is_no_path_is_refused(use: Use, path: Any, here: Path) -> None:
    """A value of another type is an error of the library."""
    async with Sandbox(conversations=3) as sandbox, sandbox.client() as zra:
        await zra.crm.register(crm_type="oracle", deal_stages=STAGES)
        with pytest.raises(ZRAError):
            await use(zra, path)


@pytest.mark.parametrize("form", [str, os.fsencode, BytesPath, Path])
async def test_every_form_of_a_path_works(form: Callable[[str], Any], here: Path) -> None:
    """A path may be text, bytes or a path object that gives either; bytes to upload are content."""
    (here / "call.mp4").write_bytes(b"video")
    (here / "m.jsonl").write_text('{"key": "a", "user_id": "me", "meeting_uuid": "u"}\n')
    (here / "accounts.jsonl").write_text("")
    async with Sandbox(conversations=3) as sandbox, sandbox.client() as zra:
        await zra.crm.register(crm_type="oracle", deal_stages=STAGES)
        for use, name in [
            (_journal, "journal"),
            (_download, "x.mp4"),
            (_export, "export"),
            (_read, "export"),
            (_ledger, "ledger"),
            (_status, "ledger"),
            (_import_ledger, "crm"),
            (_failed_to, "failed.jsonl"),
            (_manifest, "m.jsonl"),
            (_token, "token"),
        ]:
            await use(zra, form(name))
        if form is not os.fsencode:
            await _upload(zra, form("call.mp4"))
            await _recording(zra, form("call.mp4"), here / "items")
            await _import(zra, form("accounts.jsonl"))
