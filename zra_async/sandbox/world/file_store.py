"""The state of the file host: single uploads, multipart contexts with their parts, and what became of them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.world.downloads import Content, Downloads
from zra_async.sandbox.world.stored import Kind, StoredFile, StoredPart, Upload, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiohttp import web

    from zra_async.sandbox.clock import Clock
    from zra_async.sandbox.options import Options
    from zra_async.sandbox.world.intake import Received

CONTEXT_LIFETIME = 7 * 86_400
COPY_SIZE = 1024 * 1024


class Files:
    """The files of the account. The public attributes are the host's rules, which a test may change at any time."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self.etag: Literal["md5", "opaque"] = "md5"
        self.complete_twice: Literal["same", "gone"] = "same"
        self.max_single = 2 * 1024**3  #: bytes of a single upload
        self.min_part = 5_000_000  #: bytes of every part but the last: 5 MB, read generously
        self.max_part = 100 * 1024**2  #: bytes of a part: 100 MB, read generously
        self._clock = clock
        self._keep = options.store_parts
        self._random = random.Random(f"{options.seed} files")
        self._directory: Path | None = None
        self._files: dict[str, StoredFile] = {}
        self._uploads: dict[str, Upload] = {}
        self._recordings: dict[str, str] = {}
        self._downloads = Downloads(clock, seed=options.seed, awkward=options.awkward)

    def find(self, file_id: str) -> StoredFile | None:
        """Give the complete file of this id."""
        return self._files.get(file_id)

    def all(self) -> Sequence[StoredFile]:
        """Give every complete file, in the order of completion."""
        return tuple(self._files.values())

    def upload(self, context: str) -> Upload | None:
        """Give the multipart upload of this context, unless it has expired."""
        upload = self._uploads.get(context)
        if upload and upload.expires <= self._clock.time() and not upload.lock.locked():
            del self._uploads[context]
            _unlink(upload.parts.values())
            return None
        return upload

    def uploads(self) -> Sequence[Upload]:
        """Give every multipart upload that has not expired, under way or completed."""
        return tuple(upload for context in tuple(self._uploads) if (upload := self.upload(context)))

    # Uploads

    def fresh_path(self) -> Path | None:
        """Say where arriving bytes are to be kept: None when they are to be dropped."""
        if not self._keep:
            return None
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="zra-sandbox-"))
        return self._directory / self._token(16)

    def store(self, name: str, received: Received, *, main_file_id: str | None, source: int) -> StoredFile:
        """Keep what a single upload brought."""
        kind = kind_of(name, multipart=False)
        self.check_order(kind, main_file_id)
        part = StoredPart(1, received.size, received.md5, received.sha256, received.md5)
        return self._add(
            StoredFile(
                file_id=self._token(16),
                name=name,
                kind=kind,
                size=received.size,
                sha256=received.sha256,
                parts=(part,),
                main_file_id=main_file_id,
                source=source,
                created=self._clock.now(),
                path=received.path,
            )
        )

    def create(self, name: str, main_file_id: str | None) -> Upload:
        """Open a multipart upload for seven days."""
        self.uploads()  # forgets those that have expired, and their bytes
        kind = kind_of(name, multipart=True)
        self.check_order(kind, main_file_id)
        context = f"{self._token(48)}.{self._token(48)}--"
        upload = Upload(context, name, kind, main_file_id, self._clock.time() + CONTEXT_LIFETIME)
        self._uploads[context] = upload
        return upload

    def require(self, context: str) -> Upload:
        """Give the upload of this context: 404/1005 where there is none or it has expired."""
        upload = self.upload(context)
        if upload is None:
            raise _gone(context)
        return upload

    async def add_part(self, context: str, number: int, received: Received) -> StoredPart:
        """Keep one part; a number that was there before is overwritten."""
        upload = self.require(context)
        async with upload.lock:
            if upload.file_id:
                raise _gone(context)
            before = upload.parts.get(number)
            upload.parts[number] = StoredPart(
                number=number,
                size=received.size,
                md5=received.md5,
                sha256=received.sha256,
                etag=received.md5 if self.etag == "md5" else self._token(16),
                times_received=before.times_received + 1 if before else 1,
                path=received.path,
            )
            _unlink([before] if before else [])
            return upload.parts[number]

    async def complete(self, context: str, etags: Sequence[tuple[int, str]]) -> StoredFile:
        """Make a file of the parts, which must all be named, in order, each with its etag."""
        upload = self.require(context)
        async with upload.lock:
            if upload.file_id:
                if self.complete_twice == "gone":
                    raise _gone(context)
                return self._files[upload.file_id]
            parts = self._check_parts(upload, etags)
            self.check_order(upload.kind, upload.main_file_id)
            stored = self._add(await self._assemble(upload, parts))
            upload.file_id = stored.file_id
            return stored

    def check_order(self, kind: Kind, main_file_id: str | None) -> None:
        """Hold the order main file, transcript, metadata: 400/300, or 404/1005 for an unknown main file."""
        if kind == "main":
            if main_file_id:
                raise ApiError(400, 300, "Invalid File type.")
            return
        if not main_file_id:
            raise ApiError(400, 300, "Missing field: main_file_id")
        main = self._files.get(main_file_id)
        if main is None or main.kind != "main":
            raise ApiError(404, 1005, f"File ID does not exist: {main_file_id}.")
        if kind == "transcript" and any(self._files[other].kind == "metadata" for other in main.attachments):
            raise ApiError(400, 300, "The transcript file must be uploaded before the metadata file.")

    def _check_parts(self, upload: Upload, etags: Sequence[tuple[int, str]]) -> list[StoredPart]:
        parts = [upload.parts[number] for number in sorted(upload.parts)]
        without_gap = [part.number for part in parts] == list(range(1, len(parts) + 1))
        if not parts or not without_gap or [(part.number, part.etag) for part in parts] != list(etags):
            raise ApiError(400, 300, "Invalid part number etags.")
        if any(part.size < self.min_part for part in parts[:-1]):
            raise ApiError(400, 300, "Each part must be at least 5 MB in size, except the last part.")
        return parts

    async def _assemble(self, upload: Upload, parts: list[StoredPart]) -> StoredFile:
        path = self.fresh_path()
        digest = parts[0].sha256 if len(parts) == 1 else None
        if path:
            digest = await asyncio.to_thread(_join, [part.path for part in parts if part.path], path)
        return StoredFile(
            file_id=self._token(16),
            name=upload.name,
            kind=upload.kind,
            size=sum(part.size for part in parts),
            sha256=digest,
            parts=tuple(replace(part, path=None) for part in parts),
            main_file_id=upload.main_file_id,
            source=1,
            created=self._clock.now(),
            path=path,
        )

    def _add(self, stored: StoredFile) -> StoredFile:
        self._files[stored.file_id] = stored
        if stored.main_file_id:
            main = self._files[stored.main_file_id]
            self._files[main.file_id] = replace(main, attachments=(*main.attachments, stored.file_id))
        return stored

    def _token(self, size: int) -> str:
        return base64.urlsafe_b64encode(self._random.randbytes(size)).decode().rstrip("=")

    # Downloads

    @property
    def base_url(self) -> str:
        """The address under which `routes` are served; set by the server."""
        return self._downloads.base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        """Say where links begin."""
        self._downloads.base_url = url.rstrip("/")

    def bind(self, conversation_id: str, file_id: str) -> None:
        """Let this file be the recording of a conversation; it is downloaded as it came in where it was kept."""
        self._recordings[conversation_id] = file_id

    def transcript_of(self, file_id: str) -> Path | None:
        """Give the place of the transcript that was uploaded for a file, if its bytes were kept."""
        main = self._files.get(file_id)
        attached = [self._files[other] for other in main.attachments] if main else []
        return next((stored.path for stored in reversed(attached) if stored.kind == "transcript"), None)

    def content(self, conversation_id: str) -> Content:
        """Give the recording of a conversation exactly as a download does."""
        stored = self._files.get(self._recordings.get(conversation_id, ""))
        if stored and stored.path and stored.sha256:
            return Content(stored.name, stored.size, stored.sha256[:32], path=stored.path)
        return self._downloads.generated(conversation_id)

    def download_link(self, conversation_id: str) -> str:
        """Sign an address of the recording that is good for one hour of the clock."""
        return self._downloads.link(conversation_id)

    def routes(self) -> list[web.RouteDef]:
        """Serve the links, with Range support and without a token."""
        return self._downloads.routes(self.content)

    async def close(self) -> None:
        """Remove the kept bytes."""
        if self._directory:
            directory, self._directory = self._directory, None
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _gone(context: str) -> ApiError:
    return ApiError(404, 1005, f"Upload context {context} not exist.")


def _unlink(parts: Iterable[StoredPart]) -> None:
    for part in parts:
        if part.path:
            part.path.unlink(missing_ok=True)


def _join(sources: Sequence[Path], target: Path) -> str:
    """Move the parts into one file, one after the other, and hash them on the way."""
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for source in sources:
            with source.open("rb") as part:
                while chunk := part.read(COPY_SIZE):
                    digest.update(chunk)
                    joined.write(chunk)
            source.unlink()
    return digest.hexdigest()
