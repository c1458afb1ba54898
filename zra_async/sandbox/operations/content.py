"""Read what the analysis of a conversation found, its transcript and its scorecards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.generated import analysis
from zra_async.sandbox.generated.awkward import NO_PARTICIPANTS
from zra_async.sandbox.generated.scorecards import scorecards
from zra_async.sandbox.generated.transcripts import Transcript
from zra_async.sandbox.operations.conversations import demand_analysed
from zra_async.sandbox.operations.params import conversation_of
from zra_async.sandbox.operations.route import Answer, Call, route

if TYPE_CHECKING:
    from zra_async.sandbox.generated.conversation import Conversation

_LEGACY_TYPES = (*analysis.MARKS, "smartChapters")
_TYPES = (*_LEGACY_TYPES, "dealMemo", "playbooks", "all")


@route("GET", "/conversations/{conversationId}/content_analysis")
async def content_analysis(call: Call) -> Answer:
    """Answer one page of the findings of one type, or of all types one after the other.

    Texts about the whole conversation (``summary``, ``deal_memo``) stand on every page.
    """
    conversation = _analysed(call, ".")
    analysis_type = call.query.get("analysis_type", "")
    if analysis_type not in (_LEGACY_TYPES if call.legacy else _TYPES):
        raise ApiError(400, 1001, "Invalid request parameter.")
    window = call.account.pages.window(call)
    lists, whole = _findings(call, conversation, analysis_type)
    flat = [(field, record) for field, found in lists.items() for record in found]
    end = window.position + window.size
    body: dict[str, Any] = {field: [] for field in lists}
    for field, record in flat[window.position : end]:
        body[field].append(record)
    token = call.account.pages.token(call, end, more=end < len(flat))
    return Answer(body | whole | {"page_size": window.size, "next_page_token": token})


def _findings(
    call: Call, conversation: Conversation, analysis_type: str
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Give the lists that are paged through, by field, and the fields that are not."""
    catalogue = call.account.world.catalogue
    transcript = Transcript(conversation, call.account.world.users)
    match analysis_type:
        case "smartChapters":
            return {"smart_chapters": analysis.chapters(conversation)}, {"summary": analysis.summary(conversation)}
        case "dealMemo":
            return {}, {"deal_memo": analysis.deal_memo(conversation)}
        case "playbooks":
            return {"playbooks": analysis.playbooks(transcript, catalogue)}, {}
        case "all":
            found = analysis.everything(transcript, catalogue)
            return found, {"deal_memo": found.pop("deal_memo")}
        case _:
            return {"analysis": analysis.sections(transcript, catalogue, analysis_type, legacy=call.legacy)}, {}


@route("GET", "/conversations/{conversationId}/interactions")
async def interactions(call: Call) -> Answer:
    """Answer who said what: ``page_size`` counts utterances, so that a speaker comes back on later pages."""
    conversation = _analysed(call)
    window = call.account.pages.window(call)
    body: dict[str, Any] = {"page_size": window.size, "next_page_token": ""}
    if conversation.trait == NO_PARTICIPANTS:
        return Answer(body)
    transcript, end = Transcript(conversation, call.account.world.users), window.position + window.size
    body["participants"] = transcript.page(window.position, window.size)
    body["next_page_token"] = call.account.pages.token(call, end, more=end < transcript.count)
    return Answer(body)


@route("GET", "/conversations/{conversationId}/scorecards")
async def list_scorecards(call: Call) -> Answer:
    """Answer the scorecards filled in for a conversation."""
    conversation = _analysed(call)
    window, world = call.account.pages.window(call), call.account.world
    found = scorecards(conversation, world.catalogue, world.users, legacy=call.legacy)
    end = window.position + window.size
    return Answer(
        {
            "scorecards": found[window.position : end],
            "page_size": window.size,
            "next_page_token": call.account.pages.token(call, end, more=end < len(found)),
        }
    )


def _analysed(call: Call, end: str = "") -> Conversation:
    conversation = conversation_of(call, end)
    demand_analysed(call, conversation)
    return conversation
