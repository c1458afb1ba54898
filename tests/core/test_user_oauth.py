"""Refresh tokens that change with every use: stored before anything else, never lost, renewed in turn."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core.clients import client_of, get
from tests.core.server import Behaviour, Seen, Server, answer, hang_up, token, when
from tests.leaks import Leaks
from zra_async import AuthorizationCode, FileTokenStore, MemoryTokenStore, UserOAuth, ZRAClient, errors
from zra_async.core.secret import Secret

SECRET = "client-secret-e01b44"
SEED = "refresh-seed-7720c1"
CODE = AuthorizationCode("auth-code-5d9e01", "https://app.test/back", "verifier-c0ffee-11")


class Zoom:
    """An endpoint that takes each refresh token once, and numbers what it grants."""

    def __init__(self) -> None:
        self.granted: list[Seen] = []
        self.current = SEED
        self.codes = {CODE.code}
        self.rotates = True
        self.trouble: list[Behaviour] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        """Answer one request."""
        if not seen.target.startswith("/oauth/token"):
            good = seen.bearer == f"access-for-{self.current}"
            return await answer(200 if good else 401, {"name": "fine", "code": 0 if good else 124})(seen, writer)
        self.granted.append(seen)
        if self.trouble:
            return await self.trouble.pop(0)(seen, writer)
        return await when(self.gate, self._grant(seen.form))(seen, writer)

    def _grant(self, form: dict[str, str]) -> Behaviour:
        if form["grant_type"] == "authorization_code":
            known = form["code"] in self.codes
            self.codes.discard(form["code"])
        else:
            known = form["refresh_token"] == self.current
        if not known:
            return answer(400, {"reason": "Invalid Token!", "error": "invalid_grant"})
        if self.rotates:
            self.current = f"refresh-number-{len(self.granted)}-9b"
        return token(f"access-for-{self.current}", refresh_token=self.current)


@pytest.fixture
def zoom() -> Zoom:
    """An account whose refresh token is the seed."""
    return Zoom()


@pytest.fixture
async def server(zoom: Zoom) -> AsyncIterator[Server]:
    """It on a socket."""
    async with Server(otherwise=zoom) as server:
        yield server


def user(**options: Any) -> UserOAuth:
    """A user-managed app."""
    return UserOAuth("client-1", SECRET, **options)


async def renew(zra: ZRAClient) -> None:
    """Make a call with a new token."""
    auth: Any = zra._session._auth
    auth.invalidate(auth._grant.header)
    await get(zra)


async def test_a_refresh_token_is_used_once(server: Server, zoom: Zoom) -> None:
    """Each renewal sends the token that the one before brought."""
    store = MemoryTokenStore()
    async with client_of(server, user(refresh_token=SEED, store=store)) as zra:
        await get(zra)
        await renew(zra)
        await renew(zra)
    sent = [seen.form for seen in zoom.granted]
    assert [form["grant_type"] for form in sent] == ["refresh_token"] * 3
    assert [form["refresh_token"] for form in sent] == [SEED, "refresh-number-1-9b", "refresh-number-2-9b"]
    assert await store.load() == zoom.current


async def test_the_new_refresh_token_is_stored_before_the_access_token_is_used(server: Server, zoom: Zoom) -> None:
    """When the first call with a new access token arrives, its refresh token is in the store already."""
    stored: list[tuple[str, int]] = []

    class Store(MemoryTokenStore):
        async def save(self, token: Secret) -> None:
            stored.append((str(token), len(server.seen)))
            await asyncio.sleep(0.01)
            await super().save(token)
            stored.append(("done", len(server.seen)))

    async with client_of(server, user(refresh_token=SEED, store=Store())) as zra:
        await get(zra)
    assert stored == [("refresh-number-1-9b", 1), ("done", 1)]
    assert len(server.seen) == 2


async def test_an_endpoint_that_does_not_rotate(server: Server, zoom: Zoom) -> None:
    """An answer without a refresh token leaves the old one in use."""
    zoom.rotates = False
    zoom.trouble = [token(f"access-for-{SEED}")]
    async with client_of(server, user(refresh_token=SEED)) as zra:
        await get(zra)
        await renew(zra)
    assert [seen.form["refresh_token"] for seen in zoom.granted] == [SEED, SEED]


async def test_the_store_comes_before_the_seed(server: Server, zoom: Zoom) -> None:
    """A refresh token that is passed again at the next start has been replaced long since."""
    store = MemoryTokenStore()
    await store.save(Secret("stored-refresh-0a1"))
    zoom.current = "stored-refresh-0a1"
    async with client_of(server, user(refresh_token=SEED, store=store)) as zra:
        await get(zra)
    assert [seen.form["refresh_token"] for seen in zoom.granted] == ["stored-refresh-0a1"]


async def test_an_empty_store(server: Server, zoom: Zoom) -> None:
    """Nothing stored and nothing given: the error says what to do, and nothing was asked."""
    async with client_of(server, user(store=MemoryTokenStore())) as zra:
        with pytest.raises(errors.TokenError, match="store is empty: sign in again"):
            await get(zra)
    assert zoom.granted == []


@pytest.mark.parametrize("options", [{}, {"refresh_token": ""}, {"refresh_token": " "}, {"refresh_token": "a\nb"}])
def test_a_user_without_anything(options: dict[str, Any]) -> None:
    """No token, no sign-in and no store, or a token that is none, is an error of the configuration."""
    with pytest.raises(errors.ConfigurationError):
        user(**options)


async def test_a_revoked_token(server: Server, zoom: Zoom) -> None:
    """The user must sign in again, and is told so."""
    async with client_of(server, user(refresh_token="revoked-refresh-1")) as zra:
        with pytest.raises(errors.TokenError, match=r"Invalid Token!.*sign in again") as caught:
            await get(zra)
    assert caught.value.status == 400


# --------------------------------------------------------------------------- signing in


async def test_a_sign_in(server: Server, zoom: Zoom) -> None:
    """The code is exchanged with its verifier, once; from then on the refresh token serves."""
    store = MemoryTokenStore()
    async with client_of(server, user(sign_in=CODE, store=store)) as zra:
        await get(zra)
        await renew(zra)
    assert zoom.granted[0].form == {
        "grant_type": "authorization_code",
        "code": CODE.code,
        "redirect_uri": CODE.redirect_uri,
        "code_verifier": CODE.code_verifier,
    }
    assert zoom.granted[1].form["grant_type"] == "refresh_token"
    assert await store.load() == zoom.current
    assert "code_verifier" not in AuthorizationCode("c", "r").form()


async def test_a_new_sign_in_replaces_a_dead_token(server: Server, zoom: Zoom) -> None:
    """Whoever was told to sign in again and did is not sent back to the token that failed."""
    store = MemoryTokenStore()
    await store.save(Secret("dead-refresh-0b2c"))
    async with client_of(server, user(sign_in=CODE, store=store)) as zra:
        assert (await get(zra)).name == "fine"
    assert len(zoom.granted) == 1
    assert await store.load() == zoom.current


async def test_a_code_that_was_used_before(server: Server, zoom: Zoom) -> None:
    """With a stored token the program starts all the same; without one it says to sign in again."""
    zoom.codes.clear()
    store = MemoryTokenStore()
    await store.save(Secret(SEED))
    async with client_of(server, user(sign_in=CODE, store=store)) as zra:
        assert (await get(zra)).name == "fine"
        await renew(zra)
    assert [seen.form["grant_type"] for seen in zoom.granted] == [
        "authorization_code",
        "refresh_token",
        "refresh_token",
    ]
    async with client_of(server, user(sign_in=CODE)) as zra:
        with pytest.raises(errors.TokenError, match="sign in again"):
            await get(zra)


async def test_a_code_survives_trouble(server: Server, zoom: Zoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the endpoint cannot be reached the code is not used up."""
    monkeypatch.setattr("zra_async.core.auth.endpoint._FETCH_PAUSE", 0.0)
    zoom.trouble = [hang_up] * 3
    async with client_of(server, user(sign_in=CODE)) as zra:
        with pytest.raises(errors.TokenError, match="cannot be reached"):
            await get(zra)
        assert (await get(zra)).name == "fine"


# --------------------------------------------------------------------------- nothing is lost


async def test_closing_the_client_does_not_lose_a_refresh_token(server: Server, zoom: Zoom) -> None:
    """The endpoint has changed the token and the answer is on its way when the client closes: it is stored."""
    store = MemoryTokenStore()
    zoom.gate.clear()
    async with client_of(server, user(refresh_token=SEED, store=store)) as zra:
        call = asyncio.create_task(get(zra))
        await server.requests(1)
        asyncio.get_running_loop().call_later(0.03, zoom.gate.set)
    with pytest.raises(errors.ClientNotOpen):
        await call
    assert await store.load() == zoom.current == "refresh-number-1-9b"


async def test_closing_the_client_does_not_wait_for_ever(
    server: Server, zoom: Zoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint that does not answer keeps a closing client only for a moment, and leaves no task."""
    monkeypatch.setattr("zra_async.core.auth.user_oauth._LAST_CALL", 0.02)
    zoom.gate.clear()
    before = asyncio.all_tasks()
    async with client_of(server, user(refresh_token=SEED)) as zra:
        call = asyncio.create_task(get(zra))
        await server.requests(1)
    with pytest.raises(errors.ClientNotOpen):
        await call
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert {task for task in left if "_connected" not in repr(task)} == set()


async def test_a_store_that_cannot_be_written(server: Server, zoom: Zoom) -> None:
    """The error is raised, the new token is kept in memory, and the next renewal uses and stores it."""

    class Store(MemoryTokenStore):
        full = True

        async def save(self, token: Secret) -> None:
            if self.full:
                raise errors.TokenError("the disk is full")
            await super().save(token)

    store = Store()
    async with client_of(server, user(refresh_token=SEED, store=store)) as zra:
        with pytest.raises(errors.TokenError, match="the disk is full"):
            await get(zra)
        store.full = False
        assert (await get(zra)).name == "fine"
    assert [seen.form["refresh_token"] for seen in zoom.granted] == [SEED, "refresh-number-1-9b"]
    assert await store.load() == zoom.current


async def test_two_processes_share_a_store(server: Server, zoom: Zoom, tmp_path: Path) -> None:
    """Each with a client of its own, they renew in turn: no refresh token is sent twice."""
    path = tmp_path / "token"
    async with (
        client_of(server, user(refresh_token=SEED, store=FileTokenStore(path))) as one,
        client_of(server, user(refresh_token=SEED, store=FileTokenStore(path))) as two,
    ):
        await asyncio.gather(one._session.authorization(), two._session.authorization())
    sent = [seen.form["refresh_token"] for seen in zoom.granted]
    assert sent == [SEED, "refresh-number-1-9b"]
    assert path.read_text() == zoom.current == "refresh-number-2-9b"


# --------------------------------------------------------------------------- stores


async def test_a_file_is_readable_by_its_owner_alone(tmp_path: Path, leaks: Leaks) -> None:
    """Mode 0600 for the token and for its lock, whatever was there before, and nothing else is left behind."""
    path = tmp_path / "new folder" / "token"
    store = FileTokenStore(path)
    async with store.lock():
        assert await store.load() is None
        await store.save(Secret("stored-refresh-1"))
        path.chmod(0o644)
        await store.save(Secret("stored-refresh-2"))
    assert await store.load() == "stored-refresh-2"
    assert await FileTokenStore(str(path)).load() == "stored-refresh-2"
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {
        "token": 0o600,
        "token.lock": 0o600,
    }
    assert "stored-refresh" not in repr(store)


async def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A folder in place of the file, and bytes that are no token, are a `TokenError` that names the path."""
    folder = FileTokenStore(tmp_path)
    with pytest.raises(errors.TokenError, match="cannot be read"):
        await folder.load()
    with pytest.raises(errors.TokenError, match="cannot be written"):
        await folder.save(Secret("stored-refresh-3"))
    path = tmp_path / "token"
    path.write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(errors.TokenError, match="cannot be read"):
        await FileTokenStore(path).load()
    path.write_text("  \n")
    assert await FileTokenStore(path).load() is None
    below = FileTokenStore(path / "token")
    with pytest.raises(errors.TokenError, match="cannot be locked"):
        async with below.lock():
            pass


@pytest.mark.parametrize("make", [MemoryTokenStore, None])
async def test_one_at_a_time(make: Any, tmp_path: Path) -> None:
    """Tasks that hold the lock never overlap; a cancelled one lets the next go."""
    store = make() if make else FileTokenStore(tmp_path / "token")
    inside, most = 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with store.lock():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.005)
            inside -= 1

    @asynccontextmanager
    async def held() -> AsyncGenerator[None, None]:
        async with store.lock():
            yield

    async with held():
        waiting = asyncio.create_task(work())
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await asyncio.gather(*(work() for _ in range(5)))
    assert most == 1


async def test_a_cancelled_wait_leaves_no_lock_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock file that a thread has yet to open is closed, although nobody waits for it any more."""
    opening, may_open, opened = threading.Event(), threading.Event(), list[int]()
    real = os.open

    def slow(*arguments: Any) -> int:
        opening.set()
        may_open.wait()
        opened.append(real(*arguments))
        return opened[-1]

    store = FileTokenStore(tmp_path / "token")
    monkeypatch.setattr(os, "open", slow)
    task = asyncio.create_task(store.lock().__aenter__())
    await asyncio.to_thread(opening.wait)
    task.cancel()
    await asyncio.sleep(0)
    may_open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert opened
    assert not any(map(_is_open, opened))


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="locks by flock")
async def test_another_process_keeps_us_out(tmp_path: Path) -> None:
    """While another process holds the lock of the file we wait; when it dies we go on."""
    path = tmp_path / "token"
    program = (
        "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX);"
        " print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-S", "-c", program, f"{path}.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout is not None
        assert await asyncio.to_thread(other.stdout.readline) == b"held\n"
        store = FileTokenStore(path)

        async def locked() -> bool:
            async with store.lock():
                return True

        waiting = asyncio.create_task(locked())
        await asyncio.sleep(0.06)
        assert not waiting.done()
        other.kill()
        assert await waiting


def test_nothing_shows_a_secret() -> None:
    """Neither the authentication nor the sign-in shows what it holds."""
    auth = user(refresh_token=SEED, sign_in=CODE)
    for shown in (repr(auth), repr(vars(auth)), repr(CODE), str(CODE), repr(CODE.form())):
        assert not any(secret in shown for secret in (SECRET, SEED, CODE.code, CODE.code_verifier))
