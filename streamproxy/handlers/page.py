"""GET /: the player page."""

import aiohttp_jinja2
from aiohttp import web

from streamproxy.keys import SAMPLE_LINK
from streamproxy.version import __version__

_FIELDS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


async def page(request: web.Request) -> web.Response:
    """Answer with the page; the link in ?url= is read by the page itself."""
    context = {"version": __version__, "sample_link": request.config_dict.get(SAMPLE_LINK, "")}
    response = aiohttp_jinja2.render_template("index.html", request, context)
    response.headers.update(_FIELDS)
    return response


async def add_slash(request: web.Request) -> web.Response:
    """Redirect from a prefix to the page under it, whose links are relative."""
    location = request.rel_url.raw_path.rpartition("/")[2] + "/"
    query = request.rel_url.raw_query_string
    raise web.HTTPPermanentRedirect(f"{location}?{query}" if query else location)


async def revalidate_static(request: web.Request, response: web.StreamResponse) -> None:
    """Let browsers keep static files, but ask each time whether they changed (a signal)."""
    if request.match_info.route.name == "static":
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
