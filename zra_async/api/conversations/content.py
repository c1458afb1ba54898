"""The content of conversations: speech, findings and scorecards, as methods of ``zra.conversations``."""

from __future__ import annotations

from zra_async.api.arguments import build_path, check_literal
from zra_async.api.conversations.content_models import (
    AnalysisType,
    ContentAnalysis,
    LegacyAnalysisType,
    Scorecard,
    ScorecardPage,
    Speaker,
    SpeakerPage,
)
from zra_async.api.conversations.merge import Interactions, merge_analysis, merge_speakers
from zra_async.api.resource import Resource
from zra_async.core.operation import Label, ListOperation
from zra_async.core.pages import Pages

#: the scopes that let an app read conversations
READERS = ("iq_conversation:read", "iq_conversation:write", "iq_conversation:read:admin", "iq_conversation:write:admin")

CONTENT_ANALYSIS = ListOperation(
    name="conversations.content_analysis",
    method="GET",
    path="/conversations/{conversation_id}/content_analysis",
    label=Label.MEDIUM,
    result=ContentAnalysis,
    items=lambda page: (page,),
    retry_safe=True,
    twin=True,
    scopes=READERS,
    granular_scopes=("zra:read:conversation_analysis", "zra:read:conversation_analysis:admin"),
)

INTERACTIONS = ListOperation(
    name="conversations.interactions",
    method="GET",
    path="/conversations/{conversation_id}/interactions",
    label=Label.MEDIUM,
    result=SpeakerPage,
    items=lambda page: page.participants,
    retry_safe=True,
    twin=True,
    scopes=READERS,
    granular_scopes=("zra:read:conversation_participants", "zra:read:conversation_participants:admin"),
)

SCORECARDS = ListOperation(
    name="conversations.scorecards",
    method="GET",
    path="/conversations/{conversation_id}/scorecards",
    label=Label.MEDIUM,
    result=ScorecardPage,
    items=lambda page: page.scorecards,
    retry_safe=True,
    twin=True,
    scopes=("iq_coaching:read", "iq_coaching:read:admin"),
    granular_scopes=("zra:read:conversation_scorecards", "zra:read:conversation_scorecards:admin"),
)


_ANALYSIS_TYPE = check_literal(AnalysisType)
_LEGACY_ANALYSIS_TYPE = check_literal(LegacyAnalysisType)


class ConversationContent(Resource):
    """The methods of ``zra.conversations`` that read the content of a conversation."""

    def content_analysis(
        self,
        conversation_id: str,
        *,
        analysis_type: AnalysisType,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[ContentAnalysis]:
        """List the findings of one ``analysis_type``, or of ``all``; each item is one page with its several lists.

        `merged_content_analysis` joins the pages. ``dealMemo``, ``playbooks`` and ``all`` are unknown to ``.legacy``
        and raise `InvalidArgument` there. ``page_size`` is 1–300, by default 300; ``cursor`` resumes an earlier list.
        Raises `NotFound` (1005) for an unknown conversation and `BadRequest` (1001) for a refused parameter. Label
        MEDIUM, ``GET /zra/conversations/{conversationId}/content_analysis``.
        """
        query = self._analysis_query(analysis_type)
        return self._list(
            CONTENT_ANALYSIS,
            build_path(conversation_id=conversation_id),
            query=query,
            page_size=page_size,
            cursor=cursor,
        )

    async def merged_content_analysis(self, conversation_id: str, *, analysis_type: AnalysisType) -> ContentAnalysis:
        """Read all pages of `content_analysis` and join them: every list complete, in the order of the pages.

        `summary` and `deal_memo` are those of the first page that has them. Errors and label are those of
        `content_analysis`; each page counts as one call.
        """
        query = self._analysis_query(analysis_type)
        pages = self._list(CONTENT_ANALYSIS, build_path(conversation_id=conversation_id), query=query)
        return merge_analysis([page async for page in pages])

    def interactions(self, conversation_id: str, *, page_size: int | None = None, cursor: str = "") -> Pages[Speaker]:
        """List the speakers with their utterances; a speaker may appear again on later pages.

        `merged_interactions` joins them. ``page_size`` is 1–300, by default 300; ``cursor`` resumes an earlier list.
        Raises `NotFound` (1005) for an unknown conversation and `BadRequest` (1001) for a refused parameter. Label
        MEDIUM, ``GET /zra/conversations/{conversationId}/interactions``.
        """
        return self._list(INTERACTIONS, build_path(conversation_id=conversation_id), page_size=page_size, cursor=cursor)

    async def merged_interactions(self, conversation_id: str) -> Interactions:
        """Read all pages of `interactions` and join them: each speaker once, their utterances in order.

        ``.transcript`` of the result is the conversation itself, utterance by utterance. Errors and label are those
        of `interactions`; each page counts as one call.
        """
        pages = self._list(INTERACTIONS, build_path(conversation_id=conversation_id))
        return merge_speakers([speaker async for speaker in pages])

    def scorecards(self, conversation_id: str, *, page_size: int | None = None, cursor: str = "") -> Pages[Scorecard]:
        """List the scorecards that coaches have filled in for a conversation.

        ``page_size`` is 1–300, by default 300; ``cursor`` resumes an earlier list. Raises `NotFound` (1005) for an
        unknown conversation and `BadRequest` (1001) for a refused parameter. Label MEDIUM,
        ``GET /zra/conversations/{conversationId}/scorecards``.
        """
        return self._list(SCORECARDS, build_path(conversation_id=conversation_id), page_size=page_size, cursor=cursor)

    def _analysis_query(self, analysis_type: AnalysisType) -> dict[str, object]:
        check = _LEGACY_ANALYSIS_TYPE if self._legacy else _ANALYSIS_TYPE
        return {"analysis_type": check("analysis_type", analysis_type)}


OPERATIONS = (CONTENT_ANALYSIS, INTERACTIONS, SCORECARDS)
