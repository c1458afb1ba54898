"""Page tokens: bound to their query, good for a quarter of an hour, and refused in any other form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.operations.route import Call
from zra_async.sandbox.world.page_tokens import PageTokens, Window

START = datetime(2026, 3, 1, tzinfo=UTC)


def call(template: str = "/deals", *, legacy: bool = False, path: dict[str, str] | None = None, **query: str) -> Call:
    """A call as far as its paging parameters are concerned."""
    nothing: Any = None
    return Call(nothing, "GET", template, path or {}, query, None, legacy, "user", nothing)


def pages(clock: Clock | None = None) -> PageTokens:
    """Page tokens on a clock that stands still."""
    return PageTokens(clock or Clock(START, frozen=True), b"secret")


def refused(tokens: PageTokens, request: Call) -> tuple[int, int, str]:
    """The error that the paging parameters of ``request`` give."""
    with pytest.raises(ApiError) as caught:
        tokens.window(request)
    return caught.value.status, caught.value.code, caught.value.message


EXPIRED = (400, 300, "The next page token is invalid or expired.")


@given(position=st.integers(0, 10**9), size=st.integers(1, 300))
def test_a_token_leads_to_its_position(position: int, size: int) -> None:
    """Reading a token of the same query gives the position that it was written for."""
    tokens = pages()
    token = tokens.token(call(page_size=str(size), deal_stage="x"), position, more=True)
    again = call(page_size=str(size), deal_stage="x", next_page_token=token)
    assert tokens.window(again) == Window(size, position)


def test_the_first_page_needs_no_token_and_the_last_has_none() -> None:
    """Without parameters a page is 30 from the start on, and after the last there is no token."""
    tokens = pages()
    assert tokens.window(call()) == tokens.window(call(next_page_token="")) == Window(30, 0)
    assert tokens.token(call(), 30, more=False) == ""


def test_a_token_dies_after_fifteen_minutes() -> None:
    """One second before it is good, and then it is refused."""
    clock = Clock(START, frozen=True)
    tokens = pages(clock)
    request = call(next_page_token=tokens.token(call(), 60, more=True))
    clock.advance(15 * 60 - 1)
    assert tokens.window(request) == Window(30, 60)
    clock.advance(1)
    assert refused(tokens, request) == EXPIRED


@pytest.mark.parametrize(
    "other",
    [
        {"template": "/conversations"},
        {"legacy": True},
        {"path": {"dealId": "d"}},
        {"page_size": "31"},
        {"deal_stage": "y"},
        {"unknown": "1"},
    ],
)
def test_a_token_is_good_for_its_own_query_only(other: dict[str, Any]) -> None:
    """Another operation, prefix, path, size or filter makes the token invalid."""
    tokens = pages()
    token = tokens.token(call(), 30, more=True)
    assert refused(tokens, call(**other, next_page_token=token)) == EXPIRED


def test_a_token_of_another_account_is_refused() -> None:
    """Tokens are signed."""
    token = PageTokens(Clock(START, frozen=True), b"another").token(call(), 30, more=True)
    assert refused(pages(), call(next_page_token=token)) == EXPIRED


@given(st.text(min_size=1))
def test_nonsense_is_an_expired_token(token: str) -> None:
    """Whatever stands in place of a token is refused in the same words and never crashes."""
    assert refused(pages(), call(next_page_token=token)) == EXPIRED


@pytest.mark.parametrize(
    ("template", "good", "bad"),
    [
        ("/deals", ["1", "300"], ["0", "301", "-1", "x", "", "1.5", "٣", "9" * 5000]),
        ("/teams", ["1", "100"], ["101"]),
        ("/team/{teamId}/team_managers", ["1", "100"], ["101"]),
        ("/team/{teamId}/team_members", ["15", "300"], ["14"]),
        ("/team/unassigned_team_users", ["15", "300"], ["14"]),
    ],
)
def test_page_sizes_have_bounds(template: str, good: list[str], bad: list[str]) -> None:
    """Each operation has its smallest and largest page, and anything else is 400/300."""
    tokens = pages()
    assert [tokens.window(call(template, page_size=size)).size for size in good] == [int(size) for size in good]
    assert {refused(tokens, call(template, page_size=size))[:2] for size in bad} == {(400, 300)}
