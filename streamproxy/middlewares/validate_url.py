"""Check the link of a request before anything is fetched for it."""

from functools import lru_cache

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.keys import CLIENT, HOST_RULE, LINK
from streamproxy.middlewares.repeatable import repeatable
from streamproxy.protocol.loops import check_loop
from streamproxy.protocol.parameters import url_parameter
from streamproxy.targets.links import Link, parse_link
from streamproxy.targets.policy import TargetPolicy, check_target

# The names of the routes that fetch a link; the page takes one too, but only shows it.
_FETCHING_ROUTES = frozenset({"stream", "validate", "subtitles"})
# Characters of a query that is remembered with its link; a few MiB for all of them.
_MAX_KEPT = 4096


def validate_url(policy: TargetPolicy, *, routes: frozenset[str] = _FETCHING_ROUTES) -> Middleware:
    """Return the middleware that parses the link and holds it against the policy.

    Outside it: report_errors. Inside it: whatever reads ``request[LINK]``. Each hop of a
    redirect, and each address, is judged again where it is dialled. ``request[HOST_RULE]``
    is honoured where a middleware outside has set it.

    :param routes: names of the routes that must come with exactly one url parameter.
    """

    @repeatable()
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.route.name in routes:
            _refuse_loops(request)
            link = _link_of(request.rel_url.raw_query_string)
            request[LINK] = link  # before it is judged, so that the log can name it
            rule = request.get(HOST_RULE)
            check_target(link, policy.narrowed(rule) if rule else policy)
        return await handler(request)

    return middleware


def _link_of(raw_query: str) -> Link:
    """Return the link of a query: a player asks for a hundred ranges of one."""
    return (_parse_query if len(raw_query) > _MAX_KEPT else _recall_query)(raw_query)


def _parse_query(raw_query: str) -> Link:
    return parse_link(url_parameter(raw_query))


_recall_query = lru_cache(maxsize=1024)(_parse_query)


def _refuse_loops(request: web.Request) -> None:
    """Refuse a request that has come round, and learn where requests arrive."""
    client = request.config_dict[CLIENT]
    check_loop(request.headers.getall("User-Agent", ()), client.instance)
    if request.transport is not None:
        client.own.add(request.transport.get_extra_info("sockname"))
