"""The host that a token answer names gets the token only where it is one of the service's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tests.core import tls
from tests.core.clients import client_of, get
from tests.core.server import Server, answer, token
from tests.security.profile import quick
from zra_async import Hosts, Network, ServerToServer
from zra_async.core.redirects import account_base

API = "https://api.zoom.us/v2"
TRUSTED = ("zoom.us", "zoomgov.com")
FOREIGN = [
    "https://evil.test",
    "https://zoom.us.evil.test",
    "https://api.zoom.us@evil.test",
    "https://api.zoom.us:pw@evil.test/",
    "https://evil.test/api.zoom.us",
    "https://evil.test#.zoom.us",
    "https://evil.test?.zoom.us",
    "https://evil.test\\.zoom.us",
    "https://evil.test%2f.zoom.us",
    "https://evil.test\t.zoom.us",
    "https://\u2028zoom.us",
    "https://ｚoom.us",
    "https://zoom.us.",
    "http://api.zoom.us",
    "http://127.0.0.1:1",
    "https://127.0.0.1",
    "file:///etc/passwd",
    "data:,x",
    "//evil.test",
    "api-eu.zoom.us",
    "https://[::1",
]


@pytest.mark.parametrize("named", FOREIGN)
def test_a_foreign_host_is_passed_over(named: str) -> None:
    """Whatever it pretends to be: the configured host serves the account as well."""
    assert account_base(named, API, TRUSTED) == API


@pytest.mark.parametrize("named", ["https://api-us.zoom.us", "https://api-us.zoom.us/", "https://api.zoomgov.com"])
def test_a_host_of_the_service_is_used(named: str) -> None:
    """That is what the option is for."""
    assert account_base(named, API, TRUSTED) == named.rstrip("/") + "/v2"


@quick(80)
@given(st.text(alphabet="htps:/@.#?\\%20zoomusevil.test[]\t\r\n é-", max_size=40) | st.text(max_size=40))
def test_no_name_leads_away(named: str) -> None:
    """For any text: the configured base, or one whose host is trusted."""
    base = account_base(f"https://{named}", API, TRUSTED)
    assert base == API or (URL(base, encoded=True).raw_host or "").endswith(("zoom.us", "zoomgov.com"))


async def test_the_token_stays_away_from_the_host_that_the_answer_names() -> None:
    """On real sockets: a foreign ``api_url`` is not even connected to, one of the service gets the calls."""
    context = tls.server_context()
    async with (
        Server(otherwise=token("tok-first-5d1f8a", api_url="https://evil.test"), tls=context) as endpoint,
        Server(otherwise=answer(200, {"name": "fine"}), tls=context) as api,
        Server(otherwise=answer(200, {"name": "regional"}), tls=context) as regional,
        Server(otherwise=answer(200, {"name": "evil"}), tls=context) as evil,
    ):
        names = {"zoom.us": endpoint, "api.zoom.us": api, "api-eu.zoom.us": regional, "evil.test": evil}
        connector = tls.connector(names)
        for expected in ("fine", "regional"):
            auth = ServerToServer("account", "cid", "cs-4b7e19d2aa")
            network = Network(connector=connector)
            async with client_of(api, auth, hosts=Hosts(), network=network, use_account_host=True) as zra:
                assert (await get(zra)).name in {"fine", expected}  # the first call may precede the token
                assert (await get(zra)).name == expected
            endpoint.script(token("tok-second-77c0e1", api_url="https://api-eu.zoom.us"))
        await connector.close()
        assert evil.connections == 0
