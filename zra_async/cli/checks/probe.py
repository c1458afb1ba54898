"""A step-by-step test of a host: its name, a connection, TLS, an answer and its clock."""

from __future__ import annotations

import base64
import socket
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

import anyio
import anyio.abc
from anyio.streams.tls import TLSStream

from zra_async.cli.checks.proxies import proxy_of

PATIENCE = 10.0  #: seconds for each step
_OURSELVES = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The result of a test. `problem` is "" if the host answered; `ahead` is the lead of its clock over ours."""

    host: str
    seconds: float = 0.0
    problem: str = ""
    advice: str = ""
    ahead: timedelta | None = None
    through_proxy: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The host and port to test."""

    host: str
    port: int
    tls: bool
    proxy: str = field(default="", repr=False)  #: the proxy to go through, which may hold a password

    @classmethod
    def of(cls, url: str) -> Endpoint:
        """The address of a base URL."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls, proxy_of(url) if tls else "")

    def __str__(self) -> str:
        return self.host if self.port == (443 if self.tls else 80) else f"{self.host}:{self.port}"


class _Stuck(Exception):
    def __init__(self, problem: str, advice: str) -> None:
        self.problem = problem
        self.advice = advice


async def probe(address: Endpoint) -> Probe:
    """Ask a host for its front page, without credentials, and look at the clock of its answer."""
    name = str(address)
    started = time.perf_counter()
    try:
        with anyio.fail_after(3 * PATIENCE):
            stream = await (_through_proxy(address) if address.proxy else _directly(address))
            try:
                secured = await _secure(stream, address.host) if address.tls else stream
                date = await _date_of_answer(secured, address)
            finally:
                await anyio.aclose_forcefully(stream)
    except _Stuck as stuck:
        return Probe(host=name, problem=stuck.problem, advice=stuck.advice)
    except TimeoutError:
        return Probe(host=name, problem=f"it did not answer within {3 * PATIENCE:.0f} s", advice=_between(address))
    ahead = None if date is None else date - datetime.now(UTC)
    seconds = time.perf_counter() - started
    return Probe(host=name, seconds=seconds, ahead=ahead, through_proxy=bool(address.proxy))


async def _directly(address: Endpoint) -> anyio.abc.ByteStream:
    await _resolve(address.host)
    return await _connect(address.host, address.port, _way_out(address))


async def _through_proxy(address: Endpoint) -> anyio.abc.ByteStream:
    """Connect to the proxy, and ask it for a tunnel to the host."""
    proxy = urlsplit(address.proxy)
    host, tls = proxy.hostname or "", proxy.scheme == "https"
    try:
        await _resolve(host)
        stream: anyio.abc.ByteStream = await _connect(host, proxy.port or (443 if tls else 80), "")
        stream = await _secure(stream, host) if tls else stream
    except _Stuck as stuck:
        raise _Stuck(f"the proxy {host}: {stuck.problem}", "check HTTPS_PROXY, or unset it") from None
    place = f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
    user = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode()
    login = f"Proxy-Authorization: Basic {base64.b64encode(user).decode()}\r\n" if proxy.username else ""
    head = await _head(stream, f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{login}\r\n", "")
    status = head.partition(b" ")[2][:3].decode("latin-1")
    if status != "200":
        await anyio.aclose_forcefully(stream)
        advice = "check user and password in HTTPS_PROXY" if status == "407" else "ask who runs the proxy"
        raise _Stuck(f"the proxy {host} does not let it through (HTTP {status or 'not spoken'})", advice)
    return stream


async def _resolve(host: str) -> None:
    try:
        await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _Stuck(f"its name {host!r} cannot be resolved", "check DNS, VPN and the spelling") from None


async def _connect(host: str, port: int, advice: str) -> anyio.abc.SocketStream:
    try:
        with anyio.fail_after(PATIENCE):
            return await anyio.connect_tcp(host, port)
    except (OSError, TimeoutError) as problem:
        why = "no answer" if isinstance(problem, TimeoutError) else "the connection is refused or blocked"
        raise _Stuck(f"port {port}: {why}", advice) from None


async def _secure(stream: anyio.abc.ByteStream, host: str) -> TLSStream:
    context = ssl.create_default_context()
    try:
        with anyio.fail_after(PATIENCE):
            return await TLSStream.wrap(stream, hostname=host, ssl_context=context, standard_compatible=False)
    except ssl.SSLCertVerificationError as problem:
        raise _Stuck(f"TLS: {problem.verify_message or 'its certificate is not trusted'}", _trust(problem)) from None
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream, TimeoutError) as problem:
        text = f"TLS fails ({type(problem).__name__})"
        raise _Stuck(text, "something between here and there breaks TLS") from None


async def _head(stream: anyio.abc.ByteStream, request: str, advice: str) -> bytes:
    """Send a request, and return the beginning of the answer with all of its header."""
    answer = b""
    try:
        with anyio.fail_after(PATIENCE):
            await stream.send(request.encode("latin-1"))
            while b"\r\n\r\n" not in answer and len(answer) < 65536:
                answer += await stream.receive()
    except anyio.EndOfStream:
        pass
    except (OSError, anyio.BrokenResourceError, TimeoutError):
        raise _Stuck("it takes a connection but does not answer", advice) from None
    return answer


async def _date_of_answer(stream: anyio.abc.ByteStream, address: Endpoint) -> datetime | None:
    request = f"HEAD / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: zra-check\r\nConnection: close\r\n\r\n"
    answer = await _head(stream, request, _between(address))
    if not answer.startswith(b"HTTP/"):
        raise _Stuck("what answers there does not speak HTTP", "check the address")
    return date_in(answer.decode("latin-1"))


def date_in(head: str) -> datetime | None:
    """The time in the Date header of an answer's head."""
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "date":
            try:
                date = parsedate_to_datetime(value.strip())
            except ValueError:
                return None
            return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None


def _trust(problem: ssl.SSLCertVerificationError) -> str:
    words = problem.verify_message or ""
    if "not yet valid" in words or "expired" in words:
        return "set this machine's clock"
    return "if a proxy of your company opens TLS, point SSL_CERT_FILE to its certificate"


def _way_out(address: Endpoint) -> str:
    if address.host in _OURSELVES:
        return "nothing listens there: start the sandbox anew and take its variables, or unset those of an old one"
    return f"let TCP {address.port} out through the firewall, or set HTTPS_PROXY if your network has a proxy"


def _between(address: Endpoint) -> str:
    return "look at the proxy" if address.proxy else "look for a firewall between"
