"""Let the pages of other origins use the API (CORS)."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.keys import RESPONSE_FIELDS
from streamproxy.middlewares.repeatable import repeatable

# What a player of another origin needs to see to seek, and to know when to ask again.
_EXPOSED = (
    "Accept-Ranges, Content-Length, Content-Range, ETag, Retry-After, RateLimit, RateLimit-Policy, "
    "X-Request-Id"
)


def allow_origins(origins: tuple[str, ...]) -> Middleware:
    """Return the middleware that lets pages of the given origins read the answers.

    Outside it: nothing, so that errors are readable too. Inside it: everything.

    :param origins: such as ``https://example.com``; ``*``: any. Never with credentials.

    Source: the WHATWG Fetch standard, section 3.3 (CORS protocol).
    """

    @repeatable()
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        fields = {} if "*" in origins else {"Vary": "Origin"}
        origin = request.headers.get("Origin", "").lower()
        if "*" in origins or origin in origins:
            fields["Access-Control-Allow-Origin"] = "*" if "*" in origins else origin
            fields["Access-Control-Expose-Headers"] = _EXPOSED
            if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
                fields["Access-Control-Allow-Methods"] = "GET, HEAD"
                fields["Access-Control-Allow-Headers"] = "Authorization, Range, If-Range"
                fields["Access-Control-Max-Age"] = "86400"
                return web.Response(status=204, headers=fields)
        request[RESPONSE_FIELDS] = request.get(RESPONSE_FIELDS, {}) | fields
        response = await handler(request)
        if not response.prepared:
            response.headers.update(fields)
        return response

    return middleware
