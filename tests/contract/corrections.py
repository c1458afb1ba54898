"""Where the library knowingly departs from the letter of the reference, each with its reason.

This is the whole list: whatever else differs is a fault, and so is an entry that is no longer needed.
"""

from __future__ import annotations

from collections.abc import Mapping

#: arguments whose name is not that of the wire: words that Python reserves, words that say more, and short ones
ARGUMENTS: Mapping[str, str] = {
    "from": "from_",  # reserved in Python
    "next_page_token": "cursor",  # where to resume is what a caller means by it
    "crm_account_ids": "ids",  # zra.crm.accounts.get(ids) says whose ids they are
    "crm_contact_ids": "ids",
    "crm_deal_ids": "ids",
    "crm_lead_ids": "ids",
    "data": "records",  # what zra.crm.….import_records imports
    "file": "content",  # bytes or a body, not a file object
}

#: the granular scopes of a row that are not those of the reference
GRANULAR_SCOPES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "legacy.comments.add": (
        ("zra:read:list_conversation_comments", "zra:read:list_conversation_comments:admin"),
        "the current operation is documented with the scopes of reading, its deprecated twin with those of writing; "
        "one row stands for both, and follows the current one",
    ),
    "legacy.teams.list": (
        ("zra:read:team_list:admin",),
        "the deprecated twin is documented without granular scopes, the current operation with one",
    ),
}

#: what a method asks for although the reference marks it as optional
REQUIRED_HERE: Mapping[tuple[str, str], str] = {
    ("conversations.update_host", "new_host_id"): "without it the call is refused: 300, Missing field",
    ("teams.access.revoke_from", "team_ids"): "without ids the call names no team to revoke from",
    ("teams.access.revoke_to", "team_ids"): "without ids the call names no team to revoke to",
    ("teams.members.add", "user_id"): "a new member is named by one of the two",
    ("teams.members.add", "email"): "a new member is named by one of the two",
    ("files.upload_events", "upload_context"): "completing an upload needs it, as its description says",
    ("files.upload_events", "part_number_etags"): "completing an upload needs them, as their description says",
    ("files.upload_events", "file_name"): "creating an upload needs it, as its description says",
    ("files.upload_events", "params"): "both methods need their parameters",
    ("files.upload_events", "etag"): "a receipt without its etag completes nothing",
    ("files.upload_events", "part_number"): "a receipt without its number completes nothing",
}

#: fields that are documented as integers and read as numbers: a fraction in an amount, a score or a measure is no
#: mistake, and must not be cut
MEASURES: Mapping[str, str] = {
    "deal_amount": "an amount of money; its filter min_deal_amount is documented with a fraction",
    "duration": "minutes",
    "duration_sec": "seconds",
    "engagement_score": "a score; others are documented as numbers",
    "filler_words_count": "a rate per minute",
    "sentiment_score": "a score; others are documented as numbers",
    "time_in_stage": "days",
    "time_s": "seconds from the start of the recording",
}

#: arguments that exclude each other although the reference lists them side by side: exactly one is sent
EXCLUSIVE: Mapping[str, tuple[str, ...]] = {
    "conversations.add": ("file_id", "download_url"),
    "deals.delete_activity": ("conversation_id", "message_id"),
}

#: arguments of which one at least is needed although the reference marks all of them as optional
ONE_OF: Mapping[str, tuple[str, ...]] = {
    "conversations.add_recording": ("meeting_uuid", "recording_link"),  # where both come, the service goes by the link
}

#: arguments that are no field of the reference
EXTRA_ARGUMENTS: Mapping[tuple[str, str], str] = {
    ("files.upload_single", "file_name"): "the name of the form's file part, from which the service reads the type",
    ("teams.members.add", "user_ids"): "the user_id of each entry of the list that is sent",
    ("teams.members.add", "emails"): "the email of each entry of the list that is sent",
}

#: documented enum values that only describe a value
PLACEHOLDERS: Mapping[str, str] = {
    "the value of the user_id": "stands for any user id, which an open enum takes as an unknown value",
}

#: answers that are read as another type than the documented one
ANSWER_TYPES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("teams.managers.list", "page_size"): (
        "integer",
        "the one page size that is written as a text is read as a number",
    ),
}

#: values of documented answers that stand for a value: they are read as None
NO_VALUES: Mapping[str, str] = {
    "yyyy-MM-dd'T'HH:mm:ss'Z'": "a pattern in the place of a time",
}
