"""The scorecards that colleagues filled in for a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.generated import texts
from zra_async.sandbox.generated.awkward import distort
from zra_async.sandbox.generated.entropy import mix
from zra_async.sandbox.generated.times import write_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zra_async.sandbox.generated.catalogue import Catalogue
    from zra_async.sandbox.generated.conversation import Conversation
    from zra_async.sandbox.generated.people import User

HIGHEST = 10


def scorecards(
    conversation: Conversation, catalogue: Catalogue, users: Sequence[User], *, legacy: bool
) -> list[dict[str, Any]]:
    """List the scorecards of a conversation; `legacy` ones lack ``answer`` and ``justification``."""
    return [_scorecard(conversation, catalogue, users, n, legacy=legacy) for n in range(conversation.scorecards)]


def _scorecard(
    conversation: Conversation, catalogue: Catalogue, users: Sequence[User], turn: int, *, legacy: bool
) -> dict[str, Any]:
    draw = mix(conversation.key ^ (turn << 32))
    form, rater = catalogue.forms[(draw + turn) % len(catalogue.forms)], users[(draw >> 8) % len(users)]
    questions = [_question(question, mix(draw + n), legacy=legacy) for n, question in enumerate(form.questions)]
    card = {
        "scorecard_id": form.scorecard_id,
        "scorecard_name": form.name,
        "scorecard_description": form.description,
        "average_score": round(sum(question["score"] for question in questions) / len(questions), 2),
        "rate_time": write_time(conversation.processed + (draw >> 16) % 3600),
        "rater": {"email": rater.email, "display_name": rater.display_name, "user_id": rater.user_id},
        "scorecard_questions": questions,
    }
    return distort(conversation.trait, card)


def _question(question: tuple[str, str], draw: int, *, legacy: bool) -> dict[str, Any]:
    question_id, title = question
    score = 1 + draw % HIGHEST
    record = {
        "question_id": question_id,
        "question_title": title,
        "question_description": f"How well did the host handle this: {title.lower()}?",
        "question_comment": texts.SCORE_COMMENTS[(draw >> 8) % len(texts.SCORE_COMMENTS)],
        "scale": {"min_score_label": "Not at all", "max_score_label": "In an exemplary way"},
        "score": score,
    }
    if legacy:
        return record
    justification = texts.SCORE_REASONS[(draw >> 16) % len(texts.SCORE_REASONS)]
    return record | {"answer": "Yes" if score > HIGHEST // 2 else "No", "justification": justification}
