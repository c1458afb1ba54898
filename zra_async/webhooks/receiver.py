"""Check the signature of a webhook's request, answer the validation of the URL, and read the event."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from zra_async.core.callbacks import check_plain
from zra_async.core.secret import Secret
from zra_async.errors import ConfigurationError, WebhookRefused
from zra_async.webhooks.events import UrlValidation, WebhookEvent
from zra_async.webhooks.reading import ENVELOPE, read_event, seconds_of
from zra_async.webhooks.request import SIGNATURE, STAMP, Body, Headers, header, header_pairs, raw_body

_VALIDATION = "endpoint.url_validation"
_LONGEST_STAMP = 15  #: digits


class WebhookReceiver:
    """The receiver of the requests that Zoom posts to your URL.

    ``secret_token`` is the app's secret token, or several while one replaces another: a request may be signed with any
    of them. ``tolerance`` is the maximum age of a signed request in seconds, because an older one may be a replay.
    ``clock`` returns seconds since 1970; ``zra.clock.time`` is right even if the clock of this machine is wrong.
    """

    def __init__(
        self,
        secret_token: str | Iterable[str],
        *,
        tolerance: float = 300.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        given = [secret_token] if isinstance(secret_token, str) else _several(secret_token)
        self._secrets = tuple(_secret(one) for one in given)
        if not self._secrets:
            raise ConfigurationError("secret_token must not be empty: copy it from the app's feature page")
        if isinstance(tolerance, bool) or not tolerance > 0:
            raise ConfigurationError(f"tolerance must be a positive number of seconds, not {tolerance!r}")
        check_plain("clock", clock)
        self._tolerance = tolerance
        self._clock = clock

    def receive(self, headers: Headers, body: Body) -> WebhookEvent | UrlValidation:
        """Return the event of a request, or the answer to a URL validation.

        ``headers`` are those of any framework: a mapping, pairs of texts or of bytes, or a whole ASGI scope. ``body``
        is the raw body as bytes or text. Raises `WebhookRefused`, which should be answered with 401, unless the
        signature is right, and `InvalidArgument` for a parsed body, whose signature cannot be checked.
        """
        raw = raw_body(body)
        secret, stamp = self._verified(headers, raw)
        try:
            envelope = ENVELOPE.decode(raw)
            name = envelope.event.strip()
            if name == _VALIDATION:
                token = envelope.payload.plainToken
                if not token:
                    raise WebhookRefused("the URL validation has no plainToken to be signed")
                return UrlValidation(answer={"plainToken": token, "encryptedToken": _sign(secret, token.encode())})
            if not name:
                raise WebhookRefused("the body is no event: it has no name")
            return read_event(name, envelope, stamp)
        except (ValueError, OverflowError, OSError) as problem:
            raise WebhookRefused(f"the body is no event: {problem}") from None

    def verify(self, headers: Headers, body: Body) -> None:
        """Raise `WebhookRefused` unless ``body`` was signed with a secret token within the tolerance."""
        self._verified(headers, raw_body(body))

    def _verified(self, headers: Headers, body: bytes) -> tuple[Secret, float]:
        """Return the secret that a request is signed with, and the time of its signature."""
        pairs = list(header_pairs(headers))
        stamp, signature = header(pairs, STAMP), header(pairs, SIGNATURE)
        missing = [name for name, value in ((SIGNATURE, signature), (STAMP, stamp)) if not value]
        if missing:
            raise WebhookRefused(f"the request is not signed: {' and '.join(missing)} is missing")
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > _LONGEST_STAMP:
            raise WebhookRefused(f"the request is not signed: {STAMP} is no time in seconds")
        message = b"v0:" + stamp.encode() + b":" + body
        given = signature.strip().lower().encode("utf-8", "replace")
        # compare all secrets, so that the time taken does not reveal which one matches
        right = [one for one in self._secrets if hmac.compare_digest(f"v0={_sign(one, message)}".encode(), given)]
        if not right:
            raise WebhookRefused("the signature is wrong: check the secret token, and that the body is the raw one")
        signed_at = seconds_of(float(stamp))
        age = self._clock() - signed_at
        if abs(age) > self._tolerance:
            told = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s ahead"
            raise WebhookRefused(
                f"the request is {told}, and {self._tolerance:.0f} s are tolerated: it is a replay, or this machine's "
                "clock is wrong (clock=zra.clock.time is the service's)"
            )
        return right[0], signed_at

    def __repr__(self) -> str:
        return "WebhookReceiver('***')"


def _several(secrets: Any) -> list[Any]:
    kind = cast("type[object]", type(secrets))
    if issubclass(kind, (bytes, bytearray, Mapping)) or not hasattr(secrets, "__iter__"):
        raise ConfigurationError(f"secret_token must be a text or several, not {kind.__name__}")
    return list(secrets)


def _secret(given: object) -> Secret:
    if not isinstance(given, str):
        raise ConfigurationError(f"secret_token must be a text or several, not {type(given).__name__}")
    text = given.strip().strip("\ufeff").strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()  # the quotes of an env file
    if not text:
        raise ConfigurationError("secret_token must not be empty: copy it from the app's feature page")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError("secret_token has no UTF-8 form: copy it from the app's feature page") from None
    return Secret(text)


def _sign(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
