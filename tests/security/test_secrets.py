"""No credential is shown: not in errors or what they carry along, not in the frames that they went through."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.core.clients import client_of, get, post
from tests.core.rows import row
from tests.core.server import Behaviour, Seen, Server, answer, hang_up, raw, redirect
from tests.leaks import Leaks
from tests.security.exposure import exposed, shown
from zra_async import (
    AuthorizationCode,
    FileTokenStore,
    Network,
    RetryPolicy,
    ServerToServer,
    StaticToken,
    UserOAuth,
    ZRAClient,
)
from zra_async.bulk.ingest.manifest import check_manifest
from zra_async.core.auth import endpoint as auth_module
from zra_async.core.operation import Host, Label
from zra_async.errors import AnswerTooLarge, ConfigurationError, TokenError, UploadInterrupted, ZRAError
from zra_async.sandbox import Sandbox

CLIENT_SECRET = "cs-9f8e7d6c5b4a39"
REFRESH_TOKEN = "rt-1a2b3c4d5e6f77"
ACCESS_TOKEN = "at-77ffeeddccbbaa"
CODE = "co-5566778899aabb"
VERIFIER = "ve-00998877665544"
FOREIGN = "aws-zzyyxxwwvvuutt"
BASIC = base64.b64encode(f"cid:{CLIENT_SECRET}".encode()).decode()
ALL = (CLIENT_SECRET, REFRESH_TOKEN, ACCESS_TOKEN, CODE, VERIFIER, FOREIGN, BASIC)


@pytest.fixture(autouse=True)
def _one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_module, "_FETCH_ATTEMPTS", 1)


# --------------------------------------------------------------------------- setting up

ENVIRONMENT = {
    "ZOOM_ACCOUNT_ID": "account",
    "ZOOM_CLIENT_ID": "cid",
    "ZOOM_CLIENT_SECRET": CLIENT_SECRET,
    "AWS_SECRET_ACCESS_KEY": FOREIGN,
}


@pytest.mark.parametrize(
    "change",
    [
        {"ZOOM_ACCOUNT_ID": ""},
        {"ZOOM_CLIENT_ID": "\x07"},
        {"ZOOM_CLIENT_SECRET": CLIENT_SECRET + "\u2026"},
        {"ZRA_SHARE": "7"},
        {"ZRA_PLAN": "gold"},
        {"ZRA_TOKEN_URL": "http://zoom.us/oauth/token"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_environment_that_is_refused_is_not_shown(change: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither our secret nor anybody else's variable is in the error about another one."""
    for name, text in {**ENVIRONMENT, **change}.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(ConfigurationError) as caught:
        ZRAClient.from_env()
    assert not exposed(caught.value, *ALL)


def test_a_password_in_an_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is wrong without the address."""
    monkeypatch.setenv("ZRA_API_URL", f"https://user:{FOREIGN}@api.zoom.us/v2")
    for name, text in ENVIRONMENT.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(ConfigurationError) as caught:
        ZRAClient.from_env()
    assert FOREIGN not in repr(caught.value)


@pytest.mark.parametrize("content", [CLIENT_SECRET.encode() + b"\xff", CLIENT_SECRET.encode() + b"\n\x07"])
def test_a_secret_file_that_is_refused_is_not_shown(content: bytes, tmp_path: Path) -> None:
    """An error in decoding carries the bytes along, and so must not be in the chain either."""
    place = tmp_path / "secret"
    place.write_bytes(content)
    os.environ.pop("ZOOM_CLIENT_SECRET", None)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID"):
            patch.setenv(name, "given")
        patch.setenv("ZOOM_CLIENT_SECRET_FILE", str(place))
        with pytest.raises(ConfigurationError) as caught:
            ZRAClient.from_env()
    assert not exposed(caught.value, *ALL)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ServerToServer("", "cid", CLIENT_SECRET),
        lambda: ServerToServer("account", "", CLIENT_SECRET),
        lambda: ServerToServer("account", "cid", CLIENT_SECRET + "\n"),
        lambda: ServerToServer("account", "cid", CLIENT_SECRET, token_url="http://zoom.us/oauth/token"),
        lambda: UserOAuth("", CLIENT_SECRET, refresh_token=REFRESH_TOKEN),
        lambda: UserOAuth("cid", "", refresh_token=REFRESH_TOKEN),
        lambda: UserOAuth("cid", CLIENT_SECRET),
        lambda: StaticToken(ACCESS_TOKEN + "\u00e9"),
        lambda: StaticToken(ACCESS_TOKEN + "\r\nX-Admin: 1"),
    ],
)
def test_credentials_that_are_refused_are_not_shown(make: Callable[[], object]) -> None:
    """A badly pasted secret is still a secret, and so is the one beside a missing id."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert not exposed(caught.value, *ALL)


# --------------------------------------------------------------------------- the token endpoint


def s2s() -> ServerToServer:
    return ServerToServer("account", "cid", CLIENT_SECRET)


def pasted() -> ServerToServer:
    return ServerToServer("account", "cid", f" {CLIENT_SECRET} ")


def user() -> UserOAuth:
    return UserOAuth("cid", CLIENT_SECRET, refresh_token=REFRESH_TOKEN)


def signing_in() -> UserOAuth:
    return UserOAuth("cid", CLIENT_SECRET, sign_in=AuthorizationCode(CODE, "https://app.test/back", VERIFIER))


def echo(before: str, more: dict[str, str]) -> Behaviour:
    """Refuse, with everything that came in."""

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        basic = base64.b64decode(seen.headers["authorization"].removeprefix("Basic ")).decode()
        told = before + " ".join([basic, *seen.form.values()])
        return await answer(400, {"reason": told, **more})(seen, writer)

    return behave


async def echo_header(seen: Seen, writer: asyncio.StreamWriter) -> bool:
    """Refuse, with the credentials as they came."""
    return await answer(401, {"reason": f"bad header {seen.headers['authorization']}"})(seen, writer)


GRANT = {"access_token": ACCESS_TOKEN, "refresh_token": REFRESH_TOKEN}
TOKEN_ENDPOINTS: dict[str, Behaviour] = {
    "hangs up": hang_up,
    "breaks the JSON": answer(200, f'{{"access_token": "{ACCESS_TOKEN}", "expires_in": [1'.encode()),
    "sends a wrong type": answer(200, {**GRANT, "expires_in": [1]}),
    "sends deep JSON": answer(200, f'{{"access_token": "{ACCESS_TOKEN}", "x": {"[" * 100_000}'.encode()),
    "grants nothing": answer(200, {**GRANT, "expires_in": 0}),
    "grants not a number": answer(200, {**GRANT, "expires_in": "nan"}),
    "cuts the answer": answer(200, GRANT, length=1000, keep=False),
    "cuts a chunked answer": raw(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n",
        f'{{"access_token": "{ACCESS_TOKEN}", "ab": '.encode(),
        keep=False,
    ),
    "breaks the line": answer(200, {**GRANT, "access_token": f"{ACCESS_TOKEN}\r\nX-Evil: 1"}),
    "leaves ASCII": answer(200, {**GRANT, "refresh_token": f"{REFRESH_TOKEN}\u20ac"}),
    "repeats what it got": echo("", {}),
    "repeats its header": echo_header,
    "repeats it late": echo("x" * 180, {"error": "invalid_grant"}),
    "redirects": redirect(307, f"https://evil.test/?token={ACCESS_TOKEN}"),
}


@pytest.mark.parametrize("make", [s2s, pasted, user, signing_in])
@pytest.mark.parametrize("behaviour", TOKEN_ENDPOINTS.values(), ids=TOKEN_ENDPOINTS.keys())
async def test_a_token_endpoint_cannot_make_us_talk(behaviour: Behaviour, make: Callable[[], Any]) -> None:
    """Whatever it answers, the error is a `TokenError` that shows neither what was sent nor what came back."""
    async with Server(otherwise=behaviour) as server, client_of(server, make()) as zra:
        with pytest.raises(TokenError) as caught:
            await get(zra)
    assert not exposed(caught.value, *ALL)
    parts = (CLIENT_SECRET[:9], REFRESH_TOKEN[:9], CODE[:9])
    assert not exposed(caught.value, *parts), "half a secret is one as well"


async def test_a_store_that_cannot_be_written_keeps_the_token_to_itself(tmp_path: Path) -> None:
    """The new refresh token is lost, which the error says without showing it."""
    store = FileTokenStore(tmp_path / "folder" / "token")
    grant = answer(200, {**GRANT, "expires_in": 3600})
    async with Server(otherwise=grant) as server:
        zra = client_of(server, UserOAuth("cid", CLIENT_SECRET, refresh_token=REFRESH_TOKEN, store=store))
        async with zra:
            (tmp_path / "folder").mkdir()
            (tmp_path / "folder" / "token").mkdir()  # a folder is in the way
            with pytest.raises(TokenError, match="cannot be") as caught:
                await get(zra)
    assert not exposed(caught.value, *ALL)


# --------------------------------------------------------------------------- calls

NO_REPEATS = RetryPolicy.none()
FILE_POST = row(Label.FILES, name="things.upload", method="POST", path="/files", retry_safe=False, host=Host.FILE)
API: dict[str, Behaviour] = {
    "hangs up": hang_up,
    "is no JSON": answer(200, b"<html>"),
    "breaks HTTP": raw("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
    "breaks HTTP with the token": raw(f"HTTP/1.1 200 OK\r\nBearer {ACCESS_TOKEN}\r\n\r\n"),
    "fails": answer(500, b"trouble"),
    "refuses the token": answer(401, {"code": 124, "message": "Invalid access token."}),
    "repeats the token": answer(400, f"you sent Bearer {ACCESS_TOKEN}".encode()),
    "repeats it and calls it fine": answer(200, f"<html>you sent Bearer {ACCESS_TOKEN}".encode()),
    "repeats it in a success that is an error": answer(200, {"code": 300, "message": f"no {ACCESS_TOKEN}"}),
    "repeats it as the tracking id": answer(404, headers={"x-zm-trackingid": f"WEB_{ACCESS_TOKEN}"}),
    "repeats it as that of a success": answer(200, b"<html>", {"x-zm-trackingid": f"WEB_{ACCESS_TOKEN}"}),
    "repeats it in an error": answer(404, {"code": 1005, "message": f"no {ACCESS_TOKEN}"}),
    "repeats it in a field": answer(
        400, {"code": 300, "message": "no", "errors": [{"field": ACCESS_TOKEN, "message": ACCESS_TOKEN}]}
    ),
    "repeats it as the scopes": answer(
        400, {"code": 4711, "message": f"Invalid access token, does not contain scopes:[{ACCESS_TOKEN}]"}
    ),
    "redirects with it": redirect(302, f"https://evil.test/{ACCESS_TOKEN}?a={ACCESS_TOKEN}"),
    "redirects nowhere with it": redirect(302, f"https://[{ACCESS_TOKEN}/"),
}


@pytest.mark.parametrize("behaviour", API.values(), ids=API.keys())
async def test_no_answer_makes_an_error_show_the_token(behaviour: Behaviour) -> None:
    """Also not where a proxy or a debugging page repeats the request that it got."""
    server = Server(otherwise=behaviour)
    async with server, client_of(server, StaticToken(ACCESS_TOKEN), retry=NO_REPEATS) as zra:
        for call in (get(zra), post(zra), zra.call(FILE_POST, body={"a": 1})):
            with pytest.raises(ZRAError) as caught:
                await call
            assert ACCESS_TOKEN not in shown(caught.value)
            assert ACCESS_TOKEN not in repr(vars(caught.value))


async def test_an_answer_that_is_too_large_is_not_kept_in_the_error() -> None:
    """Tools that print the values of frames would otherwise print megabytes of somebody's data."""
    network = Network(max_answer_bytes=10_000)
    private = b"private " * 5_000
    for behaviour in (
        answer(200, private),
        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9c40\r\n", private),
    ):
        async with Server(otherwise=behaviour) as server, client_of(server, network=network) as zra:
            with pytest.raises(AnswerTooLarge) as caught:
                await get(zra)
            assert not exposed(caught.value, "private private")


async def test_objects_do_not_show_what_they_hold(tmp_path: Path) -> None:
    """Everything that holds a credential can be printed."""
    store = FileTokenStore(tmp_path / "token")
    for thing in (
        s2s(),
        user(),
        signing_in(),
        StaticToken(ACCESS_TOKEN),
        store,
        AuthorizationCode(CODE, "https://app.test/back", VERIFIER),
        AuthorizationCode(CODE, "https://app.test/back", VERIFIER).form(),
        await StaticToken(ACCESS_TOKEN).header(),
        ZRAClient(s2s()),
        vars(s2s()),
        vars(user()),
        vars(StaticToken(ACCESS_TOKEN)),
        Network(proxy=f"http://user:{FOREIGN}@proxy.test"),
    ):
        assert not [secret for secret in ALL if secret in repr(thing)], type(thing)


# --------------------------------------------------------------------------- uploads

CONTEXT = "ctx-55aa66bb77cc88"


def file_host(part: Behaviour, complete: Behaviour) -> Behaviour:
    """Begin an upload, and then behave like this when a part comes, or the completion."""

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        if b"CreateMultipartUpload" in seen.body:
            return await answer(201, {"upload_context": CONTEXT})(seen, writer)
        return await (complete if seen.target.endswith("upload_events") else part)(seen, writer)

    return behave


STORED = answer(201, {"part_number_etag": {"part_number": 1, "etag": "e"}})
REFUSED = answer(400, {"code": 300, "message": "no"})
UPLOADS = {
    "a part is lost": (hang_up, STORED),
    "a part is refused": (REFUSED, STORED),
    "a part has no receipt": (answer(201, {}), STORED),
    "the completion is lost": (STORED, hang_up),
    "the completion is refused": (STORED, REFUSED),
    "the completion is no JSON": (STORED, answer(201, b"<html>")),
    "the completion gives no id": (STORED, answer(201, {})),
}


@pytest.mark.parametrize("name", UPLOADS)
async def test_errors_of_an_upload_show_neither_token_nor_context(name: str, tmp_path: Path) -> None:
    """The context is in the journal, for its owner, and in nothing that is printed; the token is nowhere."""
    server = Server(otherwise=file_host(*UPLOADS[name]))
    journal = tmp_path / "journal"
    async with server, client_of(server, StaticToken(ACCESS_TOKEN), retry=NO_REPEATS) as zra:
        with pytest.raises(UploadInterrupted) as caught:
            await zra.files.upload(b"x" * 1000, file_name="call.mp4", part_size=5 * 1024 * 1024, journal=journal)
    assert not {CONTEXT, ACCESS_TOKEN} & set(_words(shown(caught.value)))
    assert not exposed(caught.value, ACCESS_TOKEN)
    assert CONTEXT in journal.read_text()
    assert ACCESS_TOKEN not in journal.read_text()
    assert CONTEXT not in repr(caught.value.state)


def _words(text: str) -> list[str]:
    return re.findall(r"[\w-]+", text)


# --------------------------------------------------------------------------- files

ROW = b'{"key":"a","recording":"call.mp4","conversation_type":"meeting","meeting_start_time":"2026-03-01T00:00:00Z"}'


async def test_nothing_on_disk_holds_a_credential(tmp_path: Path, leaks: Leaks) -> None:
    """Exports, journals, ledgers and manifests: no token, no secret and no link of everything that was used."""
    earlier = set(leaks.secrets)
    (tmp_path / "call.mp4").write_bytes(b"video" * 1000)
    (tmp_path / "manifest.jsonl").write_bytes(ROW)
    async with Sandbox(conversations=3, seed=5) as sandbox, sandbox.client() as zra:
        await zra.export(tmp_path / "export", streams="conversations,transcripts,recordings,deals")
        whole = {"part_size": 5 * 1024 * 1024, "journal": tmp_path / "journal"}
        await zra.files.upload(tmp_path / "call.mp4", **whole)
        await zra.ingest(await check_manifest(tmp_path / "manifest.jsonl"), ledger=tmp_path / "ingest.sqlite")
        token = (await zra._session.authorization()).removeprefix("Bearer ")
    used = leaks.secrets - earlier
    assert token in used
    assert len(used) >= 5  # the token, the client secret, links, an upload context
    context = json.loads((tmp_path / "journal").read_bytes())["upload_context"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 8
    for path in files:
        content = path.read_bytes()
        shown_there = {secret for secret in used if secret.encode() in content}
        assert shown_there <= ({context} if path.name == "journal" else set()), path.name
