"""Hold each user, and each token, to the rights that the ACL file gives them."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.access.acl import Acl
from streamproxy.keys import HOST_RULE, IDENTITY, MAX_SIZE
from streamproxy.middlewares.slots import KINDS, Slots


def enforce_acl(acl: Acl) -> Middleware:
    """Return the middleware that narrows hosts, sizes and streams by who asks.

    Outside it: report_errors, and what sets ``request[IDENTITY]``: verify_signature and
    authenticate. Inside it: validate_url, which judges the hosts, and limit_size.
    """
    running = Slots()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        identity = request.get(IDENTITY)
        rights = acl.rights_of(identity)
        request[HOST_RULE] = rights.hosts
        request[MAX_SIZE] = rights.max_file_size
        kind = KINDS.get(request.match_info.route.name or "")
        if kind is None:
            return await handler(request)
        owned = (kind, identity)
        running.take(owned, rights.max_streams, "As many streams run as you may have.")
        try:
            return await handler(request)
        finally:
            running.free(owned)

    return middleware
