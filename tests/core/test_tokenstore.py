"""The file of a refresh token: found behind links, proven writable before it is needed, and never half written."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.clients import client_of, get
from tests.core.server import Server
from tests.core.test_user_oauth import SEED, Zoom, renew, user
from tests.osfiles.children import NOBODY, needs_mounts, needs_root, public_folder, python
from zra_async import FileTokenStore, errors
from zra_async.core.secret import Secret

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links, modes and mounts of Unix")

#: load the token at argv[1], print it, store argv[2], and print what is stored then
RENEW = """
import asyncio, sys
from zra_async import FileTokenStore, errors
from zra_async.core.secret import Secret

async def main():
    store = FileTokenStore(sys.argv[1])
    try:
        async with store.lock():
            print(str(await store.load()))
            await store.save(Secret(sys.argv[2]))
        print(str(await store.load()))
    except errors.TokenError as problem:
        print("refused:", problem)

asyncio.run(main())
"""


@pytest.fixture
def zoom() -> Zoom:
    """An account whose refresh token is the seed."""
    return Zoom()


@pytest.fixture
async def server(zoom: Zoom) -> AsyncIterator[Server]:
    """It on a socket."""
    async with Server(otherwise=zoom) as server:
        yield server


async def stored(path: Path, token: str) -> None:
    """Store a token as a renewal does."""
    store = FileTokenStore(path)
    async with store.lock():
        await store.save(Secret(token))


# --------------------------------------------------------------------------- links


@pytest.mark.parametrize("text", ["real/token", "{folder}/real/token", "second", "real/../real/token"])
async def test_a_link_stays_a_link(server: Server, zoom: Zoom, tmp_path: Path, text: str) -> None:
    """Two processes that know one token by two links both have the newest one after either has renewed it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "token").write_text(SEED)
    (tmp_path / "second").symlink_to("real/token")
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to(text.format(folder=tmp_path))
    for path in (first, second, first):
        async with client_of(server, user(store=FileTokenStore(path))) as zra:
            assert (await get(zra)).name == "fine"
    assert first.is_symlink()
    assert second.is_symlink()
    assert (tmp_path / "real" / "token").read_text() == zoom.current == "refresh-number-3-9b"
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["token", "token.lock"]


async def test_a_link_to_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    """The first token is stored where the link leads, and the link stays."""
    link = tmp_path / "link"
    link.symlink_to("folder/token")
    await stored(link, "refresh-number-1")
    assert link.is_symlink()
    assert (tmp_path / "folder" / "token").read_text() == "refresh-number-1"


async def test_a_folder_that_is_a_link(tmp_path: Path) -> None:
    """Stores whose folders are links share one lock."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    store = FileTokenStore(tmp_path / "link" / "token")
    async with store.lock():
        other = asyncio.create_task(stored(tmp_path / "real" / "token", "refresh-number-2"))
        done, _ = await asyncio.wait({other}, timeout=0.02)
        assert not done
        await store.save(Secret("refresh-number-1"))
    await other
    assert await store.load() == "refresh-number-2"


async def test_hard_links_stay_together(tmp_path: Path) -> None:
    """Both names of one file show the new token, and it is still one file; the lock keeps users of both in turn."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("refresh-number-1-which-is-longer")
    second.hardlink_to(first)
    store = FileTokenStore(first)
    async with store.lock():
        other = asyncio.create_task(stored(second, "refresh-number-3"))
        done, _ = await asyncio.wait({other}, timeout=0.02)
        assert not done
        await store.save(Secret("refresh-number-2"))
        assert second.read_text().strip() == "refresh-number-2"
    await other
    assert first.samefile(second)
    assert first.read_text() == second.read_text() == "refresh-number-3"


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "loop", "descriptor", "not a token"])
async def test_what_is_no_file_of_a_token(server: Server, zoom: Zoom, tmp_path: Path, kind: str) -> None:
    """It is refused before anything is sent, and stays as it is."""
    path, content = tmp_path / "token", b"\x89PNG\n" * 20_000
    opened = []
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "socket":
            os.mknod(path, 0o600 | stat.S_IFSOCK)
        case "loop":
            path.symlink_to("token")
        case "descriptor":
            opened = [os.open(tmp_path / "open", os.O_CREAT | os.O_RDWR)]
            path = Path(f"/proc/self/fd/{opened[0]}")
        case _:
            path.write_bytes(content)
    before = path.lstat()
    async with client_of(server, user(refresh_token=SEED, store=FileTokenStore(path))) as zra:
        with pytest.raises(errors.TokenError, match=r"the token store .* cannot be"):
            await get(zra)
    assert zoom.granted == []
    after = path.lstat()
    assert (after.st_ino, after.st_mode, after.st_size, after.st_mtime_ns) == (
        before.st_ino,
        before.st_mode,
        before.st_size,
        before.st_mtime_ns,
    )
    assert kind != "not a token" or path.read_bytes() == content
    for fd in opened:
        os.close(fd)


# --------------------------------------------------------------------------- proven writable


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
@pytest.mark.parametrize("call", ["fsync", "posix_fallocate", "replace"])
async def test_a_disk_that_takes_nothing(
    server: Server, zoom: Zoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: int, call: str
) -> None:
    """The old token is not spent while a new one could not be stored, and all goes on when the disk has room again."""
    path = tmp_path / "token"
    path.write_text(SEED)

    def full(*arguments: Any) -> None:
        raise OSError(problem, os.strerror(problem))

    async with client_of(server, user(store=FileTokenStore(path))) as zra:
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(errors.TokenError, match=r"cannot be written: .*the stored token was not used"):
                await get(zra)
        assert zoom.granted == []
        assert path.read_text() == SEED
        assert sorted(file.name for file in tmp_path.iterdir()) == ["token", "token.lock"]
        assert (await get(zra)).name == "fine"
    assert path.read_text() == zoom.current


async def test_a_disk_that_fills_up_while_the_endpoint_is_asked(
    server: Server, zoom: Zoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room for the new token is reserved before the old one is sent: nothing has to be allocated afterwards."""
    path = tmp_path / "token"
    path.write_text(SEED)
    allocated: list[tuple[int, int]] = []
    real = os.posix_fallocate

    def note(fd: int, offset: int, size: int) -> None:
        allocated.append((len(zoom.granted), size))
        real(fd, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", note)
    async with client_of(server, user(store=FileTokenStore(path))) as zra:
        await get(zra)
    assert allocated == [(0, 16 * 1024)]
    assert path.read_text() == zoom.current


@needs_mounts
def test_a_full_disk(tmp_path: Path) -> None:
    """On a file system without room the store is refused, with the token as it was."""
    (tmp_path / "small").mkdir()
    fill = 'mount -t tmpfs -o size=64k tmpfs "$1"; printf old > "$1/token"; head -c 64k /dev/zero > "$1/rest" || true'
    printed = python(
        RENEW.replace("sys.argv[1]", "sys.argv[1] + '/token'") + "\nprint(open(sys.argv[1] + '/token').read())",
        tmp_path / "small",
        "refresh-number-1",
        mounts=fill,
    )
    refused, content = printed.splitlines()
    assert "cannot be written: No space left on device; the stored token was not used" in refused
    assert content == "old"


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """A limit on the size of files, like a quota, is found before the token is spent."""
    (tmp_path / "token").write_text("refresh-number-1")
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n" + RENEW
    assert "cannot be written: File too large; the stored token was not used" in python(
        code, tmp_path / "token", "refresh-number-2"
    )
    assert (tmp_path / "token").read_text() == "refresh-number-1"


@needs_root
def test_a_folder_that_cannot_be_written() -> None:
    """A file that is writable in a folder that is not is overwritten; one that is not either is refused unspent."""
    with public_folder() as folder:
        path = folder / "token"
        path.write_text("refresh-number-1")
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o600)
        printed = python(RENEW, path, "refresh-number-2", as_nobody=True)
        assert printed.split() == ["refresh-number-1", "refresh-number-2"]
        assert path.read_text() == "refresh-number-2"
        assert path.stat().st_uid == NOBODY
        assert [file.name for file in folder.iterdir()] == ["token"]
        path.chmod(0o400)
        assert "the stored token was not used" in python(RENEW, path, "refresh-number-3", as_nobody=True)
        missing = folder / "other"
        assert "cannot be locked: Permission denied" in python(RENEW, missing, "refresh-number-3", as_nobody=True)
        assert path.read_text() == "refresh-number-2"


@needs_root
def test_the_owner_of_a_token_stays_its_owner(tmp_path: Path) -> None:
    """A renewal by root leaves the file to the user whose it is, who would otherwise be signed out."""
    path = tmp_path / "token"
    path.write_text("refresh-number-1")
    os.chown(path, NOBODY, NOBODY)
    python(RENEW, path, "refresh-number-2")
    assert (path.stat().st_uid, path.read_text()) == (NOBODY, "refresh-number-2")


@needs_mounts
def test_a_file_that_is_mounted(tmp_path: Path) -> None:
    """A single file that a container is given is overwritten in place, with one lock for both of its names."""
    (tmp_path / "token").write_text("refresh-number-1-which-is-longer")
    (tmp_path / "container").mkdir()
    (tmp_path / "container" / "token").touch()
    code = RENEW + (
        "\nasync def both():\n"
        "    async with FileTokenStore(sys.argv[1]).lock():\n"
        "        other = asyncio.create_task(FileTokenStore(sys.argv[3]).lock().__aenter__())\n"
        "        done, _ = await asyncio.wait({other}, timeout=0.05)\n"
        "        print(len(done))\n"
        "        other.cancel()\n"
        "asyncio.run(both())"
    )
    printed = python(
        code,
        tmp_path / "container" / "token",
        "refresh-number-2",
        tmp_path / "token",
        mounts='mount --bind "$3" "$1"',
    )
    assert printed.split() == ["refresh-number-1-which-is-longer", "refresh-number-2", "0"]
    assert (tmp_path / "token").read_text() == "refresh-number-2"


@pytest.mark.parametrize("problem", [errno.EBUSY, errno.EXDEV])
async def test_a_file_that_cannot_be_renamed_over(
    server: Server, zoom: Zoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: int
) -> None:
    """Where no name can be replaced, the token is written into the file that is there, and brought to the disk."""
    path = tmp_path / "token"
    path.write_text(SEED)
    inode = path.stat().st_ino

    def refuse(*arguments: Any) -> None:
        raise OSError(problem, os.strerror(problem))

    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(os, "fsync", lambda fd: (real(fd), synced.append(os.fstat(fd).st_ino))[0])
    async with client_of(server, user(store=FileTokenStore(path))) as zra:
        await get(zra)
        await renew(zra)
    assert path.stat().st_ino == inode
    assert inode in synced
    assert path.read_text() == zoom.current == "refresh-number-2-9b"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["token", "token.lock"]


async def test_a_refused_token_leaves_the_file_as_it_was(server: Server, tmp_path: Path) -> None:
    """What was reserved in a file that is overwritten in place is removed when no new token comes."""
    path = tmp_path / "token"
    path.write_text("revoked-refresh-1")
    (tmp_path / "name").hardlink_to(path)
    async with client_of(server, user(store=FileTokenStore(path))) as zra:
        with pytest.raises(errors.TokenError, match="sign in again"):
            await get(zra)
    assert path.read_text() == "revoked-refresh-1"


#: fork a process for each moment that ends there, and print the token that it leaves
KILLED = """
import os, sys
from pathlib import Path
from zra_async.core.auth import token_file
path = Path(sys.argv[1])

def counted(call):
    def wrapped(*arguments):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return call(*arguments)
    return wrapped

for name in ("write", "fsync", "replace", "ftruncate", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
for moment in range(40):
    left, new, before = moment, f"the-new-token-{moment}", path.read_text().strip()
    if (pid := os.fork()) == 0:
        file = token_file.lock_token(path)
        file.prepare()
        file.write(token_file.Secret(new))
        file.close()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    token = path.read_text().strip()
    print("new" if token == new else "old" if token == before else "neither: " + token, flush=True)
    if code == 0:
        print("ended")
        break
"""


@pytest.mark.parametrize("names", [1, 2])
def test_a_killed_process_leaves_a_token(tmp_path: Path, names: int) -> None:
    """A process that ends between any two of its writes leaves either the old token or the new one."""
    path = tmp_path / "token"
    path.write_text("the-old-token-" * 30)
    if names == 2:
        (tmp_path / "other").hardlink_to(path)
    *seen, last = python(KILLED, path).splitlines()
    assert last == "ended"
    assert set(seen) == {"new", "old"}
    assert {file.name for file in tmp_path.iterdir()} <= {"token", "token.lock", "other"}
