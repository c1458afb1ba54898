"""The findings of the analysis of a conversation, drawn from the same marks as its transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.generated import texts
from zra_async.sandbox.generated.awkward import EMPTY_TIME, LONG_TEXT, TEXT_NUMBER, UNKNOWN_ENUM, distort
from zra_async.sandbox.generated.catalogue import TOPIC_LABELS
from zra_async.sandbox.generated.entropy import mix
from zra_async.sandbox.generated.names import company_name
from zra_async.sandbox.generated.times import write_offset, write_time

if TYPE_CHECKING:
    from zra_async.sandbox.generated.catalogue import Catalogue, Playbook
    from zra_async.sandbox.generated.conversation import Conversation
    from zra_async.sandbox.generated.transcripts import Mark, Transcript, Utterance

Record = dict[str, Any]

#: ``analysis_type`` → the kind of mark in the transcript that it lists
MARKS = {"topics": "topic", "nextSteps": "next step", "engagingQuestions": "question", "indicators": "indicator"}
#: ``analysis_type`` → the field of the answer, where ``all`` is asked for
FIELDS = {
    "topics": "topics",
    "nextSteps": "next_steps",
    "engagingQuestions": "good_questions",
    "indicators": "indicators",
}


def sections(transcript: Transcript, catalogue: Catalogue, analysis_type: str, *, legacy: bool = False) -> list[Record]:
    """List the findings of one type in the order of the recording: the utterance, and after a question its reply."""
    wanted, found = MARKS[analysis_type], list[Record]()
    for position, mark in transcript.marks.items():
        if mark.what != wanted:
            continue
        places = [position, position + 1] if wanted == "question" and position + 1 < transcript.count else [position]
        items = [_item(transcript, catalogue, mark, transcript.utterance(place)) for place in places]
        if legacy:  # the older shape does not know this mark
            items = [item | {"marked_by": "nlp"} if item["marked_by"] == "aic" else item for item in items]
        found.append({"section": items})
    return found


def _item(transcript: Transcript, catalogue: Catalogue, mark: Mark, said: Utterance) -> Record:
    indicator = catalogue.indicators[mark.which] if mark.what == "indicator" else None
    conversation = transcript.conversation
    label = TOPIC_LABELS[mark.which] if mark.what == "topic" else mark.what
    marked_by = ("nlp", "es", "aic", "nlp")[mix(conversation.key + said.item_id) % 4]
    item = {
        "user_id": said.speaker.user_id,
        "display_name": said.speaker.display_name,
        "text": _excerpt(said.text, indicator.key_word if indicator else ""),
        "utterance": said.text,
        "label": label,
        "indicator_name": indicator.name if indicator else "",
        "indicator_id": indicator.indicator_id if indicator else "",
        "key_word": indicator.key_word if indicator else "",
        "marked_by": conversation.host.user_id if conversation.trait == UNKNOWN_ENUM else marked_by,
        "start_time": write_time(said.start),
        "end_time": write_time(said.end),
    }
    return distort(conversation.trait, item) if conversation.trait == EMPTY_TIME else item


def _excerpt(text: str, key_word: str) -> str:
    """Cut the part that matters out of an utterance: the clause around the key word, or the first clause."""
    clauses = text.split(", ")
    return next((clause for clause in clauses if key_word and key_word in clause), clauses[0])


def chapters(conversation: Conversation) -> list[Record]:
    """Cut a conversation into chapters without gaps."""
    count = 3 + conversation.key % 4
    edges = [conversation.start + conversation.duration * n // count for n in range(count + 1)]
    return [
        {
            "title": texts.CHAPTER_TITLES[n],
            "summary": f"{texts.CHAPTER_TITLES[n]}: {texts.TOPIC_LINES[n % 3].format(label=conversation.product)}",
            "category": texts.CHAPTER_CATEGORIES[n],
            "start_time": write_time(edges[n]),
            "end_time": write_time(edges[n + 1]),
        }
        for n in range(count)
    ]


def summary(conversation: Conversation) -> str:
    """Sum up a conversation in a sentence or two."""
    form = texts.SUMMARIES[(conversation.key >> 8) % len(texts.SUMMARIES)]
    text = form.format(
        company=company_name(conversation.company), host=conversation.host.display_name, product=conversation.product
    )
    return f"{text} " * 2000 if conversation.trait == LONG_TEXT else text


def deal_memo(conversation: Conversation) -> Record:
    """List what speaks for the deal and what against it."""
    draw = conversation.key >> 16
    return {
        "potential_wins": [_factor(*pair) for pair in texts.WINS[: draw % 4]],
        "potential_concerns": [_factor(*pair) for pair in texts.CONCERNS[: (draw >> 4) % 4]],
    }


def _factor(factor: str, explanation: str) -> Record:
    return {"factor": factor, "explanation": explanation}


def playbooks(transcript: Transcript, catalogue: Catalogue) -> list[Record]:
    """Fill in the one or two playbooks that apply to a conversation."""
    key = transcript.conversation.key
    chosen = catalogue.playbooks[key % 2 : 1 + key % 2 + (key >> 4) % 2]
    return [_playbook(transcript, playbook, n) for n, playbook in enumerate(chosen)]


def _playbook(transcript: Transcript, playbook: Playbook, turn: int) -> Record:
    draw = mix(transcript.conversation.key ^ turn)
    return {
        "playbook_id": playbook.playbook_id,
        "playbook_name": playbook.name,
        "elements": [
            {"element_id": element_id, "element_name": name, "answer": _answer(transcript, mix(draw + n))}
            for n, (element_id, name) in enumerate(playbook.elements)
        ],
    }


def _answer(transcript: Transcript, draw: int) -> Record:
    """Answer one element of a playbook from what was said; every fourth one stays open."""
    if draw % 4 == 0:
        return {"summaries": [], "sources": []}
    said = transcript.utterance((draw >> 8) % transcript.count)
    return {
        "summaries": [f"{said.speaker.display_name}: {_excerpt(said.text, '')}"],
        "sources": [_source(transcript, said)],
    }


def _source(transcript: Transcript, said: Utterance) -> Record:
    conversation = transcript.conversation
    seconds = said.start - conversation.start
    return {
        "item_id": str(said.item_id),
        "speaker_name": said.speaker.display_name,
        "start_time": write_offset(seconds),
        "end_time": write_offset(said.end - conversation.start),
        "time_s": str(seconds) if conversation.trait == TEXT_NUMBER else seconds,
        "text": said.text,
    }


def everything(transcript: Transcript, catalogue: Catalogue) -> Record:
    """Give all findings at once."""
    found: Record = {field: sections(transcript, catalogue, kind) for kind, field in FIELDS.items()}
    return found | {
        "smart_chapters": chapters(transcript.conversation),
        "playbooks": playbooks(transcript, catalogue),
        "deal_memo": deal_memo(transcript.conversation),
    }
