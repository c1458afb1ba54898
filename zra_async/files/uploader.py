"""Upload one file, in a single request or in parts, and resume from a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from zra_async import errors
from zra_async.api.files import operations as api
from zra_async.core.events import logger
from zra_async.core.operation import Host, Label
from zra_async.core.pipeline import CallOptions
from zra_async.files.attachments import check_source
from zra_async.files.body import PartBody
from zra_async.files.caller import FileCaller
from zra_async.files.journal import JournalFile
from zra_async.files.multipart import MultipartUpload, UploadSession
from zra_async.files.plan import plan_parts
from zra_async.files.progress import Meter
from zra_async.files.source import UploadSource, fingerprint
from zra_async.files.upload import SOURCES, UploadArguments, UploadedFile
from zra_async.osfiles.threads import to_thread
from zra_async.results.uploads import Fingerprint, Part, UploadState

if TYPE_CHECKING:
    from zra_async.session import Session


class FileUploader:
    """Carries the files of one client, which share its slots."""

    def __init__(self, session: Session, options: CallOptions) -> None:
        self._session = session
        # a large part on a slow line takes as long as it takes: silence is what ends it, not time
        self._options = CallOptions(timeout=None, lane=options.lane, retry=options.retry)
        self._small: api.FileOperations | None = None

    async def upload(self, content: UploadSource, wanted: UploadArguments, log: JournalFile | None) -> UploadedFile:
        """Upload ``content`` in the way that suits its size, or go on with what the journal says."""
        state = await loaded(log)
        if state is not None:
            _demand_same_request(state, wanted, log)
        warnings = await _checked(content, wanted)
        done = await self._upload_source(content, wanted, log, state)
        return msgspec.structs.replace(done, warnings=warnings) if warnings else done

    async def _upload_source(
        self, content: UploadSource, wanted: UploadArguments, log: JournalFile | None, state: UploadState | None
    ) -> UploadedFile:
        if wanted.in_parts(content.size, self._session.config.transfers.single_upload_limit):
            return await self.in_parts(content, wanted, log, state)
        return await self._at_once(content, wanted, log, state)

    async def in_parts(
        self, content: UploadSource, wanted: UploadArguments, log: JournalFile | None, state: UploadState | None
    ) -> UploadedFile:
        """Upload ``content`` in parts; those of ``state`` are there already."""
        stamp = await to_thread(fingerprint, content)
        if state is None:
            state = self._new_state(content, wanted, stamp, self._part_size(content.size, wanted.part_size))
        _demand_same_file(state, stamp)
        tools = UploadSession(
            raw=self._raw(),
            source=content,
            journal=log,
            meter=Meter(content.size, state.parts_total, wanted.on_progress),
            slots=self._session.uploads,
            concurrency=wanted.concurrency or self._session.config.transfers.upload_concurrency,
            observe=self._session.observe,
            clock=self._session.clock,
        )
        if state.upload_context and not state.file_id:
            await self._session.service_time()  # whether the service still knows the upload depends on its clock
        upload = MultipartUpload(state, tools)
        done = await upload.run()
        return UploadedFile(
            file_id=done.file_id,
            file_name=done.file_name,
            size=content.size,
            parts=done.parts_total,
            reused=upload.reused,
            restarted=upload.restarted,
        )

    async def _at_once(
        self, content: UploadSource, wanted: UploadArguments, log: JournalFile | None, state: UploadState | None
    ) -> UploadedFile:
        if log is not None:
            stamp = await to_thread(fingerprint, content)
            state = state or self._new_state(content, wanted, stamp, content.size)
            _demand_same_file(state, stamp)
            if state.file_id:
                return UploadedFile(file_id=state.file_id, file_name=wanted.name, size=content.size, reused=1)
        file_id = await self._single(content, wanted)
        if log is not None and state is not None:
            await to_thread(log.save, msgspec.structs.replace(state, file_id=file_id))
        return UploadedFile(file_id=file_id, file_name=wanted.name, size=content.size)

    def _new_state(
        self, content: UploadSource, wanted: UploadArguments, stamp: Fingerprint, part_size: int
    ) -> UploadState:
        return UploadState(
            file_name=wanted.name,
            main_file_id=wanted.main_file_id,
            path=_path_of(content),
            fingerprint=stamp,
            part_size=part_size,
            created=self._session.clock.now(),
        )

    async def _single(self, content: UploadSource, wanted: UploadArguments) -> str:
        changed = content.mtime_ns()
        meter = Meter(content.size, 1, wanted.on_progress)
        whole = Part(1, 0, content.size)
        body = PartBody(content, whole, on_attempt=lambda: meter.begin(1), on_sent=lambda size: meter.add(1, size))
        async with self._session.uploads:
            answer = await self._shared().upload_single(
                body,
                file_name=wanted.name,
                main_file_id=wanted.main_file_id or UNSET,
                source=UNSET if wanted.source_system is None else SOURCES[wanted.source_system],
            )
        if not answer.file_id:
            raise errors.UnexpectedAnswer("files.upload", "the answer has no file_id", status=201)
        if content.mtime_ns() != changed:
            raise errors.SourceChanged(f"{wanted.name!r} was changed while it was uploaded: upload it again")
        meter.finish(1, content.size)
        return answer.file_id

    def _shared(self) -> api.FileOperations:
        # small files would be sent twice each if every upload had to learn anew where the public host sends it
        if self._small is None:
            self._small = self._raw()
        return self._small

    def _raw(self) -> api.FileOperations:
        return api.FileOperations(FileCaller(self._session, self._options, self._session.base(Host.FILE)))

    def _part_size(self, size: int, wanted: int | None) -> int:
        limits = self._session.limits.snapshot().get(Label.MULTIPART)
        budget = None if limits is None else limits.per_day
        return plan_parts(size, part_size=wanted, daily_budget=budget)[0].size


async def _checked(content: UploadSource, wanted: UploadArguments) -> tuple[str, ...]:
    """Look at an attachment before it is sent, and log what is wrong with it."""
    if not wanted.main_file_id:
        return ()
    warnings = await to_thread(check_source, content, wanted.name, wanted.source_system)
    for text in warnings:
        logger.warning("files.upload: %s", text)
    return warnings


async def loaded(log: JournalFile | None) -> UploadState | None:
    """Return the state in a journal, None without one."""
    return None if log is None else await to_thread(log.load)


def _path_of(content: UploadSource) -> str:
    try:
        content.path.encode()
    except UnicodeEncodeError:
        return ""  # its bytes are no text, which a journal holds nothing but
    return content.path


def _demand_same_request(state: UploadState, wanted: UploadArguments, log: JournalFile | None) -> None:
    different = [
        name
        for name, before, now in (
            ("file_name", state.file_name, wanted.name),
            ("main_file_id", state.main_file_id, wanted.main_file_id),
            ("part_size", state.part_size, wanted.part_size or state.part_size),
        )
        if before != now
    ]
    if different:
        where = log.path if log else "the journal"
        raise errors.InvalidArgument(f"{where} belongs to an upload with another {' and '.join(different)}")


def _demand_same_file(state: UploadState, now: Fingerprint) -> None:
    before = state.fingerprint
    different = [
        what
        for what, same in (
            ("size", before.size == now.size),
            ("time of change", before.mtime_ns == now.mtime_ns),
            ("content", before.sample == now.sample),
        )
        if not same
    ]
    if different:
        raise errors.SourceChanged(
            f"{state.file_name!r} has another {' and '.join(different)} than when its upload was begun on "
            f"{state.created:%Y-%m-%d}: remove the journal to upload it as it is now"
        )
