"""Outputs that are no regular files: written to or refused, and never replaced."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from tests.osfiles.children import needs_mounts, python
from zra_async.osfiles.output import Output, open_output
from zra_async.osfiles.paths import Unsuitable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and devices of Unix")


async def written(path: object, *pieces: bytes) -> None:
    """Write to an output and finish it."""
    output = open_output(path)  # type: ignore[arg-type]
    for piece in pieces:
        await output.write(piece)
    await output.finish()


async def test_a_file_appears_as_a_whole(tmp_path: Path) -> None:
    """What was there stays until the output is finished, and after one that is closed before."""
    path = tmp_path / "out"
    path.write_bytes(b"old")
    path.chmod(0o640)
    output = open_output(path)
    await output.write(b"new")
    assert path.read_bytes() == b"old"
    output.close()
    assert path.read_bytes() == b"old"
    await written(path, b"n", b"ew")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("exists", [True, False])
async def test_a_link_stays_a_link(tmp_path: Path, exists: bool) -> None:
    """The file that it leads to is written, also where it is not there yet."""
    (tmp_path / "folder").mkdir()
    if exists:
        (tmp_path / "folder" / "out").write_bytes(b"old")
    (tmp_path / "link").symlink_to("second")
    (tmp_path / "second").symlink_to("folder/out")
    await written(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert (tmp_path / "folder" / "out").read_bytes() == b"new"


async def test_a_pipe_gets_all_of_it(tmp_path: Path) -> None:
    """More than a pipe holds comes through while its reader is slow, and the pipe is still one."""
    pipe, content = tmp_path / "pipe", os.urandom(300_000)
    os.mkfifo(pipe)
    with pytest.raises(Unsuitable, match="start its reader first"):
        open_output(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    writing = asyncio.create_task(written(pipe, content))
    got = b""
    while len(got) < len(content):
        await asyncio.sleep(0)
        got += await asyncio.to_thread(os.read, reader, 50_000)
    await writing
    os.close(reader)
    assert got == content
    assert stat.S_ISFIFO(pipe.stat().st_mode)


async def test_a_reader_that_stops_does_not_hold_up_a_cancellation(tmp_path: Path) -> None:
    """A full pipe is waited for, and the wait can be cancelled; a reader that is gone is an error."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    output = open_output(pipe)
    writing = asyncio.create_task(output.write(b"x" * 1_000_000))
    done, _ = await asyncio.wait({writing}, timeout=0.05)
    assert not done
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        await output.write(b"x")
    output.close()


async def test_a_descriptor_is_written_where_it_stands(tmp_path: Path) -> None:
    """An output such as /dev/stdout goes on where the process has written, in the file that it is redirected to."""
    path = tmp_path / "out"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"before ")
    (tmp_path / "link").symlink_to(f"/proc/self/fd/{fd}")
    await written(f"/dev/fd/{fd}", b"middle ")
    await written(tmp_path / "link", b"end ")
    os.write(fd, b"after")
    os.close(fd)
    assert path.read_bytes() == b"before middle end after"
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("kind", ["folder", "socket", "other process", "loop", "missing folder", "empty"])
async def test_what_cannot_be_an_output(tmp_path: Path, kind: str) -> None:
    """It is refused with a reason, and nothing is made."""
    path: Path | str = tmp_path / "out"
    match kind:
        case "folder":
            (tmp_path / "out").mkdir()
        case "socket":
            os.mknod(path, 0o600 | stat.S_IFSOCK)
        case "other process":
            path = f"/proc/{os.getppid()}/fd/1"
        case "loop":
            (tmp_path / "out").symlink_to("out")
        case "missing folder":
            path = tmp_path / "missing" / "out"
        case _:
            path = ""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError) as caught:  # noqa: PT011
        open_output(path)
    assert caught.value.strerror
    assert sorted(tmp_path.iterdir()) == before


#: write "new" to the output argv[1], and print what is read from argv[2]
WRITE = """
import asyncio, sys
from zra_async.osfiles.output import open_output
async def main():
    output = open_output(sys.argv[1])
    await output.write(b"new")
    await output.finish()
asyncio.run(main())
print(open(sys.argv[2]).read())
"""


@needs_mounts
def test_a_file_that_is_mounted(tmp_path: Path) -> None:
    """It cannot be replaced, so it is overwritten, and nothing is left beside it."""
    (tmp_path / "real").write_text("the old content")
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "out").touch()
    paths = (tmp_path / "place" / "out", tmp_path / "real")
    assert python(WRITE, *paths, mounts='mount --bind "$2" "$1"').strip() == "new"
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["out"]


@needs_mounts
def test_a_device_stays_a_device(tmp_path: Path) -> None:
    """A device node of our own, like /dev/null, takes what is written, and is not replaced."""
    place = tmp_path / "null"
    mounts = 'mount -t tmpfs -o dev tmpfs "$2"; mknod "$2/null" c 1 3'
    code = WRITE.replace("print(open(sys.argv[2]).read())", "import os\nprint(os.stat(sys.argv[1]).st_rdev)")
    (tmp_path / "dev").mkdir()
    assert python(code, tmp_path / "dev" / "null", tmp_path / "dev", mounts=mounts).strip() == str(os.makedev(1, 3))
    assert not place.exists()


async def test_what_is_left_of_a_killed_process_is_reused(tmp_path: Path) -> None:
    """A temporary file that nobody has open is removed; one in use, a link, a pipe or a second name is left alone."""
    path, leftover = tmp_path / "out", tmp_path / "out.tmp"
    leftover.write_bytes(b"half")
    await written(path, b"new")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out"]
    first = open_output(path)
    await first.write(b"first")
    await written(path, b"second")
    assert path.read_bytes() == b"second"
    await first.finish()
    assert path.read_bytes() == b"first"
    (tmp_path / "victim").write_bytes(b"precious")
    makes = [
        lambda: leftover.symlink_to("victim"),
        lambda: os.mkfifo(leftover),
        lambda: leftover.hardlink_to(tmp_path / "victim"),
        leftover.mkdir,
    ]
    for make in makes:
        make()
        before = leftover.lstat()
        await written(path, b"new")
        assert os.path.samestat(before, leftover.lstat())
        leftover.rmdir() if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()
    assert (tmp_path / "victim").read_bytes() == b"precious"


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EPERM])
async def test_a_name_that_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Where a rename is not possible the file is overwritten in place; another failure leaves the old content."""
    path = tmp_path / "out"
    path.write_bytes(b"the old content")

    def refuse(problem: int) -> object:
        def replace(*_: object) -> None:
            raise OSError(problem, os.strerror(problem))

        return replace

    monkeypatch.setattr(os, "replace", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        await written(path, b"new")
    assert path.read_bytes() == b"the old content"
    monkeypatch.setattr(os, "replace", refuse(number))
    await written(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_outputs_are_of_one_kind() -> None:
    """Whoever writes need not know what is behind an output."""
    assert {name for name in vars(Output) if not name.startswith("_")} == {"write", "finish", "close"}
