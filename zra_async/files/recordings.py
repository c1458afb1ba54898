"""``zra.conversations`` with the recordings themselves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from zra_async.api.conversations import operations as api
from zra_async.api.resource import Caller
from zra_async.core.operation import Host
from zra_async.core.pipeline import CallOptions
from zra_async.files.download import DownloadedRecording, save, target_of
from zra_async.files.progress import Meter, OnProgress
from zra_async.files.recording_link import RecordingLink
from zra_async.files.recording_stream import RecordingStream
from zra_async.osfiles.paths import StrPath
from zra_async.osfiles.threads import to_thread

if TYPE_CHECKING:
    from zra_async.session import Session


class Conversations(api.ConversationOperations):
    """``zra.conversations``: list, add, read and delete conversations, read what they hold, and get the recordings."""

    def __init__(self, caller: Caller, session: Session, options: CallOptions) -> None:
        super().__init__(caller)
        self._session = session
        self._options = options

    async def download_recording(
        self,
        conversation_id: str,
        *,
        to: StrPath,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
    ) -> DownloadedRecording:
        """Download the recording of a conversation to a file and return where it is.

        ``to`` is a path, or a folder, in which the file gets the recording's own name in a form that is safe on any
        system. Until it is complete the file has another name beside it that ends in ``.part``; a connection that
        breaks, or a later call after a failure, goes on from there, if the service still has the same recording.
        ``on_progress`` is called in the event loop with a `Progress`. There is no limit in time but for silence.

        Only a regular file is replaced: `InvalidArgument` is raised for a link, a pipe or a device.

        Raises `NoRecording`, `TargetExists` where there is a file already and ``overwrite`` is false, `InUse`,
        `LinkRefused`, `UnsafeRedirect` when the link leads out of the trusted hosts, `DownloadInterrupted`, OSError
        when the file cannot be written, and the errors of `get`. Label LIGHT for each link that is needed,
        ``GET /zra/conversations/{conversationId}``.
        """
        meter = Meter(None, 1, on_progress)  # which refuses an async function before anything is sent
        target = await to_thread(target_of, to, overwrite)
        async with self.open_recording(conversation_id) as stream:
            return await save(stream, target, conversation_id, meter)

    @contextlib.asynccontextmanager
    async def open_recording(self, conversation_id: str) -> AsyncGenerator[RecordingStream]:
        """Read the recording of a conversation as it comes.

            async with zra.conversations.open_recording(conversation_id) as recording:
                async for chunk in recording:
                    ...

        A connection that breaks is made anew where it broke. Chunks are of any size up to some hundred KiB. Raises
        the errors of `download_recording` that have nothing to do with its file.
        """

        async def fresh() -> str | None:
            return await self.download_link(conversation_id)

        session = self._session
        trusted, now = session.config.hosts.trusted, session.clock.now
        link = RecordingLink(session, fresh, origin=session.base(Host.API), trusted=trusted, now=now)
        async with session.downloads:
            stream = RecordingStream(link, self._options.retry or session.config.retry)
            try:
                await stream.start()
                yield stream
            finally:
                stream.close()
