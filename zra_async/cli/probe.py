"""Whether a host can be reached, step by step: its name, a connection, TLS, an answer and its clock."""

from __future__ import annotations

import os
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import anyio
import anyio.abc
from anyio.streams.tls import TLSStream

PATIENCE = 10.0  #: seconds for each step
_OURSELVES = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What came of it. `problem` is "" when the host answered; `ahead` is how far its clock is ahead of ours."""

    host: str
    seconds: float = 0.0
    problem: str = ""
    advice: str = ""
    ahead: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where to knock."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """The address of a base URL."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls)

    def __str__(self) -> str:
        return self.host if self.port == (443 if self.tls else 80) else f"{self.host}:{self.port}"


class _Stuck(Exception):
    def __init__(self, problem: str, advice: str) -> None:
        self.problem = problem
        self.advice = advice


async def probe(address: Address) -> Probe:
    """Ask a host for its front page, without credentials, and look at the clock of its answer."""
    name = str(address)
    started = time.perf_counter()
    try:
        with anyio.fail_after(3 * PATIENCE):
            await _resolve(address)
            stream = await _connect(address)
            try:
                secured = await _secure(stream, address) if address.tls else stream
                date = await _date_of_answer(secured, address)
            finally:
                await anyio.aclose_forcefully(stream)
    except _Stuck as stuck:
        return Probe(host=name, problem=stuck.problem, advice=stuck.advice)
    except TimeoutError:
        return Probe(host=name, problem=f"it did not answer within {3 * PATIENCE:.0f} s", advice=_proxy())
    ahead = None if date is None else date - datetime.now(UTC)
    return Probe(host=name, seconds=time.perf_counter() - started, ahead=ahead)


async def _resolve(address: Address) -> None:
    try:
        await anyio.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _Stuck(f"its name {address.host!r} cannot be resolved", "check DNS, VPN and the spelling") from None


async def _connect(address: Address) -> anyio.abc.SocketStream:
    try:
        with anyio.fail_after(PATIENCE):
            return await anyio.connect_tcp(address.host, address.port)
    except (OSError, TimeoutError) as problem:
        why = "no answer" if isinstance(problem, TimeoutError) else "the connection is refused or blocked"
        raise _Stuck(f"port {address.port}: {why}", _way_out(address)) from None


async def _secure(stream: anyio.abc.SocketStream, address: Address) -> TLSStream:
    context = ssl.create_default_context()
    try:
        with anyio.fail_after(PATIENCE):
            return await TLSStream.wrap(stream, hostname=address.host, ssl_context=context, standard_compatible=False)
    except ssl.SSLCertVerificationError as problem:
        raise _Stuck(f"TLS: {problem.verify_message or 'its certificate is not trusted'}", _trust(problem)) from None
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream, TimeoutError) as problem:
        text = f"TLS fails ({type(problem).__name__})"
        raise _Stuck(text, f"something between here and there breaks TLS{_proxy()}") from None


async def _date_of_answer(stream: anyio.abc.ByteStream, address: Address) -> datetime | None:
    request = f"HEAD / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: zra-check\r\nConnection: close\r\n\r\n"
    answer = b""
    try:
        with anyio.fail_after(PATIENCE):
            await stream.send(request.encode())
            while b"\r\n\r\n" not in answer and len(answer) < 65536:
                answer += await stream.receive()
    except anyio.EndOfStream:
        pass
    except (OSError, anyio.BrokenResourceError, TimeoutError):
        raise _Stuck("it takes a connection but does not answer", f"look for a firewall between{_proxy()}") from None
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


def _way_out(address: Address) -> str:
    if address.host in _OURSELVES:
        return "nothing listens there: start the sandbox anew and take its variables, or unset those of an old one"
    return f"let TCP {address.port} out through the firewall{_proxy()}"


def _proxy() -> str:
    named = [name for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY") if os.environ.get(name)]
    return f"; {named[0]} is set, but this client connects directly" if named else ""
