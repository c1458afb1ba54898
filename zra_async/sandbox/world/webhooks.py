"""Webhooks: signed events posted to one loopback URL, at least once, and the validation of that URL."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zra_async.sandbox.clock import Clock

RETRY_AFTER = (5 * 60.0, 20 * 60.0, 60 * 60.0)  #: seconds of the sandbox clock before each repetition
ANSWER_WITHIN = 3.0  #: real seconds that the receiver has
LOG_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver one event."""

    event: str
    body: bytes
    attempt: int  #: 1 is the first
    status: int | None  #: None: no answer
    error: str = ""


class Webhooks:
    """Posts the account's events to ``url``; without a URL nothing is posted.

    An event is repeated after 5, 20 and 60 more minutes of ``clock`` when the receiver answers 500 or above or not at
    all. `deliveries` keeps the latest attempts.
    """

    def __init__(self, url: str | None, secret: str, clock: Clock, *, account_id: str = "") -> None:
        if url is not None and not is_loopback(url):
            raise ValueError(f"the sandbox posts webhooks to a loopback address only, not to {url}")
        self._url = url
        self._secret = secret.encode()
        self._clock = clock
        self._account_id = account_id
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.deliveries: deque[Delivery] = deque(maxlen=LOG_SIZE)

    def emit(
        self,
        event: str,
        payload_object: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        operator: str = "",
        operator_id: str = "",
        at: float | None = None,
    ) -> None:
        """Schedule the delivery of ``event``, at once or at a later time ``at`` of the clock (seconds since the epoch).

        ``operator`` (an e-mail address) and ``operator_id`` tell who caused it, if anybody did.
        """
        if self._url is None:
            return
        payload: dict[str, Any] = {"account_id": self._account_id}
        if operator_id:
            payload["operator_id"] = operator_id
        if operator:
            payload["operator"] = operator
        payload["object"] = payload_object
        task = asyncio.get_running_loop().create_task(self._deliver(event, payload, at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def validate(self) -> bool:
        """Send the URL validation challenge and tell whether the receiver proved that it knows the secret."""
        if self._url is None:
            return False
        plain = hashlib.sha256(f"{self._url}{self._clock.time_ns()}".encode()).hexdigest()[:22]
        body = self._encode("endpoint.url_validation", {"plainToken": plain})
        try:
            status, answer = await self._post(body)
            proof = msgspec.json.decode(answer)
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
            return False
        expected = {"plainToken": plain, "encryptedToken": self._digest(plain.encode())}
        return status == 200 and bool(proof == expected)

    async def drain(self) -> None:
        """Wait until every event emitted so far is delivered or given up."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Stop all deliveries and repetitions."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _deliver(self, event: str, payload: Mapping[str, Any], at: float | None) -> None:
        if at is not None:
            await self._clock.sleep(at - self._clock.time())
        body = self._encode(event, payload)
        for attempt, pause in enumerate((0.0, *RETRY_AFTER), start=1):
            await self._clock.sleep(pause)
            status, error = None, ""
            try:
                status, _ = await self._post(body)
            except (aiohttp.ClientError, TimeoutError) as failure:
                error = f"{type(failure).__name__}: {failure}"
            self.deliveries.append(Delivery(event, body, attempt, status, error))
            if status is not None and status < 500:
                return

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        timestamp = str(int(self._clock.time()))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "x-zm-request-timestamp": timestamp,
            "x-zm-signature": "v0=" + self._digest(b"v0:" + timestamp.encode() + b":" + body),
        }
        assert self._url is not None
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.read()

    def _encode(self, event: str, payload: Mapping[str, Any]) -> bytes:
        event_ts = self._clock.time_ns() // 1_000_000
        return msgspec.json.encode({"event": event, "event_ts": event_ts, "payload": payload})

    def _digest(self, message: bytes) -> str:
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def is_loopback(url: str) -> bool:
    """Tell whether the host of ``url`` is this machine's loopback interface."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https"):
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
