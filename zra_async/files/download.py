"""A recording on its way to a file: beside its place until it is whole, then there in one step."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

from zra_async.errors import CallError, InvalidArgument, TargetExists
from zra_async.files.chunk_writer import ChunkWriter
from zra_async.files.names import safe_name
from zra_async.files.progress import Meter
from zra_async.files.recording_stream import Changed, RecordingInfo, RecordingStream
from zra_async.osfiles.locks import open_locked
from zra_async.osfiles.paths import StrPath, as_path, regular_file, shown
from zra_async.osfiles.replace import put_in_place
from zra_async.osfiles.threads import to_thread

_MOST_CHANGES = 3
_ROOM = 180  #: bytes of the name that a partial file may share with its target


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadedRecording:
    """A recording on this machine. `reused` of its `size` bytes were there from an earlier, interrupted run."""

    path: Path
    size: int
    name: str  #: what the service calls it
    reused: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a download: a folder, in which it gets a safe form of its own name, or exactly this path."""

    folder: Path
    name: str  #: "" stands for the recording's own
    overwrite: bool

    def place(self, info: RecordingInfo, fallback: str) -> Path:
        """Return where the finished file goes. Raises `TargetExists`, and `InvalidArgument` for what is no file.

        A link is neither followed nor replaced: who put it there may not be who downloads.
        """
        path = self.folder / (self.name or safe_name(info.name, fallback))
        try:
            real = regular_file(path)
        except OSError as problem:
            raise _unsuitable(path, str(problem.strerror)) from problem
        if not self.overwrite and os.path.lexists(path):
            raise _exists(path)
        if path.is_symlink():
            raise _unsuitable(path, f"it is a link, which is not followed; it leads to {real}")
        return path


def target_of(to: StrPath, overwrite: bool) -> Target:
    """Look at the place before anything is asked of the service. Raises `InvalidArgument` and `TargetExists`."""
    try:
        as_path(to)
        path = Path(os.fsdecode(to))
        if path.is_dir():
            return Target(path, "", overwrite)
        if os.fsdecode(to).endswith(os.sep) or not path.parent.is_dir():
            raise InvalidArgument(f"there is no folder for {path}")
    except OSError as problem:
        raise InvalidArgument(f"{shown(to)!r} cannot be downloaded to: {problem.strerror}") from problem
    target = Target(path.parent, path.name, overwrite)
    target.place(RecordingInfo("", None, "", ""), "")
    return target


async def save(stream: RecordingStream, target: Target, conversation_id: str, meter: Meter) -> DownloadedRecording:
    """Download the recording of ``stream`` to ``target``.

    The bytes go to a file beside it, whose name tells the version of the recording: a later call for the same version
    goes on with it. Raises `InUse` when another task or process does so now.
    """
    digest = hashlib.sha256(conversation_id.encode()).hexdigest()
    for _ in range(_MOST_CHANGES):
        info = await stream.start()
        path = await to_thread(target.place, info, f"recording-{digest[:12]}.mp4")
        try:
            return await _save_version(stream, info, path, target.overwrite, digest, meter)
        except Changed:
            stream.restart()
    raise stream.interrupted(Changed(f"the recording was replaced {_MOST_CHANGES} times while it was read"))


async def _save_version(
    stream: RecordingStream, info: RecordingInfo, path: Path, overwrite: bool, digest: str, meter: Meter
) -> DownloadedRecording:
    part = _part_path(path, f"{digest} {info.identity}")
    file = await to_thread(_open_part, part, path)
    fd = file.fileno()
    writer = ChunkWriter(fd)
    keep = bool(info.identity)  # without one nobody could tell what these bytes are the beginning of
    try:
        reused = await to_thread(_reusable, fd, info)
        stream.seek(reused)
        stream.part = part if keep else None
        meter.total = info.size
        meter.begin(1)
        meter.add(1, reused)
        await _copy(stream, writer, meter)
        await to_thread(_publish, part, path, overwrite)
        keep = True
        meter.finish(1, stream.position)
        return DownloadedRecording(path=path, size=stream.position, name=info.name, reused=reused)
    except Changed:
        keep = False
        raise
    finally:
        await writer.settle()
        if not keep:
            part.unlink(missing_ok=True)
        file.close()


async def _copy(stream: RecordingStream, writer: ChunkWriter, meter: Meter) -> None:
    try:
        while chunk := await stream.read():
            await writer.write(chunk)
            meter.add(1, len(chunk))
    except CallError:
        await writer.flush()  # what has arrived need not come again
        raise
    await writer.flush()


def _part_path(path: Path, version: str) -> Path:
    shared = path.name.encode()[:_ROOM].decode(errors="ignore")
    return path.with_name(f"{shared}.{hashlib.sha256(version.encode()).hexdigest()[:12]}.part")


def _open_part(part: Path, path: Path) -> io.FileIO:
    # a file and not its descriptor, which would stay open and locked for a caller that is cancelled meanwhile
    while (file := io.FileIO(open_locked(part, 0o666, f"the download to {path}"), "r+")) and _is_shared(file):
        # it is a finished recording as well, of a process that was killed before it removed this name
        part.unlink()
        file.close()
    return file


def _is_shared(file: io.FileIO) -> bool:
    return os.fstat(file.fileno()).st_nlink > 1


def _reusable(fd: int, info: RecordingInfo) -> int:
    """Return the number of reusable bytes of an earlier run; the file is positioned behind them."""
    size = os.fstat(fd).st_size
    if not info.identity or info.size is None or size > info.size:
        os.ftruncate(fd, 0)
        size = 0
    return os.lseek(fd, size, os.SEEK_SET)


def _publish(part: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        put_in_place(part, path, durable=False)
        return
    try:
        path.hardlink_to(part)  # unlike a rename this never replaces what somebody else has put there meanwhile
    except FileExistsError:
        raise _exists(path) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise _exists(path) from None
        part.replace(path)
    else:
        part.unlink()


def _unsuitable(path: Path, why: str) -> InvalidArgument:
    return InvalidArgument(f"{path} cannot be downloaded to: {why}; give another path, or read `open_recording`")


def _exists(path: Path) -> TargetExists:
    return TargetExists(f"{path} is there already: give another path, or overwrite=True")
