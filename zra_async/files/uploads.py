"""``zra.files``: whole files on their way to the service, besides the raw operations."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

from zra_async import errors
from zra_async.api.arguments import check_text
from zra_async.api.files import operations as api
from zra_async.api.resource import Caller
from zra_async.core.pipeline import CallOptions
from zra_async.files.journal import JournalFile
from zra_async.files.names import CAPTIONS, check_upload_name
from zra_async.files.open_source import Uploadable, name_of, open_source
from zra_async.files.progress import OnProgress
from zra_async.files.source import UploadSource
from zra_async.files.upload import SourceSystem, UploadArguments, UploadedFile, UploadedRecording
from zra_async.files.uploader import FileUploader, loaded
from zra_async.osfiles.paths import StrPath
from zra_async.osfiles.threads import to_thread
from zra_async.results.uploads import UploadState

if TYPE_CHECKING:
    from zra_async.session import Session

PathLike = StrPath


class Files(api.FileOperations):
    """``zra.files``: upload recordings, transcripts and metadata of any size, and go on where an upload stopped.

    The main file first, then its transcript (``…transcript.json``), then its metadata (``…metadata.json``), the last
    two with the ``main_file_id`` that the first gave; `upload_recording` does all three. The methods named like the
    operations make one request each.
    """

    def __init__(self, caller: Caller, session: Session, options: CallOptions) -> None:
        super().__init__(caller)
        self._uploader = FileUploader(session, options)

    async def upload(
        self,
        source: Uploadable,
        *,
        file_name: str | None = None,
        main_file_id: str | None = None,
        source_system: SourceSystem | None = None,
        part_size: int | None = None,
        concurrency: int | None = None,
        on_progress: OnProgress | None = None,
        journal: PathLike | None = None,
        size: int | None = None,
    ) -> UploadedFile:
        """Upload a file of up to 10 GB (100 parts of 100 MB) and return its id.

        ``source`` is a path, a binary file object (from its position on), bytes, or an async iterator of bytes, which
        is spooled to disk; ``size`` is its length in bytes, if you know it and want it checked. ``file_name`` is by
        default that of the source: a video, or with ``main_file_id`` a transcript or metadata, whose origin
        ``source_system`` tells. Of these the service ignores what it cannot use, without a word: they are looked at
        before they are sent, and what is wrong is logged and stands in ``warnings`` of the result.

        Up to 100 MB go in one request, more (or any file with a ``part_size``, 5 MiB to 100 MB) in parts, of which
        ``concurrency`` are on their way at once, 4 by default and over all uploads of the client. ``journal`` is the
        path of a file that remembers which parts are stored: the same call, or `resume`, goes on from there within
        seven days, even after the process was killed. It stays when all is done, and gives the same id again. A file
        that goes in one request has nothing to go on with; its journal only remembers the id.

        ``on_progress`` is called in the event loop with a `Progress`. There is no limit in time but for silence: put
        ``asyncio.timeout`` around the call if you want one.

        Raises `InvalidArgument` for a source, name or size that the service does not take, `SourceError` when the
        source cannot be read or changes, `JournalError`, `InUse`, `UploadInterrupted` when the parts stop (with what
        to do), `AmbiguousWrite` when the answer to a single request is lost, and the errors of each call. Counted as
        FILES (one request) or MULTIPART (two more than parts).
        """
        wanted = UploadArguments(
            name=_name(source, file_name),
            main_file_id="" if main_file_id is None else check_text("main_file_id", main_file_id),
            source_system=source_system,
            part_size=part_size,
            concurrency=concurrency,
            on_progress=on_progress,
        )
        async with _journal(journal) as log, _source(source, wanted.name, size) as content:
            return await self._uploader.upload(content, wanted, log)

    async def resume(
        self,
        journal: PathLike | UploadState,
        *,
        source: Uploadable | None = None,
        concurrency: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> UploadedFile:
        """Go on with an upload whose journal, or ``UploadInterrupted.state``, is at hand, in this process or another.

        ``source`` is needed where the file was no path, or has moved since. Parts that are stored are not sent again.
        An upload that was begun more than seven days ago begins anew, and the result says so. Raises `SourceChanged`
        when the file is not the same any more, `InUse` when another process works with the journal, and the errors of
        `upload`. Counted as MULTIPART.
        """
        async with _journal(None if isinstance(journal, UploadState) else journal) as log:
            state = journal if isinstance(journal, UploadState) else await loaded(log)
            if state is None:
                raise errors.JournalError(f"there is no journal at {log.path if log else ''}")
            given = source if source is not None else state.path
            if not given:
                raise errors.InvalidArgument(f"give the source of {state.file_name!r}: its journal knows no path")
            wanted = UploadArguments(
                name=state.file_name,
                main_file_id=state.main_file_id,
                concurrency=concurrency,
                on_progress=on_progress,
            )
            async with _source(given, wanted.name, None) as content:
                return await self._uploader.in_parts(content, wanted, log, state)

    async def upload_recording(
        self,
        main: Uploadable,
        transcript: Uploadable | None = None,
        metadata: Uploadable | None = None,
        *,
        file_name: str | None = None,
        source_system: SourceSystem | None = None,
        part_size: int | None = None,
        concurrency: int | None = None,
        on_progress: OnProgress | None = None,
        journal: PathLike | None = None,
    ) -> UploadedRecording:
        """Upload a recording, then its transcript, then its metadata, in the order that the service wants.

        All of them are looked at before the first is sent. ``file_name`` and ``part_size`` are those of the main file;
        attachments without a name are called ``transcript.json`` and ``metadata.json``. ``journal`` is kept for the
        main file, and under the same path with ``.transcript`` and ``.metadata`` for the others, so that the same call
        goes on after a failure and sends nothing twice.

        Raises the errors of `upload`, and `PartlyDone` when the main file is stored and an attachment failed: ``done``
        holds the `UploadedFile` of each that is stored, ``failed`` and ``pending`` the names of the others.
        """
        given = {"transcript": transcript, "metadata": metadata}
        names = {kind: name_of(item) or f"{kind}.json" for kind, item in given.items() if item is not None}
        for kind, name in names.items():
            check_upload_name(name, attachment=True)
            if not name.casefold().endswith((f"{kind}.json", *([CAPTIONS] if kind == "transcript" else []))):
                raise errors.InvalidArgument(f"the {kind} must be called …{kind}.json, not {name!r}")
        first = UploadArguments(
            name=_name(main, file_name),
            part_size=part_size,
            concurrency=concurrency,
            on_progress=on_progress,
        )
        async with contextlib.AsyncExitStack() as stack:
            logs = {kind: await stack.enter_async_context(_journal(_beside(journal, kind))) for kind in ("", *names)}
            content = await stack.enter_async_context(_source(main, first.name, None))
            extra = {
                kind: await stack.enter_async_context(_source(item, names[kind], None))
                for kind, item in given.items()
                if item is not None
            }
            stored = [await self._uploader.upload(content, first, logs[""])]
            for kind, attachment in extra.items():
                wanted = UploadArguments(name=names[kind], main_file_id=stored[0].file_id, source_system=source_system)
                try:
                    stored.append(await self._uploader.upload(attachment, wanted, logs[kind]))
                except errors.ZRAError as reason:
                    later = list(names)[len(stored) :]
                    raise errors.PartlyDone(
                        "files.upload_recording", done=stored, failed=[kind], pending=later, cause=reason
                    ) from reason
        return UploadedRecording(main=stored[0], **dict(zip(names, stored[1:], strict=True)))


def _name(source: Uploadable, given: str | None) -> str:
    name = name_of(source) if given is None else given
    if not name.strip():
        raise errors.InvalidArgument("give a file_name: the source has no name of its own")
    return name


def _beside(journal: PathLike | None, kind: str) -> Path | None:
    if journal is None:
        return None
    path = Path(os.path.realpath(os.fsdecode(journal)))  # those of one journal lie together, whatever it is called by
    return path.with_name(f"{path.name}.{kind}") if kind else path


@contextlib.asynccontextmanager
async def _journal(path: PathLike | None) -> AsyncGenerator[JournalFile | None]:
    journal = None if path is None else await to_thread(JournalFile, path)
    try:
        yield journal
    finally:
        if journal is not None:
            journal.close()


@contextlib.asynccontextmanager
async def _source(given: Uploadable, name: str, size: int | None) -> AsyncGenerator[UploadSource]:
    source = await open_source(given, name=name, size=size)
    try:
        yield source
    finally:
        source.close()
