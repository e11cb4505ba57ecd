"""What each route does: the one place that a new route is described in.

Adding a route is adding an entry to OPERATIONS. The entry names the errors that it can end
with by their classes, so that their statuses and codes are said once, in errors/.

Source: the OpenAPI Specification, version 3.1.1.
"""

from collections.abc import Mapping

from streamproxy import errors
from streamproxy.errors import ProxyError
from streamproxy.openapi.model import Answer, ErrorClasses, Operation

# Whoever asks from elsewhere, or by another name, and faults of our own: on any route.
_ANYWHERE: ErrorClasses = (
    errors.ForeignSite,
    errors.Misdirected,
    errors.ClosedToOthers,
    ProxyError,
)
_LOCKED: ErrorClasses = (
    *_ANYWHERE,
    errors.AuthenticationRequired,
    errors.TooManyAttempts,
    errors.RateLimited,
)
# Those that say nothing of the link: /api/validate answers them with their own status, too.
_ASKING: ErrorClasses = (
    *_LOCKED,
    errors.MissingUrl,
    errors.InvalidSignature,
    errors.LinkExpired,
)
_FETCHING: ErrorClasses = (
    *_ASKING,
    errors.InvalidUrl,
    errors.UnsupportedScheme,
    errors.BlockedTarget,
    errors.NotMedia,
    errors.TooLarge,
    errors.RangeNotSatisfiable,
    errors.UpstreamStatus,
    errors.DnsFailure,
    errors.ConnectionRefused,
    errors.TlsError,
    errors.TooManyStreams,
    errors.ShuttingDown,
    errors.UpstreamProtocol,
    errors.TooManyRedirects,
    errors.ConnectTimeout,
    errors.ReadTimeout,
)

_CONVERTING: ErrorClasses = (
    errors.NotSubtitles,
    errors.UnsupportedSubtitles,
    errors.UnknownEncoding,
)


def _json(schema: str) -> dict[str, Mapping[str, object]]:
    return {"application/json": {"$ref": f"#/components/schemas/{schema}"}}


_TEXT = {"text/plain": {"type": "string"}}
_HTML = {"text/html": {"type": "string"}}
_ANY: dict[str, Mapping[str, object]] = {"*/*": {}}
_WEBVTT = {"text/vtt": {"type": "string"}}
_CONDITIONS = ("If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since")
_MEDIA_FIELDS = ("Accept-Ranges", "Content-Length", "ETag", "Last-Modified", "Content-Disposition")
_TO_PAGE = Answer("The way to the page.", fields=("Location",))
_WITHOUT_TOKEN = Answer("The token was right: the way to the same place.", fields=("Location",))
_SIGN_IN = Answer("The form to sign in.", _HTML)
_UNASKED = Answer("Nobody has to sign in here.", _TEXT)

OPERATIONS = (
    Operation(
        path="/stream",
        name="stream",
        tag="Streaming",
        summary="Stream the bytes of a link",
        description="Ranges follow RFC 9110, section 14. After the head is sent there is no error"
        " response any more: a stream that cannot go on is cut, so that the client sees it.",
        parameters=("url", "sig", "token", "download", "Range", "If-Range", *_CONDITIONS),
        answers={
            200: Answer("The whole file.", _ANY, _MEDIA_FIELDS),
            206: Answer("A part of the file.", _ANY, ("Content-Range", *_MEDIA_FIELDS)),
            303: _WITHOUT_TOKEN,
            304: Answer("What the client has is still right.", fields=("ETag", "Last-Modified")),
            412: Answer("The file is not the one that the client has a part of."),
        },
        errors=(*_FETCHING, errors.NotSliceable),
    ),
    Operation(
        path="/subtitles",
        name="subtitles",
        tag="Streaming",
        summary="Fetch subtitles, as WebVTT",
        parameters=("url", "sig", "token", "encoding"),
        answers={200: Answer("The subtitles.", _WEBVTT), 303: _WITHOUT_TOKEN},
        errors=(*_FETCHING, *_CONVERTING),
        has_head=False,
    ),
    Operation(
        path="/subtitles",
        name="local_subtitles",
        tag="Streaming",
        method="post",
        summary="Convert the subtitles of the body to WebVTT",
        parameters=("encoding",),
        takes_file=True,
        answers={200: Answer("The subtitles.", _WEBVTT)},
        errors=(*_LOCKED, *_CONVERTING, errors.TooLarge, errors.ShuttingDown),
    ),
    Operation(
        path="/api/validate",
        name="validate",
        tag="Streaming",
        summary="Say what is known of a link before it plays",
        description="Looks at the link with one small ranged request. That it does not play is an"
        " answer too, with status 200; another status is for a request that is itself at fault.",
        parameters=("url", "sig", "token", "tracks"),
        answers={
            200: Answer("What is known of the link, or why it does not play.", _json("Look")),
            303: _WITHOUT_TOKEN,
        },
        errors=_ASKING,
    ),
    Operation(
        path="/",
        name="page",
        tag="The page",
        summary="Show the player page",
        parameters=("link", "t", "token"),
        answers={
            200: Answer("The page.", _HTML),
            303: _WITHOUT_TOKEN,
            401: _SIGN_IN,
            429: Answer("The form to sign in, which says to wait.", _HTML, ("Retry-After",)),
        },
        errors=_LOCKED,
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
            401: _SIGN_IN,
            404: _UNASKED,
            408: Answer("The form did not arrive in time.", _TEXT),
            413: Answer("The form is too large.", _TEXT),
            415: Answer("It is no form.", _TEXT),
            429: Answer("The form to sign in, which says to wait.", _HTML, ("Retry-After",)),
        },
        errors=(*_ANYWHERE, errors.RateLimited),
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
            404: _UNASKED,
        },
        errors=(*_ANYWHERE, errors.RateLimited),
        is_open=True,
    ),
    *(
        Operation(
            path=f"/{name}",
            name=name,
            tag="The page",
            summary="Lead to the page",
            description="For whoever reloads what a form led to.",
            answers={303: _TO_PAGE},
            errors=(*_ANYWHERE, errors.RateLimited),
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
        parameters=("filename", "Range", "If-Range", *_CONDITIONS),
        answers={
            200: Answer("The file.", _ANY),
            206: Answer("A part of the file.", _ANY),
            304: Answer("What the client has is still right."),
            403: Answer("It is no file.", _ANY),
            404: Answer("There is no such file.", _ANY),
            412: Answer("The file is not the one that the client has a part of."),
            416: Answer("Nothing of the range exists."),
        },
        errors=_ANYWHERE,
        is_open=True,
    ),
    Operation(
        path="/sw.js",
        name="worker",
        tag="The page",
        summary="Serve the service worker of the page",
        answers={200: Answer("The script.", {"text/javascript": {"type": "string"}})},
        errors=_ANYWHERE,
        is_open=True,
    ),
    Operation(
        path="/offline",
        name="offline",
        tag="The page",
        summary="Say that the page's server cannot be reached; the service worker keeps it",
        answers={200: Answer("A page that says so.", _HTML)},
        errors=_ANYWHERE,
        is_open=True,
    ),
    Operation(
        path="/health",
        name="health",
        tag="Operations",
        summary="Say whether this process serves",
        answers={
            200: Answer("It takes new streams.", _json("Health")),
            503: Answer("It is about to stop; running streams come to their end.", _json("Health")),
        },
        errors=_ANYWHERE,
        is_open=True,
    ),
    Operation(
        path="/ready",
        name="ready",
        tag="Operations",
        summary="Say whether to send new streams here",
        answers={
            200: Answer("All that a stream needs is there.", _json("Readiness")),
            503: Answer("Send them to another instance; the reasons say why.", _json("Readiness")),
        },
        errors=_ANYWHERE,
        is_open=True,
    ),
    Operation(
        path="/api/openapi.json",
        name="openapi",
        tag="Operations",
        summary="Describe this API",
        answers={200: Answer("This document.", {"application/json": {"type": "object"}})},
        errors=(*_ANYWHERE, errors.RateLimited),
        is_open=True,
    ),
)
