"""Turn every failure into an answer that says what, why, and what to do."""

import json
import logging

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.errors import ProxyError, RequestError
from streamproxy.keys import REQUEST_ID, RESPONSE_FIELDS
from streamproxy.middlewares.repeatable import repeatable
from streamproxy.protocol.fields import SECURITY_FIELDS
from streamproxy.relay.presence import ClientGone

logger = logging.getLogger(__name__)

# nginx's status for a request whose client left; nobody receives it.
_CLIENT_CLOSED_REQUEST = 499


def report_errors() -> Middleware:
    """Return the middleware that renders errors.

    Outside it: only what adds fields to every response. Inside it: everything that
    raises a ProxyError. Exceptions of aiohttp's (web.HTTPException) pass through.
    """

    @repeatable()
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ProxyError as exc:
            return _render(request, exc)
        except ClientGone:
            return web.Response(status=_CLIENT_CLOSED_REQUEST, reason="Client Closed Request")
        except web.HTTPException:
            raise
        except Exception:
            logger.exception("Unexpected error in %s %s", request.method, request.path)
            return _render(request, ProxyError())

    return middleware


def _render(request: web.Request, error: ProxyError) -> web.Response:
    """Return the response for an error: an answer of /api/validate, else a problem."""
    facts = {
        "code": error.code,
        "hint": error.hint,
        "upstream_status": error.upstream_status,
        "retryable": error.retryable,
        "request_id": request.get(REQUEST_ID),
    }
    own = {"Cache-Control": "no-store", **SECURITY_FIELDS}
    fields = own | request.get(RESPONSE_FIELDS, {})
    if request.match_info.route.name == "validate":
        # The question was answered: no, it does not play. Unless it was no proper question.
        at_fault = isinstance(error, RequestError)
        answer = {"valid": False, "error": error.detail, **facts}
        fields |= error.fields if at_fault else {}
        return web.json_response(answer, status=error.status if at_fault else 200, headers=fields)
    problem = {
        "type": f"urn:streamproxy:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        **facts,
    }
    return web.Response(
        body=json.dumps(problem).encode(),
        status=error.status,
        headers=fields | error.fields,
        content_type="application/problem+json",
    )
