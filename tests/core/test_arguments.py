"""What all resources share: checks of arguments, and calls that are split into pieces."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.core.rows import row
from zra_async import errors
from zra_async.api import arguments, resource
from zra_async.api.schema import Record

LATEST = datetime.max.replace(tzinfo=timezone(timedelta(hours=-9)))


class Dated(Record, frozen=True):
    """Something with a time."""

    at: datetime


def test_times_that_have_no_utc_form_are_refused() -> None:
    """The last hours of the year 9999 west of Greenwich do not exist in UTC."""
    with pytest.raises(errors.InvalidArgument, match=r"at .* out of range"):
        Dated(at=LATEST)
    with pytest.raises(errors.InvalidArgument, match=r"from_ .* out of range"):
        arguments.build_period(LATEST, None)


def test_times_of_a_record_are_whole_seconds_of_utc() -> None:
    """However a time is given, it is sent as the service takes it."""
    given = datetime(2026, 3, 1, 12, 0, 0, 999_999, timezone(timedelta(hours=2)))
    assert Dated(at=given).at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    with pytest.raises(errors.InvalidArgument, match="at must be an aware datetime"):
        Dated(at=datetime(2026, 3, 1))


FAILURES = [
    errors.NotFound("things.get", status=404),
    errors.TokenError("nobody there"),
    errors.ClientNotOpen("closed"),
    errors.InvalidArgument("odd"),
]


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_piece_that_fails_tells_what_was_done(failure: errors.ZRAError) -> None:
    """Whatever stops a split call, also a token that cannot be had: done, failed and pending values are named."""

    async def one(values: Sequence[int]) -> int:
        if 3 in values:
            raise failure
        return sum(values)

    with pytest.raises(errors.PartlyDone, match="2 values done, 2 failed, 1 not tried") as caught:
        await resource.in_pieces(row(), [1, 2, 3, 4, 5], 2, one)
    assert (caught.value.done, caught.value.failed, caught.value.pending) == ((1, 2), (3, 4), (5,))
    assert caught.value.__cause__ is failure
    assert str(failure) in str(caught.value)


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_call_of_one_piece_fails_as_itself(failure: errors.ZRAError) -> None:
    """A call that is not split raises its own error."""

    async def one(_: Sequence[int]) -> Any:
        raise failure

    with pytest.raises(type(failure)) as caught:
        await resource.in_pieces(row(), [1, 2], 2, one)
    assert caught.value is failure


async def test_pieces_are_answered_in_order() -> None:
    """The answers come in the order of the values, and no piece is larger than it may be."""

    async def one(values: Sequence[int]) -> Sequence[int]:
        return values

    assert await resource.in_pieces(row(), [1, 2, 3, 4, 5], 2, one) == [[1, 2], [3, 4], [5]]
    assert await resource.in_pieces(row(), [], 2, one) == []
