"""What every answer says about itself, whoever made it."""

from aiohttp import web

from streamproxy.protocol.fields import SECURITY_FIELDS


async def make_inert(_request: web.Request, response: web.StreamResponse) -> None:
    """Let no answer be taken for a page, unless it says for itself what it may do (a signal).

    So it is also with aiohttp's own: unknown routes, other methods, redirects.
    """
    for name, value in SECURITY_FIELDS.items():
        response.headers.setdefault(name, value)
    # Which versions of what run here is for nobody to know.
    response.headers["Server"] = "streamproxy"
