"""What several operations have in common: the errors they can end with, and their answers."""

from collections.abc import Mapping

from streamproxy import errors
from streamproxy.errors import ProxyError
from streamproxy.openapi.model import Answer, ErrorClasses

# Whoever asks from elsewhere, or by another name, and faults of our own: on any route.
ANYWHERE: ErrorClasses = (
    errors.ForeignSite,
    errors.Misdirected,
    errors.ClosedToOthers,
    ProxyError,
)
LOCKED: ErrorClasses = (
    *ANYWHERE,
    errors.AuthenticationRequired,
    errors.TooManyAttempts,
    errors.RateLimited,
)
# Those that say nothing of the link: /api/validate answers them with their own status, too.
ASKING: ErrorClasses = (
    *LOCKED,
    errors.MissingUrl,
    errors.InvalidSignature,
    errors.LinkExpired,
)
FETCHING: ErrorClasses = (
    *ASKING,
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

CONVERTING: ErrorClasses = (
    errors.NotSubtitles,
    errors.UnsupportedSubtitles,
    errors.UnknownEncoding,
)


def json_of(schema: str) -> dict[str, Mapping[str, object]]:
    """Return the content of an answer in JSON, by the name of its schema."""
    return {"application/json": {"$ref": f"#/components/schemas/{schema}"}}


TEXT = {"text/plain": {"type": "string"}}
HTML = {"text/html": {"type": "string"}}
ANY: dict[str, Mapping[str, object]] = {"*/*": {}}
WEBVTT = {"text/vtt": {"type": "string"}}
CONDITIONS = ("If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since")
MEDIA_FIELDS = ("Accept-Ranges", "Content-Length", "ETag", "Last-Modified", "Content-Disposition")
TO_PAGE = Answer("The way to the page.", fields=("Location",))
WITHOUT_TOKEN = Answer("The token was right: the way to the same place.", fields=("Location",))
SIGN_IN = Answer("The form to sign in.", HTML)
ASKS_TO_WAIT = Answer("The form to sign in, which says to wait.", HTML, ("Retry-After",))
PAGE = {200: Answer("The page.", HTML), 303: WITHOUT_TOKEN, 401: SIGN_IN, 429: ASKS_TO_WAIT}
UNASKED = Answer("Nobody has to sign in here.", TEXT)
