"""The government cloud lacks some operations, which are refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from zra_async import GOVERNMENT, Hosts, StaticToken, ZRAClient, errors
from zra_async.api.registry import OPERATIONS

MISSING = {
    "teams.access.grant_from",
    "teams.access.grant_to",
    "teams.access.revoke_from",
    "teams.access.revoke_to",
}


def test_the_rows_say_which_operations_are_missing() -> None:
    """The documents except exactly these four."""
    assert {name for name, row in OPERATIONS.items() if not row.government} == MISSING


@pytest.mark.parametrize(
    "hosts", [GOVERNMENT, Hosts(api="https://API.zoomgov.com/v2"), Hosts(api="https://zoomgov.com")]
)
@pytest.mark.parametrize("count", [1, 201])
@pytest.mark.parametrize("name", sorted(MISSING))
async def test_what_is_missing_is_refused(name: str, count: int, hosts: Hosts) -> None:
    """By its method and by its name, also where the call would be split."""
    async with ZRAClient(StaticToken("t"), hosts=hosts) as zra:
        ids = [f"team{n}" for n in range(count)]
        for call in (getattr(zra.teams.access, name.rpartition(".")[2]), _by_name(zra, name)):
            with pytest.raises(errors.ConfigurationError, match=f"{name}: the government cloud does not have"):
                await call("t", ids)


@pytest.mark.parametrize("name", sorted(MISSING))
async def test_what_is_missing_is_refused_as_a_raw_call(name: str) -> None:
    """A raw call is refused as well."""
    async with ZRAClient(StaticToken("t"), hosts=GOVERNMENT) as zra:
        with pytest.raises(errors.ConfigurationError, match="government"):
            await zra.raw(name, path={"team_id": "t"}, body=["a"])


def _by_name(zra: ZRAClient, name: str) -> Any:
    return lambda team_id, team_ids: zra.call_named(name, team_id=team_id, team_ids=team_ids)
