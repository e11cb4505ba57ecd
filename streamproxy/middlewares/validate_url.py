"""Check the link of a request before anything is fetched for it."""

from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.errors import BlockedTarget, MissingUrl
from streamproxy.keys import LINK
from streamproxy.targets.links import parse_link
from streamproxy.targets.policy import TargetPolicy, check_target
from streamproxy.upstream.client import INSTANCE

# The names of the routes that fetch a link; the page takes one too, but only shows it.
_FETCHING_ROUTES = frozenset({"stream", "validate"})


def validate_url(policy: TargetPolicy, *, routes: frozenset[str] = _FETCHING_ROUTES) -> Middleware:
    """Return the middleware that parses the link and holds it against the policy.

    Outside it: report_errors. Inside it: whatever reads ``request[LINK]``. Each hop of a
    redirect, and each address, is judged again where it is dialled.

    :param routes: names of the routes that must come with exactly one url parameter.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.route.name in routes:
            if INSTANCE in request.headers.get("User-Agent", ""):
                raise BlockedTarget("The link leads back to this proxy.")
            link = parse_link(_url_parameter(request.rel_url.raw_query_string))
            request[LINK] = link  # before it is judged, so that the log can name it
            check_target(link, policy)
        return await handler(request)

    return middleware


def _url_parameter(raw_query: str) -> str:
    """Return the url parameter, decoded once; bytes that are no UTF-8 stay what they are."""
    pairs = parse_qsl(raw_query, keep_blank_values=True, errors="surrogateescape")
    values = [value for name, value in pairs if name == "url"]
    if len(values) != 1 or not values[0].strip():
        given = "none" if not values else "an empty one" if len(values) == 1 else str(len(values))
        raise MissingUrl(f"The request needs exactly one url parameter; it has {given}.")
    return values[0]
