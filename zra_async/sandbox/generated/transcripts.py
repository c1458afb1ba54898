"""The transcript of a conversation: utterance p is a pure function of the conversation and p."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zra_async.sandbox.generated import texts
from zra_async.sandbox.generated.awkward import EMPTY_TIME, LONG_TEXT, ODD, ODD_CHARACTERS, SILENT_SPEAKER
from zra_async.sandbox.generated.awkward import UNKNOWN_ENUM as UNKNOWN_SIDE
from zra_async.sandbox.generated.catalogue import KEY_WORDS, TOPIC_LABELS
from zra_async.sandbox.generated.conversation import Conversation, Participant, bits, participants
from zra_async.sandbox.generated.entropy import mix
from zra_async.sandbox.generated.times import write_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zra_async.sandbox.generated.people import User

SECONDS_PER_UTTERANCE = 8
_WORDS = tuple(word for key_words in KEY_WORDS for word in key_words)


class Mark(NamedTuple):
    """Something the analysis finds at one utterance: ``what`` and which entry of its vocabulary."""

    what: str  #: "topic", "question", "indicator" or "next step"
    which: int


class Utterance(NamedTuple):
    """One turn of speech."""

    item_id: int
    speaker: Participant
    start: int  #: seconds since the epoch
    end: int
    text: str


class Transcript:
    """The speech of one conversation, read in any order."""

    def __init__(self, conversation: Conversation, users: Sequence[User]) -> None:
        self.conversation = conversation
        self.people: list[Participant] = participants(conversation, users)
        self.silent: Participant | None = (
            self.people[-1] if conversation.trait == SILENT_SPEAKER and len(self.people) > 1 else None
        )
        self.speakers: list[Participant] = self.people[:-1] if self.silent else self.people
        marks = _marks(conversation)
        self.count: int = len(conversation.spoken) or max(
            len(marks) + 1, conversation.duration // SECONDS_PER_UTTERANCE
        )
        self.marks: Mapping[int, Mark] = {n * self.count // len(marks): mark for n, mark in enumerate(marks)}

    def utterance(self, position: int) -> Utterance:
        """Give what is said at a position: times rise, no two utterances overlap."""
        if self.conversation.spoken:
            return self._uploaded(position)
        conversation, draw = self.conversation, mix(self.conversation.key + position)
        speaker = self._speaker(position, draw)
        begin = position * conversation.duration // self.count
        end = (position + 1) * conversation.duration // self.count
        start = conversation.start + begin
        return Utterance(position, speaker, start, start + max(1, end - begin - draw % 3), self._text(position, draw))

    def _uploaded(self, position: int) -> Utterance:
        said, begin = self.conversation.spoken[position], self.conversation.start
        speaker = self.people[said.speaker % len(self.people)]
        return Utterance(position, speaker, begin + int(said.start), begin + int(said.end), said.text)

    def page(self, position: int, size: int) -> list[dict[str, Any]]:
        """Give the speakers of ``size`` utterances from ``position`` on, in the order in which they speak up."""
        found: dict[Participant, dict[str, Any]] = {}
        for place in range(position, min(position + size, self.count)):
            said = self.utterance(place)
            speaker = found.get(said.speaker)
            if speaker is None:
                speaker = found[said.speaker] = self._record(said.speaker) | {"transcripts": []}
            speaker["transcripts"].append(self._item(said))
        if self.silent and position + size >= self.count:
            found[self.silent] = self._record(self.silent)
        return list(found.values())

    def _speaker(self, position: int, draw: int) -> Participant:
        speakers, mark = self.speakers, self.marks.get(position)
        if mark and mark.what in ("question", "next step"):
            return speakers[0]
        return speakers[(position + draw % 3 % 2) % len(speakers)]

    def _text(self, position: int, draw: int) -> str:
        mark = self.marks.get(position)
        if mark:
            return _marked_text(mark, draw, self.conversation.key)
        if position == 0 and self.conversation.trait == LONG_TEXT:
            return " ".join(texts.REP_LINES) * 60
        if self.conversation.trait == ODD_CHARACTERS and position % 5 == 0:
            return ODD
        lines = texts.REP_LINES if self._speaker(position, draw).side == "rep" else texts.CUSTOMER_LINES
        return texts.FILLERS[(draw >> 20) % len(texts.FILLERS)] + lines[(draw >> 32) % len(lines)]

    def _item(self, said: Utterance) -> dict[str, Any]:
        unended = self.conversation.trait == EMPTY_TIME and said.item_id == self.count - 1
        return {
            "item_id": str(said.item_id),
            "text": said.text,
            "start_time": write_time(said.start),
            "end_time": "" if unended else write_time(said.end),
        }

    def _record(self, speaker: Participant) -> dict[str, Any]:
        draw = mix(self.conversation.key ^ (self.people.index(speaker) + 1))
        return {
            "user_id": speaker.user_id,
            "display_name": speaker.display_name,
            "email": speaker.email,
            "speaker_type": "rep/customer" if self.conversation.trait == UNKNOWN_SIDE else speaker.side,
            "metrics": {
                "talk_to_listen_ratio": draw % 100 / 50,
                "longest_monolog": 10 + (draw >> 8) % 200,
                "talk_speed": 90 + (draw >> 16) % 90,
                "filler_words": (draw >> 24) % 12,
                "patience": (draw >> 32) % 40 / 10,
            },
        }


def _marks(conversation: Conversation) -> list[Mark]:
    """List what the analysis finds, next steps last, the rest in an order of its own."""
    found = [Mark("topic", n) for n in bits(conversation.topics)]
    found += [Mark("question", n) for n in range(conversation.questions)]
    found += [Mark("indicator", n) for n in bits(conversation.indicators)]
    found.sort(key=lambda mark: mix(conversation.key ^ _rank(mark)))
    return found + [Mark("next step", n) for n in range(conversation.next_steps)]


def _rank(mark: Mark) -> int:
    """Number a mark without Python's own hash, which differs from process to process."""
    return len(mark.what) * 1000 + mark.which


def _marked_text(mark: Mark, draw: int, key: int) -> str:
    match mark.what:
        case "topic":
            return texts.TOPIC_LINES[draw % len(texts.TOPIC_LINES)].format(label=TOPIC_LABELS[mark.which])
        case "indicator":
            return texts.INDICATOR_LINES[draw % len(texts.INDICATOR_LINES)].format(key_word=_WORDS[mark.which])
        case "question":
            return texts.QUESTIONS[(key + mark.which) % len(texts.QUESTIONS)]
        case _:
            return texts.NEXT_STEPS[(key + mark.which) % len(texts.NEXT_STEPS)]
