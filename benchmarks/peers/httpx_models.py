"""The documented answers as pydantic models, for the clients on httpx.

`Optional` is what generated SDKs write, and it is not the same at run time as a union with ``|``.
"""

# ruff: noqa: UP045

from __future__ import annotations

from datetime import datetime
from typing import Optional

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(extra="allow")


class Conversation(Model):
    """One conversation as it stands in a list."""

    conversation_id: Optional[str] = None
    conversation_topic: Optional[str] = None
    conversation_type: Optional[str] = None
    topic: Optional[str] = None
    host_id: Optional[str] = None
    deal_id: Optional[str] = None
    meeting_id: Optional[int] = None
    meeting_uuid: Optional[str] = None
    meeting_start_time: Optional[datetime] = None
    iq_processed_time: Optional[datetime] = None
    processing_analysis: Optional[bool] = None
    duration: Optional[int] = None
    duration_sec: Optional[int] = None
    engagement_score: Optional[int] = None
    sentiment_score: Optional[int] = None
    engaging_questions_count: Optional[int] = None
    next_steps_count: Optional[int] = None
    filler_words_count: Optional[int] = None


class ConversationPage(Model):
    """One page."""

    conversations: list[Conversation] = []
    next_page_token: Optional[str] = None
    page_size: Optional[int] = None
    from_: Optional[datetime] = Field(default=None, alias="from")
    to: Optional[datetime] = None


class UserCount(Model):
    """How often one user has viewed or shared something."""

    user_id: Optional[str] = None
    user_display_name: Optional[str] = None
    counts: Optional[int] = None


class ConversationView(Model):
    """Who has viewed a conversation."""

    total_view_counts: Optional[int] = None
    view_user_infos: Optional[list[UserCount]] = None


class Moment(Model):
    """A part that somebody has marked."""

    moment_id: Optional[str] = None
    moment_name: Optional[str] = None
    create_user_id: Optional[str] = None
    create_user_display_name: Optional[str] = None
    share_counts: Optional[str] = None
    share_user_infos: Optional[list[UserCount]] = None


class Deal(Model):
    """The deal of a conversation."""

    id: Optional[str] = None
    name: Optional[str] = None
    stage: Optional[str] = None
    customer_crm_account_name: Optional[str] = None
    close_date: Optional[str] = None


class Participant(Model):
    """Somebody who took part."""

    display_name: Optional[str] = None
    email: Optional[str] = None
    type: Optional[str] = None


class ConversationDetail(Conversation):
    """One conversation in detail."""

    conversation_url: Optional[str] = None
    summary: Optional[str] = None
    host_email: Optional[str] = None
    start_time: Optional[datetime] = None
    calendar_client: Optional[str] = None
    event_id: Optional[str] = None
    deal: Optional[Deal] = None
    stage_during_conversation: Optional[str] = None
    participants: Optional[list[Participant]] = None
    conversation_view: Optional[ConversationView] = None
    moment_info: Optional[list[Moment]] = None
    recording_download_url: Optional[str] = None
