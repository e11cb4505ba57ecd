"""POST /login and /logout: into a session by the form of the page, and out of it."""

from urllib.parse import parse_qsl

import aiohttp_jinja2
from aiohttp import web

from streamproxy.access.sign_in import SignIn, begin_session, end_session, query_without_token
from streamproxy.errors import AuthenticationRequired, TooManyAttempts, WrongCredentials
from streamproxy.handlers.content import read_content
from streamproxy.handlers.words import words_for
from streamproxy.keys import SETTINGS, SIGN_IN
from streamproxy.version import __version__

# Bytes, and fields, of the form: a name and a password with room to spare.
_MAX_FORM_SIZE = 8 * 1024
_MAX_FORM_FIELDS = 10
_FIELDS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}


async def login(request: web.Request) -> web.Response:
    """Begin a session for whoever gives the right token, or name and password."""
    sign_in = _sign_in_of(request)
    authenticator = sign_in.authenticator
    try:
        name, secret = await _read_form(request)
        if name:
            identity = await authenticator.by_password(name, secret, sign_in.client)
        else:
            identity = authenticator.by_token(secret, sign_in.client)
    except (AuthenticationRequired, TooManyAttempts) as exc:
        sign_in.problem = exc
        return login_page(request, sign_in)
    return _to_page(request, begin_session(request, sign_in, identity))


async def logout(request: web.Request) -> web.Response:
    """End the session of this browser."""
    _sign_in_of(request)
    return _to_page(request, end_session(request))


def login_page(request: web.Request, sign_in: SignIn) -> web.Response:
    """Answer with the form, and with what was wrong, if something was given."""
    authenticator, problem = sign_in.authenticator, sign_in.problem
    query = query_without_token(request)
    is_slow = isinstance(problem, TooManyAttempts)
    words = words_for(request)
    context = {
        "t": words,
        "version": __version__,
        "action": f"login?{query}" if query else "login",
        "asks_name": bool(authenticator.users),
        "asks_token": bool(authenticator.tokens),
        "problem": _problem_word(sign_in),
        "wait_s": problem.fields["Retry-After"] if problem and is_slow else "",
    }
    response = aiohttp_jinja2.render_template("login.html", request, context)
    response.set_status(problem.status if problem else AuthenticationRequired.status)
    response.headers.update(_FIELDS)
    response.headers["Content-Language"] = words.language
    if problem is not None:
        response.headers.update(problem.fields)
    if response.status == AuthenticationRequired.status:
        # To a person the form says more than the browser's own dialogue, which would hide it.
        is_person = "text/html" in request.headers.get("Accept", "")
        challenge = authenticator.challenge(with_basic=not is_person)
        response.headers["WWW-Authenticate"] = challenge
    return response


async def to_page(request: web.Request) -> web.Response:
    """Lead to the page, which knows whether to ask who is there."""
    return _to_page(request)


def _to_page(request: web.Request, cookie: str | None = None) -> web.Response:
    query = query_without_token(request)
    fields = {"Location": f"./?{query}" if query else "./", "Cache-Control": "no-store"}
    if cookie is not None:
        fields["Set-Cookie"] = cookie
    return web.Response(status=303, headers=fields)


def _sign_in_of(request: web.Request) -> SignIn:
    sign_in: SignIn | None = request.get(SIGN_IN)
    if sign_in is None:  # nobody asks who is there
        raise web.HTTPNotFound
    return sign_in


async def _read_form(request: web.Request) -> tuple[str, str]:
    """Return the name, which may be empty, and the token or the password."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType
    _check_size(request.content_length or 0)
    within_s = request.config_dict[SETTINGS].header_timeout
    body = await read_content(request, max_size=_MAX_FORM_SIZE, within_s=within_s)
    _check_size(len(body))
    try:
        pairs = dict(parse_qsl(body.decode(), max_num_fields=_MAX_FORM_FIELDS))
    except ValueError as exc:  # no UTF-8, or too many fields
        raise WrongCredentials("The form cannot be read.") from exc
    return pairs.get("user", ""), pairs.get("secret", "")


def _check_size(size: int) -> None:
    if size > _MAX_FORM_SIZE:
        raise web.HTTPRequestEntityTooLarge(_MAX_FORM_SIZE, size)


def _problem_word(sign_in: SignIn) -> str | None:
    """Return what the form has to say beside what it asks for."""
    match sign_in.problem:
        case TooManyAttempts():
            return "slow"
        case WrongCredentials():
            return "wrong"
    authenticator = sign_in.authenticator
    return None if authenticator.users or authenticator.tokens else "signed_only"
