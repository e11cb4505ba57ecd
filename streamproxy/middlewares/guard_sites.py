"""Keep other web sites from using this proxy through the browsers of its users."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.access.identity import Kind
from streamproxy.access.sites import check_host, check_site, is_loopback
from streamproxy.keys import IDENTITY
from streamproxy.middlewares.repeatable import repeatable

# What opens a WebSocket is a GET, too, of which browsers say the Origin alone.
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def guard_sites(
    *,
    origins: tuple[str, ...] = (),
    server_names: tuple[str, ...] = (),
    frame_ancestors: tuple[str, ...] = (),
    asks_who: bool = False,
) -> Middleware:
    """Return the middleware that refuses what pages of other sites make browsers ask for.

    A link on another site may lead to the page, which then waits for a person; nothing else
    may be asked for from elsewhere, unless the owner permits the origin, or the link is
    signed: then whoever signed it says where it may be shown.

    Outside it: report_errors, verify_signature. Inside it: everything.

    :param origins: whose pages may use the proxy; those of allow_origins.
    :param server_names: names of this proxy; none: any, but on a loopback address only
        loopback's own, unless *asks_who*.
    :param frame_ancestors: whose pages may frame the player's.
    :param asks_who: whether nobody gets anything without showing who they are. A page that
        got here by DNS rebinding has no cookie of ours.
    """

    @repeatable()
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        local = "" if request.transport is None else request.transport.get_extra_info("sockname")
        on_loopback = isinstance(local, tuple) and is_loopback(local[0])
        hosts = request.headers.getall("Host", [])
        check_host(hosts, server_names, on_loopback=on_loopback, asks_who=asks_who)
        identity = request.get(IDENTITY)
        if identity is None or identity.kind is not Kind.SIGNED_LINK:
            check_site(
                request.headers,
                origins,
                is_safe=request.method in _SAFE_METHODS and "Upgrade" not in request.headers,
                may_open=request.match_info.route.name == "page" and request.method == "GET",
                may_frame=bool(frame_ancestors),
            )
        return await handler(request)

    return middleware
