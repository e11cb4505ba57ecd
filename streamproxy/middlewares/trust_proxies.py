"""See past the reverse proxies that the owner trusts."""

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.access.clients import Network, client_address, forwarded_scheme, is_trusted
from streamproxy.middlewares.repeatable import repeatable


def trust_proxies(networks: Sequence[Network]) -> Middleware:
    """Return the middleware that gives the client's own address and scheme to all inside it.

    They are taken from X-Forwarded-For and X-Forwarded-Proto where the peer lies in one of
    the *networks*, and go on as request.remote and request.scheme. From anybody else the
    fields are ignored: everybody can send them.

    Outside it: nothing, since it hands a copy of the request on. Inside it: everything.

    Not aiohttp-remotes 1.4: XForwardedRelaxed counts hops without asking who sent the field,
    XForwardedFiltered believes it from every peer, and XForwardedStrict wants exactly the
    hops that it was told; all of them answer a port or an ``unknown`` in the field with 400,
    and so would cut off clients whose proxy writes such.
    """

    @repeatable()
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        peer = request.remote
        if peer is None or not is_trusted(peer, networks):
            return await handler(request)
        fields = request.headers
        remote = client_address(peer, fields.getall("X-Forwarded-For", ()), networks)
        scheme = forwarded_scheme(fields.getall("X-Forwarded-Proto", ()))
        return await handler(request.clone(remote=remote, scheme=scheme or request.scheme))

    return middleware
