"""The judgements of ``zra check``, without a network."""

from __future__ import annotations

from datetime import timedelta

import pytest

from zra_async.api.registry import OPERATIONS
from zra_async.cli.checks.findings import clock, missing, needs, network, plan_finding, plans_in, scope_findings
from zra_async.cli.checks.probe import Probe
from zra_async.cli.exits import Exit

CLASSIC = sorted({scope for row in OPERATIONS.values() for scope in row.scopes})


def test_what_commands_need_exists() -> None:
    """Every operation that a command is said to need is one."""
    assert {name for names in needs().values() for name in names} <= set(OPERATIONS)


def test_all_scopes_are_enough() -> None:
    """With every scope there is nothing to say."""
    assert missing(CLASSIC) == {}
    assert [finding.state for finding in scope_findings(CLASSIC)] == ["ok"]


def test_a_missing_scope_is_named_with_what_it_stops() -> None:
    """Without the deal scopes, the commands about deals are named, and the scope that reads them."""
    lacking = missing([scope for scope in CLASSIC if not scope.startswith("iq_deal")])
    assert list(lacking) == ["iq_deal:read:admin"]
    assert {"list deals", "get deal", "export of deals"} <= set(lacking["iq_deal:read:admin"])


def test_an_app_with_granular_scopes_gets_granular_advice() -> None:
    """The scope to add is of the kind that the app has already."""
    lacking = missing(["zra:read:list_conversations:admin"])
    assert all(scope.startswith("zra:") for scope in lacking)
    assert "list conversations" not in {name for names in lacking.values() for name in names}


def test_no_scope_at_all_is_a_problem() -> None:
    """An app that may do nothing here needs scopes before anything works."""
    (finding,) = scope_findings(["meeting:read"])
    assert (finding.state, finding.exit_code) == ("problem", Exit.SETUP)


@pytest.mark.parametrize(
    ("headers", "plans"),
    [
        ({"X-RateLimit-Category": "Light", "X-RateLimit-Type": "QPS", "X-RateLimit-Limit": "80"}, ("business",)),
        ({"X-RateLimit-Category": "Medium", "X-RateLimit-Type": "QPS", "X-RateLimit-Limit": "20"}, ("pro",)),
        (
            {"X-RateLimit-Category": "Resource-intensive", "X-RateLimit-Type": "QPS", "X-RateLimit-Limit": "10"},
            ("free", "pro"),
        ),
        (
            {"X-RateLimit-Category": "Heavy", "X-RateLimit-Type": "Daily-limit", "X-RateLimit-Limit": "60000"},
            ("business",),
        ),
        ({"X-RateLimit-Category": "Light", "X-RateLimit-Limit": "77"}, ()),
        ({"X-RateLimit-Category": "Odd", "X-RateLimit-Limit": "80"}, ()),
        ({}, ()),
    ],
)
def test_the_plan_is_read_from_the_limits(headers: dict[str, str], plans: tuple[str, ...]) -> None:
    """The headers tell the plan where its limits are its own."""
    assert plans_in(headers) == plans


def test_a_wrong_plan_is_a_problem() -> None:
    """Limits above the account's mean 429s, and the variable to set is named."""
    headers = {"X-RateLimit-Category": "Light", "X-RateLimit-Type": "QPS", "X-RateLimit-Limit": "30"}
    assert plan_finding(headers, "pro").state == "ok"
    finding = plan_finding(headers, "business")
    assert (finding.state, finding.advice) == ("problem", "set ZRA_PLAN=pro")


def test_a_clock_that_is_off_is_told_with_its_side() -> None:
    """Half a minute passes, more does not; the middle of several hosts counts."""
    host = "h"
    assert clock([Probe(host=host)]) is None
    near = clock([Probe(host=host, ahead=timedelta(seconds=20))])
    assert near is not None
    assert near.state == "ok"
    late = clock([Probe(host=host, ahead=timedelta(minutes=m)) for m in (10, 10, -600)])
    assert late is not None
    assert "10 min 00 s behind" in late.text


def test_a_host_out_of_reach_fails_the_check() -> None:
    """A problem of the network has its own exit code."""
    found = network([Probe(host="a", seconds=0.01), Probe(host="b", problem="no answer", advice="x")])
    assert [(f.state, f.exit_code) for f in found] == [("ok", Exit.OK), ("problem", Exit.ERROR)]
