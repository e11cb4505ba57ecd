"""Signing in: what the chain knows of it, and the cookie that remembers it."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from streamproxy.access.authenticator import Authenticator
from streamproxy.access.identity import Identity
from streamproxy.access.sessions import LIFETIME
from streamproxy.errors import AuthenticationRequired, TooManyAttempts


@dataclass(slots=True)
class SignIn:
    """How somebody can come in, for whoever asks them.

    :param client: the key under which wrong attempts are counted.
    :param by_session: whether they are in by the cookie, so that they can sign out.
    :param problem: why they are not in.
    """

    authenticator: Authenticator
    client: str
    by_session: bool = False
    problem: AuthenticationRequired | TooManyAttempts | None = None


async def identify(request: web.Request, sign_in: SignIn) -> Identity:
    """Return who makes a request, by its cookie or its Authorization field.

    :raises AuthenticationRequired: nobody is named, or not rightly.
    :raises TooManyAttempts: the client was wrong too often.
    """
    if cookie := request.cookies.get(_cookie_name(request)):
        identity = sign_in.authenticator.by_session(cookie)
        if identity is not None:
            sign_in.by_session = True
            return identity
    values = request.headers.getall("Authorization", [])
    if len(values) == 1:
        return await sign_in.authenticator.by_authorization(values[0], sign_in.client)
    raise AuthenticationRequired("The request does not say who makes it.")


def token_in_query(request: web.Request) -> str | None:
    """Return the token parameter of a GET, which is good for a session and for nothing else."""
    if request.method not in ("GET", "HEAD"):
        return None
    query = parse_qsl(request.rel_url.raw_query_string, errors="surrogateescape")
    return next((value for name, value in query if name == "token"), None)


def query_without_token(request: web.Request) -> str:
    """Return the query of a request as it came, but for the token."""
    pairs = request.rel_url.raw_query_string.split("&")
    return "&".join(pair for pair in pairs if unquote_plus(pair.partition("=")[0]) != "token")


def begin_session(request: web.Request, sign_in: SignIn, identity: Identity) -> str:
    """Return the Set-Cookie field by which the browser is known from now on."""
    return _set_cookie(request, sign_in.authenticator.begin_session(identity), LIFETIME)


def end_session(request: web.Request) -> str:
    """Return the Set-Cookie field by which the browser forgets who it was."""
    return _set_cookie(request, "", 0)


def _set_cookie(request: web.Request, value: str, max_age: int) -> str:
    """Return a Set-Cookie field: out of reach for scripts, other sites and other paths."""
    path = request.app.router["page"].url_for().raw_path
    secure = "; Secure" if request.secure else ""
    name = _cookie_name(request)
    return f"{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}"


def _cookie_name(request: web.Request) -> str:
    """Return a name for each port: browsers keep one jar for all the ports of a host."""
    port = request.headers.get("Host", "").rpartition(":")[2]
    return f"streamproxy-{port}" if port.isascii() and port.isdecimal() else "streamproxy"
