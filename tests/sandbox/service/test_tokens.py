"""The token endpoint over real sockets: three grants, expiry, rotation, revocation and scopes."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

import pytest

from tests.sandbox.conftest import Plain, Start
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.service.table import CLASSIC_SCOPES, GRANULAR_SCOPES

VERIFIER = "a-verifier-of-at-least-forty-three-characters-1234"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT = "https://app.example/callback"

pytestmark = pytest.mark.usefixtures("echo")


async def redeem(plain: Plain, **changes: str) -> dict[str, str]:
    """Consent and exchange the code."""
    form = {
        "grant_type": "authorization_code",
        "code": plain.sandbox.authorize(CHALLENGE, REDIRECT),
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    reply = await plain.grant(**(form | changes))
    return reply.body | {"status": reply.status}


async def test_a_server_to_server_grant_has_the_documented_shape(start: Start) -> None:
    """The answer names type, lifetime, scopes and the account's API host, and no refresh token."""
    plain = await start(sign_in=False)
    reply = await plain.grant()
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/json")
    body = reply.body
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope", "api_url"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 3600)
    assert body["scope"].split() == list(CLASSIC_SCOPES)
    assert plain.sandbox.api_url == body["api_url"] + "/v2"


async def test_wrong_credentials_are_an_invalid_client(start: Start) -> None:
    """A wrong secret is refused with reason and error, and issues nothing."""
    plain = await start(sign_in=False)
    headers = {"Authorization": "Basic " + base64.b64encode(b"me:guess").decode()}
    async with plain.session.post(plain.sandbox.token_url, data={}, headers=headers) as response:
        assert response.status == 401
        assert await response.json() == {
            "reason": "Invalid client_id or client_secret",
            "error": "invalid_client",
        }
    assert plain.sandbox.stats.tokens_issued == 0


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "account_credentials", "account_id": "another"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "made up"}, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "made up"}, "invalid_grant"),
    ],
)
async def test_bad_grants_are_refused(start: Start, form: dict[str, str], error: str) -> None:
    """A grant that cannot be honoured is a 400 with its OAuth error."""
    plain = await start(sign_in=False)
    reply = await plain.grant(**form)
    assert (reply.status, reply.body["error"]) == (400, error)


async def test_parameters_may_stand_in_the_query(start: Start) -> None:
    """The token endpoint reads its parameters from the query as well as from the form."""
    plain = await start(sign_in=False)
    credentials = base64.b64encode(f"{plain.sandbox.client_id}:{plain.sandbox.client_secret}".encode()).decode()
    query = {"grant_type": "account_credentials", "account_id": plain.sandbox.account_id}
    headers = {"Authorization": f"Basic {credentials}"}
    async with plain.session.post(plain.sandbox.token_url, params=query, headers=headers) as response:
        assert response.status == 200


async def test_nonsense_is_refused_and_not_a_crash(start: Start) -> None:
    """Bytes that are no form, under any content type, are a grant that cannot be honoured."""
    plain = await start(sign_in=False)
    credentials = base64.b64encode(f"{plain.sandbox.client_id}:{plain.sandbox.client_secret}".encode()).decode()
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=x", "text/plain; charset=nonsense"):
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": content_type}
        async with plain.session.post(plain.sandbox.token_url, data=b"\xff--x\r\n=&&", headers=headers) as response:
            assert response.status == 400


async def test_credentials_follow_from_the_seed(start: Start) -> None:
    """Two sandboxes of one seed accept the same credentials, another seed has others."""
    first, second, other = await start(), await start(), await start(seed=8)
    assert first.sandbox.client_secret == second.sandbox.client_secret != other.sandbox.client_secret
    assert first.sandbox.account_id != other.sandbox.account_id


async def test_a_token_lives_for_an_hour_of_the_sandbox_clock(start: Start) -> None:
    """A token is good until its last second and refused after it."""
    clock = Clock(datetime(2026, 3, 1, tzinfo=UTC), frozen=True)
    plain = await start(clock=clock)
    clock.advance(3599)
    assert (await plain.send("GET", "/zra/deals")).status == 200
    clock.advance(1)
    reply = await plain.send("GET", "/zra/deals")
    assert (reply.status, reply.body) == (401, {"code": 124, "message": "Invalid access token."})


async def test_several_tokens_are_alive_at_once_unless_forbidden(start: Start) -> None:
    """A second token leaves the first alive; with ``single_token`` it kills it."""
    for single, status in ((False, 200), (True, 401)):
        plain = await start(single_token=single)
        assert (await plain.grant()).status == 200
        assert (await plain.send("GET", "/zra/deals")).status == status
        assert plain.sandbox.stats.tokens_issued == 2


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/zra/deals", 401, {"code": 124, "message": "Invalid access token."}),
        ("/zra/team/t", 401, {"code": 30031004, "message": "Invalid or expired token"}),
        ("/zra/teams", 401, {"code": 30031004, "message": "Invalid or expired token"}),
    ],
)
@pytest.mark.parametrize("bearer", ["", "unknown"])
async def test_refused_tokens_have_two_codes(
    start: Start, bearer: str, path: str, status: int, expected: dict[str, object]
) -> None:
    """No token and an unknown one are 124, and 30031004 on team operations."""
    plain = await start()
    plain.bearer = bearer
    reply = await plain.send("GET", path)
    assert (reply.status, reply.body) == (status, expected)


async def test_code_124_can_come_as_400(start: Start) -> None:
    """The option makes a refused token a 400, as some deployments do."""
    plain = await start(refused_token_status=400)
    plain.bearer = "unknown"
    reply = await plain.send("GET", "/zra/deals")
    assert (reply.status, reply.body["code"]) == (400, 124)


async def test_revocation_is_immediate(start: Start) -> None:
    """After ``revoke_tokens`` the living token is refused, and a new one works."""
    plain = await start()
    plain.sandbox.revoke_tokens()
    assert (await plain.send("GET", "/zra/deals")).status == 401
    await plain.sign_in()
    assert (await plain.send("GET", "/zra/deals")).status == 200


async def test_a_refresh_token_is_good_once(start: Start) -> None:
    """Every refresh gives a new refresh token and kills the one that was used."""
    plain = await start(sign_in=False)
    first = (await redeem(plain))["refresh_token"]
    second = await plain.grant(grant_type="refresh_token", refresh_token=first)
    assert second.status == 200
    assert second.body["refresh_token"] != first
    assert (await plain.grant(grant_type="refresh_token", refresh_token=first)).status == 400
    again = await plain.grant(grant_type="refresh_token", refresh_token=second.body["refresh_token"])
    assert again.status == 200
    plain.bearer = again.body["access_token"]
    assert (await plain.send("GET", "/zra/deals")).status == 200


async def test_a_refresh_token_dies_after_ninety_days(start: Start) -> None:
    """A refresh token is refused once it is ninety days old."""
    clock = Clock(frozen=True)
    plain = await start(sign_in=False, clock=clock)
    token = (await redeem(plain))["refresh_token"]
    clock.advance(90 * 24 * 3600)
    assert (await plain.grant(grant_type="refresh_token", refresh_token=token)).status == 400


@pytest.mark.parametrize(
    "changes", [{"code_verifier": "another"}, {"redirect_uri": "https://evil.example/"}, {"code": ""}]
)
async def test_a_code_needs_its_verifier_and_redirect(start: Start, changes: dict[str, str]) -> None:
    """PKCE holds: a wrong verifier, redirect or code gives no token."""
    plain = await start(sign_in=False)
    assert (await redeem(plain, **changes))["status"] == 400
    assert plain.sandbox.stats.tokens_issued == 0


async def test_a_user_token_acts_for_its_user(start: Start) -> None:
    """The handler sees the user who consented, and the owner for a server-to-server token."""
    plain = await start()
    owner, somebody = (user.user_id for user in plain.sandbox.world.users[:2])
    assert (await plain.send("GET", "/zra/deals")).body["user_id"] == owner
    code = plain.sandbox.authorize(CHALLENGE, REDIRECT, user_id=somebody)
    plain.bearer = (await redeem(plain, code=code))["access_token"]
    assert (await plain.send("GET", "/zra/deals")).body["user_id"] == somebody


async def test_missing_scopes_are_named(start: Start) -> None:
    """A token without a fitting scope is 400/4711 with those that would be enough."""
    plain = await start(scopes=("iq_deal:read",))
    assert (await plain.send("GET", "/zra/deals")).status == 200
    reply = await plain.send("DELETE", "/zra/deals/d/activities")
    assert (reply.status, reply.body["code"]) == (400, 4711)
    assert reply.body["message"].endswith("does not contain scopes:[iq_deal:write, iq_deal:write:admin].")


async def test_granular_scopes_open_the_same_operations(start: Start) -> None:
    """A token with granular names is issued, accepted and told of granular names when one is missing."""
    plain = await start(granular_scopes=True)
    assert (await plain.grant()).body["scope"].split() == list(GRANULAR_SCOPES)
    assert (await plain.send("GET", "/zra/deals")).status == 200
    plain = await start(granular_scopes=True, scopes=("zra:read:deal",))
    reply = await plain.send("GET", "/zra/deals")
    assert "scopes:[zra:read:list_deals, zra:read:list_deals:admin]" in reply.body["message"]


async def test_dead_tokens_are_forgotten(start: Start) -> None:
    """A day of hourly tokens leaves only the living in memory."""
    clock = Clock(frozen=True)
    plain = await start(sign_in=False, clock=clock)
    for _ in range(24):
        await plain.grant()
        clock.advance(3600)
    await plain.grant()
    assert len(plain.sandbox._tokens._access) == 1
