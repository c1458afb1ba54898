"""Records that are odd on purpose, as records of the real service sometimes are.

The share `Options.awkward` of the generated conversations has one of the traits below, chosen by the seed; with a share
of 0 every answer is valid by the API reference. A trait changes only how a record looks, never which filter it matches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

PLAIN: Final = 0
NO_PARTICIPANTS: Final = 1  #: detail and interactions without ``participants``
SILENT_SPEAKER: Final = 2  #: a speaker without ``transcripts``
UNKNOWN_ENUM: Final = 3  #: ``rep/customer`` and the like
EMPTY_TIME: Final = 4  #: ``""`` in place of a time
MISSING_FIELDS: Final = 5  #: scores, counts and names left out
ODD_CHARACTERS: Final = 6  #: emoji, right-to-left text, line separators, combining marks, a NUL
LONG_TEXT: Final = 7  #: a topic of thousands of characters, a summary of hundreds of thousands (see `analysis.summary`)
TEXT_NUMBER: Final = 8  #: ``"30"`` in place of 30
TRAITS: Final = 8

ODD = '\u202eעברית\u202c 👩\u200d👩\u200d👧 Z\u0336a\u0336 \u2028\u2029\u0000\t"quoted" \\ 𝔘𝔫𝔦 ☕'
_OPTIONAL = frozenset(
    {"engagement_score", "sentiment_score", "topic", "meeting_id", "filler_words_count", "host_email"}
)
_TIMES = ("iq_processed_time", "rate_time", "end_time", "last_modified_time")
_NUMBERS = ("duration", "duration_sec", "engagement_score", "meeting_id", "average_score", "score", "time_s")
_TITLES = ("conversation_topic", "topic")

Record = dict[str, Any]


def distort(trait: int, record: Record) -> Record:
    """Give a record the look of its trait; records inside it are left to a call of their own."""
    look = _LOOKS.get(trait)
    return record | look(record) if look else record


def _empty_times(record: Record) -> Record:
    return {name: "" for name in _TIMES if name in record}


def _odd_titles(record: Record) -> Record:
    return {name: f"{record[name]} {ODD}" for name in _TITLES if name in record}


def _long_texts(record: Record) -> Record:
    return {name: f"{record[name]} " * 100 for name in _TITLES if name in record}


def _text_numbers(record: Record) -> Record:
    return {name: str(record[name]) for name in _NUMBERS if name in record}


_LOOKS: dict[int, Callable[[Record], Record]] = {
    EMPTY_TIME: _empty_times,
    ODD_CHARACTERS: _odd_titles,
    LONG_TEXT: _long_texts,
    TEXT_NUMBER: _text_numbers,
}


def thin(trait: int, record: Record) -> Record:
    """Leave out what a record with missing fields lacks."""
    return {k: v for k, v in record.items() if k not in _OPTIONAL} if trait == MISSING_FIELDS else record
