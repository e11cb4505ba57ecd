"""The streams that run."""

from streamproxy import errors
from streamproxy.openapi.model import Answer, Operation
from streamproxy.openapi.parts import LOCKED, PAGE, TEXT, json_of

_EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
_EVENTS = {"text/event-stream": _EVENT}
_NO_ID = Answer("It is no id.", TEXT)

SESSIONS = (
    Operation(
        path="/admin",
        name="admin",
        tag="Sessions",
        summary="Show the streams that run, live",
        parameters=("token",),
        answers=PAGE,
        errors=(*LOCKED, errors.OwnerOnly),
    ),
    Operation(
        path="/api/sessions",
        name="sessions",
        tag="Sessions",
        summary="List the streams that run",
        description="For the owner alone, as the others that end or show what is of others.",
        answers={200: Answer("The streams, the oldest first.", json_of("Sessions"))},
        errors=(*LOCKED, errors.OwnerOnly),
        has_head=False,
    ),
    Operation(
        path="/api/sessions/events",
        name="events",
        tag="Sessions",
        summary="Send the list each second, as server-sent events",
        answers={200: Answer("Events without end.", _EVENTS)},
        errors=(*LOCKED, errors.OwnerOnly, errors.NotInstalled),
        has_head=False,
    ),
    Operation(
        path="/api/sessions/own",
        name="own_sessions",
        tag="Sessions",
        summary="List the streams of a link that one has made oneself",
        parameters=("url",),
        answers={200: Answer("How far each is, the oldest first.", json_of("OwnSessions"))},
        errors=(*LOCKED, errors.MissingUrl, errors.InvalidUrl, errors.UnsupportedScheme),
        has_head=False,
    ),
    Operation(
        path="/api/sessions/{id}",
        name="session",
        tag="Sessions",
        summary="Say how far a stream is",
        description="To whoever made it, without what only the owner sees.",
        parameters=("id",),
        answers={200: Answer("How far it is.", json_of("Session")), 404: _NO_ID},
        errors=(*LOCKED, errors.NoSuchSession),
        has_head=False,
    ),
    Operation(
        path="/api/sessions/{id}",
        name="session",
        tag="Sessions",
        method="delete",
        summary="End a stream; its client sees a cut",
        parameters=("id",),
        answers={204: Answer("It ends."), 404: _NO_ID},
        errors=(*LOCKED, errors.OwnerOnly, errors.NoSuchSession),
    ),
)
