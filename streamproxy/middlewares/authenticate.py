"""Let in only who shows who they are: by a token, a password, or the session after it."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.access.authenticator import Authenticator
from streamproxy.access.clients import client_key
from streamproxy.access.owner import may_read_metrics
from streamproxy.access.sign_in import (
    SignIn,
    begin_session,
    identify,
    query_without_token,
    token_in_query,
)
from streamproxy.errors import AuthenticationRequired, TooManyAttempts
from streamproxy.keys import IDENTITY, SETTINGS, SIGN_IN

# The names of the routes that need nobody: they show nothing that is anybody's, or are how
# somebody comes in.
_PUBLIC_ROUTES = frozenset(
    {"slash", "static", "worker", "offline", "health", "ready", "openapi", "login", "logout"}
)
# The names of those where a token in the query is exchanged.
_EXCHANGING_ROUTES = frozenset({"page", "admin", "stream", "validate", "subtitles"})
# The names of those that show the form to whoever is not in.
_PAGES = frozenset({"page", "admin"})


def authenticate(authenticator: Authenticator) -> Middleware:
    """Return the middleware that sets ``request[IDENTITY]``, or refuses the request.

    Whoever has an identity already (by a signed link) passes. The pages pass too, so that
    their handlers can ask who is there: ``request[SIGN_IN]`` says what was wrong. A token in
    the query is exchanged for a session, and taken out of the address.

    Outside it: report_errors, guard_sites, verify_signature. Inside it: all that should not
    be for everybody.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        sign_in = request[SIGN_IN] = SignIn(authenticator, client_key(request.remote))
        route = request.match_info.route.name
        if IDENTITY in request or route in _PUBLIC_ROUTES:
            return await handler(request)
        if route == "metrics" and may_read_metrics(request, request.config_dict[SETTINGS]):
            return await handler(request)
        try:
            if route in _EXCHANGING_ROUTES and (token := token_in_query(request)):
                return _exchange(request, sign_in, token)
            request[IDENTITY] = await identify(request, sign_in)
        except (AuthenticationRequired, TooManyAttempts) as exc:
            sign_in.problem = exc
            if route not in _PAGES:
                if isinstance(exc, AuthenticationRequired):
                    exc.fields |= _challenge(request, authenticator)
                raise
        return await handler(request)

    return middleware


def _exchange(request: web.Request, sign_in: SignIn, token: str) -> web.Response:
    """Answer with a session, and with the way to the same place without the token."""
    identity = sign_in.authenticator.by_token(token, sign_in.client)
    query = query_without_token(request)
    # Relative, so that it holds behind whatever prefix a reverse proxy takes off.
    place = f"./{request.rel_url.raw_path.rpartition('/')[2]}"
    fields = {
        "Location": f"{place}?{query}" if query else place,
        "Set-Cookie": begin_session(request, sign_in, identity),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }
    return web.Response(status=303, headers=fields)


def _challenge(request: web.Request, authenticator: Authenticator) -> dict[str, str]:
    """Return the field that says how to come in.

    Scripts and media elements are not told of Basic: the browser would show a dialogue of
    its own over the page, which has a better one.
    """
    by_script = request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"
    return {"WWW-Authenticate": authenticator.challenge(with_basic=not by_script)}
