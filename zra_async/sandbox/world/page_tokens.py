"""Page tokens: bound to one query, valid for 15 minutes, valid in sequence, and without any state of their own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from zra_async.sandbox.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zra_async.sandbox.clock import Clock

LIFETIME = 15 * 60
DEFAULT_SIZE = 30
#: (smallest, largest) page_size where it is not 1 to 300, by path template
BOUNDS = {
    "/teams": (1, 100),
    "/team/{teamId}/team_managers": (1, 100),
    "/team/{teamId}/team_members": (15, 300),
    "/team/unassigned_team_users": (15, 300),
}


def expired() -> ApiError:
    """The refusal of a page token; made anew each time, since a raised exception keeps its frames alive."""
    return ApiError(400, 300, "The next page token is invalid or expired.")


class Listing(Protocol):
    """A request for a page of a list: what a page token is bound to."""

    @property
    def method(self) -> str:
        """The method of the request."""
        ...

    @property
    def template(self) -> str:
        """The path without its prefix."""
        ...

    @property
    def path(self) -> Mapping[str, str]:
        """The values in the path."""
        ...

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        ...

    @property
    def legacy(self) -> bool:
        """Tell whether the deprecated prefix was used."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a list that a request asks for: `size` records from `position` on."""

    size: int
    position: int


class PageTokens:
    """Reads ``page_size`` and ``next_page_token`` of a call and writes the token of the page after it."""

    def __init__(self, clock: Clock, secret: bytes, largest: int | None = None) -> None:
        self._clock = clock
        self._secret = secret
        self._largest = largest  # items on a page, whatever is asked for

    def window(self, call: Listing) -> Window:
        """Check the paging parameters of ``call``: 400/300 for a bad size, a foreign or an expired token."""
        smallest, largest = BOUNDS.get(call.template, (1, 300))
        text = call.query.get("page_size", str(DEFAULT_SIZE))
        well_formed = text.isascii() and text.isdigit() and len(text) < 10
        if not well_formed or not smallest <= int(text) <= largest:
            raise ApiError(400, 300, f"The page_size must be between {smallest} and {largest}.")
        token = call.query.get("next_page_token", "")
        size = int(text) if self._largest is None else min(int(text), self._largest)
        return Window(size, self._position(call, token) if token else 0)

    def token(self, call: Listing, position: int, *, more: bool) -> str:
        """The token that continues ``call`` at ``position``, or an empty text when there is no ``more``."""
        if not more:
            return ""
        expires = int(self._clock.time()) + LIFETIME
        payload = f"{position}.{expires}"
        return base64.urlsafe_b64encode(f"{payload}.{self._sign(call, payload)}".encode()).decode().rstrip("=")

    def _position(self, call: Listing, token: str) -> int:
        try:
            text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
            position, expires, signature = text.split(".")
            genuine = hmac.compare_digest(signature, self._sign(call, f"{position}.{expires}"))
            if not genuine or int(expires) <= self._clock.time():
                raise expired()
            return int(position)
        except ValueError:
            raise expired() from None

    def _sign(self, call: Listing, payload: str) -> str:
        query = sorted((k, v) for k, v in call.query.items() if k != "next_page_token")
        message = repr((call.method, call.template, call.legacy, sorted(call.path.items()), query, payload))
        return hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()[:24]
