"""Give each request an id, which its answer and its lines in the log carry."""

import random
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.access.clients import Network, is_trusted
from streamproxy.keys import REQUEST_ID
from streamproxy.log_formats import LOGGED_ID
from streamproxy.middlewares.repeatable import repeatable

_FIELD = "X-Request-Id"
# As long as ids are, and nothing that a line of the log or a field could be forged with.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}")


def mark_requests(trusted_proxies: Sequence[Network] = ()) -> Middleware:
    """Return the middleware that gives each request its id; add_request_id answers with it.

    A reverse proxy that is trusted may have given one: its log and ours then speak of the
    same. From anybody else the field is ignored: whoever chooses ids can hide among others.

    Outside it: answer_repeats alone, since trust_proxies hides who connected. Inside it: every
    chain, also one of an embedding service: create_app puts it there.
    """

    def mark(request: web.Request) -> AbstractContextManager[None]:
        given = request.headers.get(_FIELD)
        is_good = given is not None and _ACCEPTABLE.fullmatch(given) is not None
        if given is None or not (is_good and is_trusted(request.remote, trusted_proxies)):
            # It must differ from others, no more: a guess at it opens nothing.
            given = f"{random.getrandbits(64):016x}"
        request[REQUEST_ID] = given
        # aiohttp handles each request in a task of its own, so no other one sees this.
        LOGGED_ID.set(given)
        return nullcontext()

    @repeatable(mark)
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        mark(request)
        return await handler(request)

    return middleware


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Tell the client the id of its request (a signal), whoever made the answer."""
    if (given := request.get(REQUEST_ID)) is not None:
        response.headers[_FIELD] = given
