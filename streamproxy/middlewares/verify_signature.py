"""Let in whoever brings a signed link, to that link alone."""

import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.access.identity import Identity, Kind
from streamproxy.access.signing import LinkSigner
from streamproxy.errors import InvalidSignature
from streamproxy.keys import IDENTITY
from streamproxy.protocol.parameters import parameters

_FETCHING_ROUTES = frozenset({"stream", "validate", "subtitles"})


def verify_signature(signer: LinkSigner) -> Middleware:
    """Return the middleware that verifies the sig parameter of requests that have one.

    Those get ``request[IDENTITY]``, or are refused. Requests without one pass as they are.
    The signature is looked at when a request begins: a stream that runs is not cut when its
    time is over.

    Outside it: report_errors, and trust_proxies behind a reverse proxy, for links that are
    for one network. Inside it: authenticate, which asks nothing of whoever has an identity.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        query = request.rel_url.raw_query_string
        signatures = parameters(query, "sig")
        if signatures and request.match_info.route.name in _FETCHING_ROUTES:
            links = parameters(query, "url")
            if len(signatures) != 1 or len(links) != 1:
                raise InvalidSignature("A signed link has exactly one url and one sig parameter.")
            signer.verify(links[0], signatures[0], request.remote, time.time())
            request[IDENTITY] = Identity(Kind.SIGNED_LINK)
        return await handler(request)

    return middleware
