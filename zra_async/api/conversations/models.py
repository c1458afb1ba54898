"""The structures of conversations, in answers and in requests that add one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from zra_async.api.arguments import check_many, check_text
from zra_async.api.schema import Instant, Model, Number, OpenEnum, Record

ConversationType = Literal["meeting", "phone"]
ListedType = Literal["all", "meeting", "phone"]
PeriodType = Literal["meetingStartTime", "iqProcessedTime"]
CalloutType = Literal["engagingQuestions", "nextSteps"]
PrimaryLanguage = Literal["en", "es", "fr", "de", "it", "zh", "ru", "uk", "ja", "ko", "vi", "pt", "nl", "hi"]

MAX_PARTICIPANTS = 200
MAX_SPEAKERS = 50
_LINKS = frozenset({"downloadUrl", "recording_download_url"})


class ParticipantType(OpenEnum):
    """The side that a participant is on."""

    REP = "rep"
    CUSTOMER = "customer"


# --------------------------------------------------------------------------- answers


class Conversation(Model, frozen=True, kw_only=True):
    """One conversation of a list. `duration` is in minutes, `duration_sec` in seconds."""

    conversation_id: str = ""
    conversation_topic: str | None = None
    conversation_type: str | None = None
    topic: str | None = None
    host_id: str | None = None
    deal_id: str | None = None
    meeting_id: int | None = None
    meeting_uuid: str | None = None
    meeting_start_time: Instant | None = None
    iq_processed_time: Instant | None = None
    processing_analysis: bool | None = None
    duration: Number | None = None
    duration_sec: Number | None = None
    engagement_score: Number | None = None
    sentiment_score: Number | None = None
    engaging_questions_count: int | None = None
    next_steps_count: int | None = None
    filler_words_count: Number | None = None  #: per minute


class ConversationPage(Model, frozen=True, kw_only=True):
    """One page of conversations, and the period that it covers."""

    conversations: tuple[Conversation, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None
    from_: Instant | None = msgspec.field(name="from", default=None)
    to: Instant | None = None


class UserCount(Model, frozen=True, kw_only=True):
    """The number of times that one user has viewed or shared something."""

    user_id: str = ""
    user_display_name: str | None = None
    counts: int | None = None


class ConversationView(Model, frozen=True, kw_only=True):
    """A user's views of a conversation."""

    total_view_counts: int | None = None
    view_user_infos: tuple[UserCount, ...] = ()


class Moment(Model, frozen=True, kw_only=True):
    """A part of a conversation that a user has marked; the service sends `share_counts` as a text."""

    moment_id: str = ""
    moment_name: str | None = None
    create_user_id: str | None = None
    create_user_display_name: str | None = None
    share_counts: str | None = None
    share_user_infos: tuple[UserCount, ...] = ()


class ConversationDeal(Model, frozen=True, kw_only=True):
    """The deal of a conversation; `stage` is the present one, `close_date` a calendar date."""

    id: str = ""
    name: str | None = None
    stage: str | None = None
    customer_crm_account_name: str | None = None
    close_date: str | None = None


class ConversationParticipant(Model, frozen=True, kw_only=True):
    """A participant of a conversation."""

    display_name: str | None = None
    email: str | None = None
    type: ParticipantType | None = None


class ConversationDetail(Model, frozen=True, kw_only=True):
    """Everything about one conversation but its content. Its ``repr`` hides the links, which are keys to a recording.

    `duration` is in minutes, `duration_sec` in seconds; links expire after one hour.
    """

    conversation_id: str = ""
    conversation_topic: str | None = None
    conversation_type: str | None = None
    conversation_url: str | None = None
    topic: str | None = None
    summary: str | None = None
    host_id: str | None = None
    host_email: str | None = None
    meeting_id: int | None = None
    meeting_uuid: str | None = None
    meeting_start_time: Instant | None = None
    start_time: Instant | None = None
    iq_processed_time: Instant | None = None
    duration: Number | None = None
    duration_sec: Number | None = None
    engagement_score: Number | None = None
    sentiment_score: Number | None = None
    calendar_client: str | None = None
    event_id: str | None = None
    deal: ConversationDeal | None = None
    stage_during_conversation: str | None = None
    participants: tuple[ConversationParticipant, ...] = ()
    conversation_view: ConversationView | None = None
    moment_info: tuple[Moment, ...] = ()
    recording_download_url: str | None = None
    downloadUrl: str | None = None  # noqa: N815 (the name on the wire)

    @property
    def download_link(self) -> str | None:
        """The link to the recording, whichever field it came in; None when there is none."""
        return self.recording_download_url or self.downloadUrl or None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, "***" if value and name in _LINKS else value) for name, value in fields]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


class AddedConversation(Model, frozen=True, kw_only=True):
    """A conversation that was added; its analysis begins later."""

    ESSENTIAL: ClassVar[frozenset[str]] = frozenset({"conversation_id"})

    conversation_id: str = ""


class AddedRecording(Model, frozen=True, kw_only=True):
    """The meeting whose recording was added."""

    ESSENTIAL: ClassVar[frozenset[str]] = frozenset({"meeting_uuid"})

    meeting_uuid: str = ""


# --------------------------------------------------------------------------- what is sent


class Participant(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A participant of a conversation that is added; for people outside the account the name is enough."""

    display_name: str
    email: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        check_text("display_name", self.display_name)


class TimelineItem(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The speakers (at most 50) from a position in the recording on, such as ``00:00:01.910``."""

    start_time_in_recording: str
    participants: Sequence[Participant]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_text("start_time_in_recording", self.start_time_in_recording)
        msgspec.structs.force_setattr(self, "participants", check_many("participants", self.participants, MAX_SPEAKERS))
