"""Fields of answers that cannot be read are told: on the page, by the client, to the observer and in the log."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.core.clients import client_of, get
from tests.core.server import Server, answer
from zra_async import errors
from zra_async.core.events import FieldsDropped

ODD = {"conversations": [{"conversation_id": "a", "duration": "soon"}, {"conversation_id": "b", "duration": 5}]}


async def test_a_list_names_what_it_could_not_read(caplog: pytest.LogCaptureFixture) -> None:
    """The page, the client and the observer tell each time, the log once for each field of an operation."""
    heard: list[Any] = []
    async with Server(otherwise=answer(200, ODD)) as server, client_of(server, observer=heard.append) as zra:
        with caplog.at_level(logging.WARNING, logger="zra_async"):
            pages = [await zra.conversations.list() for _ in range(2)]
        assert zra.dropped_fields == {"conversations.list": 2}
    assert [[item.duration for item in page.items] for page in pages] == [[None, 5]] * 2
    assert [page.dropped for page in pages] == [("conversations[0].duration",)] * 2
    told = [event for event in heard if isinstance(event, FieldsDropped)]
    assert [(event.operation, event.count, event.fields) for event in told] == [
        ("conversations.list", 1, ("conversations[0].duration",))
    ] * 2
    (record,) = caplog.records
    assert "conversations.list" in record.getMessage()
    assert "conversations[].duration" in record.getMessage()


async def test_a_view_counts_for_itself_and_for_its_client() -> None:
    """A job that works with a view of its own knows what its own answers lacked."""
    odd = answer(200, {"name": "x", "count": 0.5})
    async with Server(otherwise=odd) as server, client_of(server) as zra:
        view = zra.with_options(deadline=30)
        await get(view)
        await get(zra)
        assert view.dropped_fields == {"things.get": 1}
        assert zra.dropped_fields == {"things.get": 2}
        assert zra.with_options().dropped_fields == {}


async def test_an_answer_as_documented_drops_nothing() -> None:
    """Nothing is told where nothing is lost."""
    heard: list[Any] = []
    fine = answer(200, {"conversations": [{"conversation_id": "a", "duration": 5.5}]})
    async with Server(otherwise=fine) as server, client_of(server, observer=heard.append) as zra:
        page = await zra.conversations.list()
        assert (page.dropped, zra.dropped_fields) == ((), {})
    assert not [event for event in heard if isinstance(event, FieldsDropped)]


@pytest.mark.parametrize("wrong", [{"0": {}}, "x", 7, [None], ["x"], [{"transcripts": {"0": {}}}]])
async def test_a_list_that_is_none_is_an_unexpected_answer(wrong: object) -> None:
    """The call fails, once, and says what stands where a list is due."""
    async with Server(otherwise=answer(200, {"participants": wrong})) as server, client_of(server) as zra:
        with pytest.raises(errors.UnexpectedAnswer, match="another shape: participants"):
            await zra.conversations.merged_interactions("c")
    assert len(server.seen) == 1


async def test_a_bad_byte_costs_its_text() -> None:
    """A page with one byte that is no UTF-8 comes whole but for that text."""
    body = (
        b'{"participants": [{"user_id": "a", "transcripts": [{"item_id": "1", "text": "caf\xe9"}]}, {"user_id": "b"}]}'
    )
    async with Server(otherwise=answer(200, body)) as server, client_of(server) as zra:
        page = await zra.conversations.interactions("c")
    assert [speaker.user_id for speaker in page.items] == ["a", "b"]
    assert page.items[0].transcripts[0].text == "caf\ufffd"
    assert page.dropped == ("participants[0].transcripts[0].text",)
