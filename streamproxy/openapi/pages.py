"""The pages, and what they are made of."""

from streamproxy import errors
from streamproxy.openapi.model import Answer, Operation
from streamproxy.openapi.parts import (
    ANY,
    ANYWHERE,
    ASKS_TO_WAIT,
    CONDITIONS,
    HTML,
    LOCKED,
    PAGE,
    SIGN_IN,
    TEXT,
    TO_PAGE,
    UNASKED,
)

PAGES = (
    Operation(
        path="/",
        name="page",
        tag="The page",
        summary="Show the player page",
        parameters=("link", "t", "token"),
        answers=PAGE,
        errors=LOCKED,
    ),
    Operation(
        path="/login",
        name="login",
        method="post",
        tag="The page",
        summary="Begin a session",
        form="Credentials",
        answers={
            303: Answer(
                "The way to the page, with the session.", fields=("Location", "Set-Cookie")
            ),
            401: SIGN_IN,
            404: UNASKED,
            408: Answer("The form did not arrive in time.", TEXT),
            413: Answer("The form is too large.", TEXT),
            415: Answer("It is no form.", TEXT),
            429: ASKS_TO_WAIT,
        },
        errors=(*ANYWHERE, errors.RateLimited),
        is_open=True,
    ),
    Operation(
        path="/logout",
        name="logout",
        method="post",
        tag="The page",
        summary="End the session",
        answers={
            303: Answer("The way to the page, out of the session.", fields=("Location",)),
            404: UNASKED,
        },
        errors=(*ANYWHERE, errors.RateLimited),
        is_open=True,
    ),
    *(
        Operation(
            path=f"/{name}",
            name=name,
            tag="The page",
            summary="Lead to the page",
            description="For whoever reloads what a form led to.",
            answers={303: TO_PAGE},
            errors=(*ANYWHERE, errors.RateLimited),
            is_open=True,
            has_head=False,
        )
        for name in ("login", "logout")
    ),
    Operation(
        path="/static/{filename}",
        name="static",
        tag="The page",
        summary="Serve a file of the page",
        parameters=("filename", "Range", "If-Range", *CONDITIONS),
        answers={
            200: Answer("The file.", ANY),
            206: Answer("A part of the file.", ANY),
            304: Answer("What the client has is still right."),
            403: Answer("It is no file.", ANY),
            404: Answer("There is no such file.", ANY),
            412: Answer("The file is not the one that the client has a part of."),
            416: Answer("Nothing of the range exists."),
        },
        errors=ANYWHERE,
        is_open=True,
    ),
    Operation(
        path="/sw.js",
        name="worker",
        tag="The page",
        summary="Serve the service worker of the page",
        answers={200: Answer("The script.", {"text/javascript": {"type": "string"}})},
        errors=ANYWHERE,
        is_open=True,
    ),
    Operation(
        path="/offline",
        name="offline",
        tag="The page",
        summary="Say that the page's server cannot be reached; the service worker keeps it",
        answers={200: Answer("A page that says so.", HTML)},
        errors=ANYWHERE,
        is_open=True,
    ),
)
