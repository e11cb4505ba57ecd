"""What lets a browser install the page, beside the static manifest and icons."""

import aiohttp_jinja2
from aiohttp import web

from streamproxy.handlers.words import words_for
from streamproxy.version import __version__

# A worker keeps to the policy that itself came with.
_WORKER_FIELDS = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'",
    "Cache-Control": "no-cache",
}
_OFFLINE_FIELDS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Vary": "Accept-Language",
}


async def service_worker(request: web.Request) -> web.Response:
    """Answer with the service worker: here, not in static/, since its place is its scope."""
    # With the version in it, it differs after each upgrade: browsers then install it anew.
    text = aiohttp_jinja2.render_string("sw.js", request, {"version": __version__})
    return web.Response(text=text, content_type="text/javascript", headers=_WORKER_FIELDS)


async def offline_page(request: web.Request) -> web.Response:
    """Answer with the page that the service worker shows where this server is out of reach.

    It is for everybody, and so holds nothing that is anybody's.
    """
    words = words_for(request)
    context = {"t": words, "version": __version__}
    response = aiohttp_jinja2.render_template("offline.html", request, context)
    response.headers.update(_OFFLINE_FIELDS)
    response.headers["Content-Language"] = words.language
    return response
