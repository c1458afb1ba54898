"""The structures of deals and their activities."""

from __future__ import annotations

import msgspec

from zra_async.api.schema import Instant, Model, Number


class CustomerContact(Model, frozen=True, kw_only=True):
    """A customer's contact for a deal."""

    customer_contact_id: str = ""
    customer_contact_name: str | None = None


class Deal(Model, frozen=True, kw_only=True):
    """One deal. `close_date` is a calendar date, `time_in_stage` is in days, `account_type` names the CRM.

    `deal_retrospective` is written by the service and comes with closed deals alone.
    """

    deal_id: str = ""
    deal_name: str | None = None
    deal_stage: str | None = None
    deal_description: str | None = None
    deal_retrospective: str | None = None
    deal_amount: Number | None = None
    currency_type: str | None = None
    deal_is_closed: bool | None = None
    deal_is_private: bool | None = None
    account_name: str | None = None
    account_type: str | None = None
    customer_account_id: str | None = None
    customer_contact: tuple[CustomerContact, ...] = ()
    owner_id: str | None = None
    owner_name: str | None = None
    owner_email: str | None = None
    create_time: Instant | None = None
    last_activity_time: Instant | None = None
    close_date: str | None = None
    time_in_stage: Number | None = None
    number_of_conversations: int | None = None


class DealDetail(Deal, frozen=True, kw_only=True):
    """One deal with the names of its contacts."""

    contacts: tuple[str, ...] = ()


class DealPage(Model, frozen=True, kw_only=True):
    """One page of deals, and the period that it covers."""

    deals: tuple[Deal, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None
    from_: Instant | None = msgspec.field(name="from", default=None)
    to: Instant | None = None


class DealActivity(Model, frozen=True, kw_only=True):
    """A conversation (`conversation_id`) or a message (`message_ids`) that belongs to a deal."""

    activity_type: str | None = None
    conversation_id: str | None = None
    conversation_topic: str | None = None
    message_ids: str | None = None
    number_of_message_in_thread: int | None = None
    direction: str | None = None
    host_id: str | None = None
    start_date: Instant | None = None
    duration: Number | None = None
    deal_stage: str | None = None
    stage_during_conversation: str | None = None
    processing_analysis: bool | None = None
    engagement_score: Number | None = None
    sentiment_score: Number | None = None
    summary: str | None = None
    next_steps: tuple[str, ...] = ()


class DealActivityPage(Model, frozen=True, kw_only=True):
    """One page of activities."""

    activities: tuple[DealActivity, ...] = ()
    next_page_token: str = ""
    page_size: int | None = None
