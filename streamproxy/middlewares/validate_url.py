"""Check the link of a request before anything is fetched for it."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.keys import CLIENT, HOST_RULE, LINK
from streamproxy.middlewares.parameters import url_parameter
from streamproxy.protocol.loops import check_loop
from streamproxy.targets.links import parse_link
from streamproxy.targets.policy import TargetPolicy, check_target

# The names of the routes that fetch a link; the page takes one too, but only shows it.
_FETCHING_ROUTES = frozenset({"stream", "validate"})


def validate_url(policy: TargetPolicy, *, routes: frozenset[str] = _FETCHING_ROUTES) -> Middleware:
    """Return the middleware that parses the link and holds it against the policy.

    Outside it: report_errors. Inside it: whatever reads ``request[LINK]``. Each hop of a
    redirect, and each address, is judged again where it is dialled. ``request[HOST_RULE]``
    is honoured where a middleware outside has set it.

    :param routes: names of the routes that must come with exactly one url parameter.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.route.name in routes:
            _refuse_loops(request)
            link = parse_link(url_parameter(request.rel_url.raw_query_string))
            request[LINK] = link  # before it is judged, so that the log can name it
            rule = request.get(HOST_RULE)
            check_target(link, policy.narrowed(rule) if rule else policy)
        return await handler(request)

    return middleware


def _refuse_loops(request: web.Request) -> None:
    """Refuse a request that has come round, and learn where requests arrive."""
    client = request.config_dict[CLIENT]
    check_loop(request.headers.getall("User-Agent", ()), client.instance)
    if request.transport is not None:
        client.own.add(request.transport.get_extra_info("sockname"))
