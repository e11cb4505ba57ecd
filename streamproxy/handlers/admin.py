"""GET /admin: the streams that run, live, for the owner."""

import aiohttp_jinja2
from aiohttp import web

from streamproxy.handlers.events import is_live
from streamproxy.handlers.login import login_page
from streamproxy.handlers.sessions import check_owner
from streamproxy.handlers.words import words_for
from streamproxy.keys import IDENTITY, SIGN_IN
from streamproxy.version import __version__

_FIELDS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}


async def admin(request: web.Request) -> web.Response:
    """Answer with the page, which asks for what it shows; or with the form to sign in."""
    sign_in = request.get(SIGN_IN)
    if sign_in is not None and IDENTITY not in request:
        return login_page(request, sign_in)
    check_owner(request)
    words = words_for(request)
    context = {"t": words, "version": __version__, "is_live": is_live()}
    response = aiohttp_jinja2.render_template("admin.html", request, context)
    response.headers.update(_FIELDS)
    response.headers["Content-Language"] = words.language
    return response
