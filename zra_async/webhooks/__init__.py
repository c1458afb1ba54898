"""The receiver of webhooks: check the signature, answer the URL validation, and read typed events.

    receiver = WebhookReceiver(secret_token)
    match receiver.receive(request.headers, await request.read()):
        case UrlValidation(answer=answer):
            return json_response(answer)  # within three seconds
        case ConversationAnalysisCompletedEvent(conversation_id=conversation_id):
            ...  # an event may come more than once, and before its data can be read
        case PlaylistCreateEvent() as event:
            ...
        case UnknownEvent(name=name):
            ...

An event can be stored: ``msgspec.json.encode(event)`` is read by ``msgspec.json.decode(text, type=WebhookEvent)``.
Nothing here does I/O, so that any web framework can use it.
"""

from zra_async.webhooks.events import (
    Association,
    AssociationChange,
    ConversationAnalysisCompletedEvent,
    ConversationCrmAssociationsChangedEvent,
    ConversationSource,
    PlaylistAddMomentEvent,
    PlaylistCreateEvent,
    PlaylistDeleteEvent,
    PlaylistRemoveMomentEvent,
    PlaylistType,
    PostCommentCompletedEvent,
    UnknownEvent,
    UrlValidation,
    WebhookEvent,
)
from zra_async.webhooks.receiver import WebhookReceiver
from zra_async.webhooks.request import Body, Headers

__all__ = [
    "Association",
    "AssociationChange",
    "Body",
    "ConversationAnalysisCompletedEvent",
    "ConversationCrmAssociationsChangedEvent",
    "ConversationSource",
    "Headers",
    "PlaylistAddMomentEvent",
    "PlaylistCreateEvent",
    "PlaylistDeleteEvent",
    "PlaylistRemoveMomentEvent",
    "PlaylistType",
    "PostCommentCompletedEvent",
    "UnknownEvent",
    "UrlValidation",
    "WebhookEvent",
    "WebhookReceiver",
]
