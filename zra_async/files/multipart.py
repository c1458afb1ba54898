"""One upload in parts, from its creation to its completion."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import UNSET
from msgspec.structs import replace

from zra_async import errors
from zra_async.api.files import operations as api
from zra_async.api.files.models import PartNumberEtag
from zra_async.core.clock import ServiceClock, moment_of
from zra_async.core.events import Observer, PartDone
from zra_async.core.secret import Secret
from zra_async.core.tasks import Tasks, shielded
from zra_async.files.body import PartBody
from zra_async.files.journal import JournalFile
from zra_async.files.progress import Meter
from zra_async.files.source import UploadSource, md5_of
from zra_async.osfiles.threads import to_thread
from zra_async.results.uploads import Part, StoredPart, UploadState

logger: logging.Logger = logging.getLogger("zra_async")
_NAME = "files.upload"
_MD5 = re.compile(r"[0-9a-f]{32}")
_MOST_ROUNDS = 3  #: how often a part that arrives damaged is sent

EXPIRED = "the upload was begun more than 7 days ago"
FORGOTTEN = "the service no longer knew the upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSession:
    """The context of one upload: its calls, its source, and what it shares with other uploads of its client."""

    raw: api.FileOperations
    source: UploadSource
    journal: JournalFile | None
    meter: Meter
    slots: asyncio.Semaphore
    concurrency: int
    observe: Observer
    clock: ServiceClock


class MultipartUpload:
    """Carries an upload from ``state`` to its end; `state` is always what is certain.

    `restarted` says why it was begun anew, if it was; `reused` is how many parts an earlier run had stored.
    """

    def __init__(self, state: UploadState, tools: UploadSession) -> None:
        self.state: UploadState = state
        self.restarted: str = ""
        self.reused: int = 0
        self._tools = tools
        self._resumed = bool(state.upload_context)
        self._saving = asyncio.Lock()
        self._saved: UploadState | None = state if self._resumed else None

    async def run(self) -> UploadState:
        """Do whatever is left to do. Raises `UploadInterrupted`, or the error of a creation that was refused."""
        if self.state.file_id:
            self.reused = len(self.state.parts)
            return self.state
        # one whose completion is in doubt may be a file by now: that is asked, and not sent again
        if self.state.expired(self._tools.clock.now()) and not self.state.completing:
            self._restart(EXPIRED)
        if not self.state.upload_context:
            await self._create()
        try:
            try:
                await self._finish()
            except errors.NotFound:
                if not self._resumed or self.state.completing:
                    raise
                self._restart(FORGOTTEN)
                await self._create()
                await self._finish()
        except (errors.UploadInterrupted, errors.SourceError):
            await self._keep()
            raise
        except (errors.ZRAError, OSError) as reason:
            await self._keep()
            raise self._interrupted(reason) from reason
        except (Exception, asyncio.CancelledError):
            await self._keep()
            raise
        return self.state

    async def _keep(self) -> None:
        """Write down the parts that were stored while the journal was busy, whatever stopped the others."""
        with contextlib.suppress(errors.JournalError):  # what stopped the upload is what is told
            await shielded(self._save(self.state))

    def _interrupted(
        self, reason: BaseException, kind: type[errors.UploadInterrupted] = errors.UploadInterrupted
    ) -> errors.UploadInterrupted:
        journal = self._tools.journal
        return kind(_NAME, state=self.state, reason=reason, journal=journal.path if journal else None)

    def _restart(self, reason: str) -> None:
        logger.info("%s of %r starts again: %s", _NAME, self.state.file_name, reason)
        self.restarted = reason
        self.state = replace(self.state, upload_context="", parts=())
        self._tools.meter.reset()

    async def _create(self) -> None:
        clock = self._tools.clock
        sent = clock.monotonic()
        event = await self._tools.raw.create_multipart_upload(self.state.file_name, self.state.main_file_id or UNSET)
        if not event.upload_context:
            raise errors.UnexpectedAnswer(_NAME, "the answer has no upload_context", status=201)
        self._resumed = False
        begun = moment_of(clock.at(sent))  # the answer has told the service's time, if nothing had before
        await self._save(replace(self.state, upload_context=event.upload_context, created=begun, parts=()))

    async def _finish(self) -> None:
        meter = self._tools.meter
        missing = {part.number for part in self.state.missing}
        for part in self.state.plan:
            if part.number not in missing:
                meter.finish(part.number, part.size)
        self.reused = len(self.state.parts)
        await self._send(self.state.missing)
        for _ in range(_MOST_ROUNDS - 1):
            damaged = damaged_parts(self.state)
            if not damaged:
                break
            await self._send_again(damaged)
        else:
            if damaged_parts(self.state):
                raise errors.UnexpectedAnswer(_NAME, "a part was damaged on its way, however often sent", status=201)
        await self._complete()

    async def _send_again(self, numbers: frozenset[int]) -> None:
        logger.info("%s: parts %s arrived damaged and are sent again", _NAME, sorted(numbers))
        await self._save(replace(self.state, parts=tuple(p for p in self.state.parts if p.number not in numbers)))
        missing = self.state.missing
        for part in missing:
            self._tools.meter.undo(part.number, part.size)
        await self._send(missing)

    async def _send(self, parts: Iterable[Part]) -> None:
        waiting = deque(parts)
        async with Tasks() as tasks:
            for _ in range(min(self._tools.concurrency, len(waiting))):
                tasks.start(self._work, waiting)

    async def _work(self, waiting: deque[Part]) -> None:
        while waiting:
            async with self._tools.slots:
                if not waiting:
                    return
                part = waiting.popleft()
                began = time.monotonic()
                stored = await self._store(part)
            await self._save(replace(self.state, parts=(*self.state.parts, stored)))
            self._tools.meter.finish(part.number, part.size)
            self._tools.observe(PartDone(part.number, part.size, time.monotonic() - began))

    async def _store(self, part: Part) -> StoredPart:
        tools, number = self._tools, part.number
        body = PartBody(
            tools.source,
            part,
            on_attempt=lambda: tools.meter.begin(number),
            on_sent=lambda size: tools.meter.add(number, size),
        )
        answer = await tools.raw.upload_part(body, upload_context=self._context(), part_number=number)
        receipt = answer.part_number_etag
        etag = receipt.etag if receipt else None
        if not etag:
            raise errors.UnexpectedAnswer(_NAME, f"the answer to part {number} has no etag", status=201)
        md5 = ""
        if looks_like_md5(etag):
            md5 = await to_thread(md5_of, tools.source, part.offset, part.size)
        return StoredPart(number=number, etag=etag, md5=md5)

    def _context(self) -> Secret:
        return Secret(self.state.upload_context)  # with a token, others could add to the upload by it

    async def _save(self, state: UploadState) -> None:
        """Take over ``state``, and return once the journal has it, or one that came after it."""
        self.state = state
        journal = self._tools.journal
        if journal is None:
            return
        async with self._saving:
            if self._saved is not self.state:
                saving = self.state
                await to_thread(journal.save, saving)
                self._saved = saving

    async def _complete(self) -> None:
        if self._tools.source.mtime_ns() != self.state.fingerprint.mtime_ns:
            raise errors.SourceChanged(f"{self.state.file_name!r} was changed while it was uploaded")
        in_doubt = self.state.completing
        etags = [PartNumberEtag(part_number=part.number, etag=part.etag) for part in self.state.parts]
        await self._save(replace(self.state, completing=True))
        for second in (False, True):
            try:
                event = await self._tools.raw.complete_multipart_upload(self._context(), etags)
                break
            except errors.AmbiguousWrite as lost:
                if second:
                    raise self._interrupted(lost, errors.UploadUncertain) from lost
                in_doubt = True
            except errors.UnexpectedAnswer:
                raise  # a success that cannot be read is one: `completing` stays, and the next run asks for the file
            except errors.CallError as reason:
                if not in_doubt:
                    await self._save(replace(self.state, completing=False))
                elif isinstance(reason, (errors.NotFound, errors.BadRequest)):
                    # A refusal of something new would mean "not done"; after a completion it can mean "done already".
                    raise self._interrupted(reason, errors.UploadUncertain) from reason
                raise
        else:
            raise AssertionError("unreachable")
        if not event.file_id:
            raise errors.UnexpectedAnswer(_NAME, "the answer to the completion has no file_id", status=201)
        await self._save(replace(self.state, completing=False, file_id=event.file_id))


def looks_like_md5(etag: str) -> bool:
    """Return True if an etag may be the md5 of its part; some services give 32 digits of something else."""
    return _MD5.fullmatch(etag.strip('"').lower()) is not None


def damaged_parts(state: UploadState) -> frozenset[int]:
    """The parts whose etag is not their md5, if the etags of this service are md5s at all.

    They are when a single one of them is right, since that does not happen by chance.
    """
    checked = [part for part in state.parts if part.md5]
    wrong = frozenset(part.number for part in checked if part.etag.strip('"').lower() != part.md5)
    return wrong if len(wrong) < len(checked) else frozenset()
