"""Wrong arguments: whatever is given to whichever argument of whichever operation, it is refused before it is sent."""

from __future__ import annotations

import asyncio
import io
import math
import typing
import warnings
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from tests.api.conftest import RecordingCaller
from tests.contract.calls import NOON, arguments_of, hints_of, method_of, minimal, name_of
from tests.contract.reference import DOCUMENTED, Documented
from tests.contract.shapes import atoms, literals
from zra_async import errors
from zra_async.core.operation import ListOperation


class Index:
    """A whole number of another library."""

    def __index__(self) -> int:
        return 30


class Uneven:
    """An object of no use to anybody."""

    def __repr__(self) -> str:
        raise RuntimeError("nobody may ask for the text of a refused value")


def _open_ended() -> Iterator[str]:
    while True:
        yield "id"


async def _asynchronous() -> typing.AsyncIterator[str]:
    yield "id"


STRAYS: tuple[Any, ...] = (b"bytes", bytearray(b"x"), io.BytesIO(b"x"), Uneven(), object, ..., asyncio)
NO_TEXT: tuple[Any, ...] = (5, 0, 1.5, True, False, Decimal(1), NOON, ["a"], ("a",), {"a": 1}, {"a"}, "", " ", *STRAYS)
NO_FLAG: tuple[Any, ...] = ("yes", "true", "", 1, 0, 1.0, Decimal(1), Index(), [True], {}, *STRAYS)
NO_WHOLE: tuple[Any, ...] = ("30", "", 30.0, 30.5, True, Decimal(30), math.nan, math.inf, [30], {}, *STRAYS)
NO_AMOUNT: tuple[Any, ...] = ("x", "", True, math.nan, math.inf, Decimal("NaN"), "1e40", 10**40, [1], {}, *STRAYS)
NO_TIME: tuple[Any, ...] = (
    datetime(2026, 1, 1),
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-9))),
    date(2026, 1, 1),
    "2026-01-01T00:00:00Z",
    "",
    1772366400,
    math.nan,
    True,
    *STRAYS,
)
NO_LIST: tuple[Any, ...] = ("one", "", 5, True, {"a": 1}, {}, 1.5, _asynchronous, *STRAYS)
NO_IDS: tuple[Any, ...] = (["a", 5], ["a", None], ["a", ""], ["a", b"b"], [["a"]], ["a", True], ({"id": "a"},), [NOON])
NO_RECORDS: tuple[Any, ...] = (["a"], [5], [None], [{}], [{"unknown": 1}], [[]], [{1: 2}], [b"{}"])


def kinds_of(operation: Documented, argument: str, hint: Any) -> tuple[Any, ...]:
    """Values that the argument must not take, by its type hint."""
    found = atoms(hint)
    if literals(hint):
        whole = all(isinstance(value, int) for value in literals(hint))
        return (*NO_WHOLE, -1, 3, Index()) if whole else (*NO_TEXT, "no-such-value")
    if datetime in found:
        return NO_TIME
    if bool in found:
        return NO_FLAG
    if Decimal in found:
        return NO_AMOUNT
    if argument == "cursor":
        return (*(value for value in NO_TEXT if value not in ("", " ")), None)
    if str in found:
        return NO_TEXT
    if int in found:
        return NO_WHOLE
    if argument == "content":
        return (*(value for value in NO_TEXT if not isinstance(value, (bytes, bytearray))), io.StringIO("x"), b"", None)
    parts = {part for atom in found for part in typing.get_args(atom)}
    return (*NO_LIST, *(NO_IDS if str in parts else NO_RECORDS))


def every_argument() -> Iterator[Any]:
    """Every argument of every operation."""
    for operation in DOCUMENTED:
        for argument in arguments_of(operation):
            yield pytest.param(operation, argument, id=f"{operation}:{argument}")


async def outcome(operation: Documented, **arguments: Any) -> RecordingCaller:
    """Call the operation's method."""
    caller = RecordingCaller()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        await method_of(operation, caller)(**arguments)
    return caller


@pytest.mark.parametrize(("operation", "argument"), list(every_argument()))
async def test_every_wrong_value_is_refused(operation: Documented, argument: str) -> None:
    """A value of another type, or out of bounds, is an `InvalidArgument` that names the argument; nothing is sent."""
    hint = hints_of(operation)[argument]
    base = minimal(
        operation, **({argument: "x"} if argument in ("recording_link", "download_url", "message_id") else {})
    )
    for wrong in kinds_of(operation, argument, hint):
        caller = RecordingCaller()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            with pytest.raises(errors.InvalidArgument) as caught:
                await method_of(operation, caller)(**{**base, argument: wrong})
        assert not caller.requests
        assert len(str(caught.value)) < 600


@pytest.mark.parametrize(("operation", "argument"), list(every_argument()))
async def test_none_is_not_given_or_refused(operation: Documented, argument: str) -> None:
    """None leaves a filter out where the signature says so, and is refused everywhere else."""
    allowed = type(None) in typing.get_args(hints_of(operation)[argument])
    arguments = {**minimal(operation), argument: None}
    named = name_of(operation) == "deals.delete_activity" and argument == "conversation_id"
    if allowed and not named:
        assert (await outcome(operation, **arguments)).requests
    else:
        with pytest.raises(errors.InvalidArgument):
            await outcome(operation, **arguments)


@pytest.mark.parametrize("operation", [o for o in DOCUMENTED if isinstance(o.row, ListOperation)], ids=str)
async def test_whole_numbers_of_other_libraries_are_taken(operation: Documented) -> None:
    """A whole number is one by its `__index__`, whatever library it comes from."""
    caller = await outcome(operation, **minimal(operation, page_size=Index()))
    assert caller.sent.query["page_size"] == "30"


LIMITS: tuple[tuple[str, str, Any, Any], ...] = (
    ("conversations.add", "participants", [{"display_name": "a"}] * 200, [{"display_name": "a"}] * 201),
    (
        "conversations.add",
        "timeline",
        [{"start_time_in_recording": "0", "participants": []}] * 200,
        [{"start_time_in_recording": "0", "participants": []}] * 201,
    ),
    (
        "conversations.add",
        "timeline",
        [{"start_time_in_recording": "0", "participants": [{"display_name": "a"}] * 50}],
        [{"start_time_in_recording": "0", "participants": [{"display_name": "a"}] * 51}],
    ),
    ("comments.add", "mention_user_ids", ["u"] * 50, ["u"] * 51),
    ("comments.add", "mention_team_ids", iter(["u"] * 50), _open_ended()),
    ("comments.update", "mention_user_ids", [], ["u"] * 51),
    ("crm.register", "crm_name", "n" * 100, "n" * 101),
    ("crm.register", "crm_type", "a" * 16, "a" * 17),
    ("crm.accounts.import_records", "records", "2000", "2001"),
    ("files.upload_part", "part_number", 100, 101),
    ("files.upload_part", "part_number", 1, 0),
)


@pytest.mark.parametrize(("name", "argument", "most", "more"), LIMITS)
async def test_documented_limits(name: str, argument: str, most: Any, more: Any) -> None:
    """The documented maximum is sent, and one more is refused."""
    (operation,) = [o for o in DOCUMENTED if o.row.name == name]
    if argument == "records":
        record = operation.body_example["data"][0]
        most, more = [record] * int(most), [record] * int(more)
    assert len((await outcome(operation, **minimal(operation, **{argument: most}))).requests) == 1
    with pytest.raises(errors.InvalidArgument):
        await outcome(operation, **minimal(operation, **{argument: more}))


@pytest.mark.parametrize("count", [50, 51])
async def test_a_crm_has_at_most_50_stages(count: int) -> None:
    """Fifty stages are sent, and one more is refused."""
    (operation,) = [o for o in DOCUMENTED if o.row.name == "crm.register"]
    kinds = ("OPEN", "CLOSED_WON", "CLOSED_LOST")
    stages = [{"stage_name": f"s{n}", "stage_type": kinds[n % 3]} for n in range(count)]
    if count == 50:
        assert (await outcome(operation, **minimal(operation, deal_stages=stages))).requests
    else:
        with pytest.raises(errors.InvalidArgument, match="deal_stages takes at most 50 items, not 51"):
            await outcome(operation, **minimal(operation, deal_stages=stages))
