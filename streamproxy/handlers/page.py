"""GET /: the player page."""

from urllib.parse import parse_qsl, quote

import aiohttp_jinja2
from aiohttp import web

from streamproxy.access.identity import DEFAULT_TOKEN, Identity
from streamproxy.access.sites import comes_from_elsewhere
from streamproxy.handlers.login import login_page
from streamproxy.handlers.words import words_for
from streamproxy.keys import IDENTITY, SAMPLE_LINK, SETTINGS, SIGN_IN
from streamproxy.protocol.times import parse_time
from streamproxy.version import __version__

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors {}"
)
_FIELDS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Language",
}


async def page(request: web.Request) -> web.Response:
    """Answer with the page; the link in ?url= is read by the page itself, or played without it.

    Where nobody knows yet who is there, the answer is the form to sign in.
    """
    sign_in = request.get(SIGN_IN)
    if sign_in is not None and IDENTITY not in request:
        return login_page(request, sign_in)
    is_session = sign_in is not None and sign_in.by_session
    words = words_for(request)
    context = {
        "t": words,
        "version": __version__,
        "sample_link": request.config_dict.get(SAMPLE_LINK, ""),
        "signed_in_as": _shown(request[IDENTITY]) if is_session else "",
        "waits": comes_from_elsewhere(request.headers),
        **_asked_for(request),
    }
    response = aiohttp_jinja2.render_template("index.html", request, context)
    ancestors = " ".join(request.config_dict[SETTINGS].frame_ancestor) or "'none'"
    response.headers.update(_FIELDS)
    response.headers["Content-Language"] = words.language
    response.headers["Content-Security-Policy"] = _POLICY.format(ancestors)
    return response


def _asked_for(request: web.Request) -> dict[str, str]:
    """Return the link in the query as it is shown, its address here, and where to start in it."""
    query = parse_qsl(request.rel_url.raw_query_string, errors="surrogateescape")
    values = dict(reversed(query))  # the first of each name, as the page's scripts read them
    link = values.get("url", "").strip()
    start = parse_time(values.get("t", ""))
    address = f"stream?url={quote(link, safe='', errors='surrogateescape')}" if link else ""
    return {
        "link": link.encode(errors="surrogateescape").decode(errors="replace"),
        "address": address,
        "start": f"#t={start}" if start else "",
    }


def _shown(identity: Identity) -> str:
    """Return who somebody is, as they know themselves."""
    return "owner" if identity.name == DEFAULT_TOKEN else identity.name


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
