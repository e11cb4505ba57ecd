"""One line for each request at its end: status, bytes, seconds and outcome."""

import logging
import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.keys import IDENTITY, LINK, TRANSFER
from streamproxy.middlewares.ending import ending
from streamproxy.relay.transfer import Outcome, Transfer

logger = logging.getLogger(__name__)

# The names of the routes that the page asks for by the dozen: its files, and how far it is.
_ROUTINE = frozenset({"static", "own_sessions"})


def log_access() -> Middleware:
    """Return the middleware that logs how each request ended.

    Outside it: report_errors, so that errors pass by here with their code. Inside it:
    all that should count into the time. The query is not logged: it holds the link,
    and the link may hold a token.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        transfer = request[TRANSFER] = Transfer()
        started = time.monotonic()
        end = ending(request, transfer)
        try:
            with end:
                response = await handler(request)
                end.status = response.status
                if isinstance(response, web.Response) and request.method != "HEAD":
                    transfer.bytes_sent = response.content_length or 0
        finally:
            transfer.code = end.code or transfer.code
            _log(request, end.status, transfer, time.monotonic() - started)
        return response

    return middleware


def _log(request: web.Request, status: int | None, transfer: Transfer, seconds: float) -> None:
    outcome = transfer.outcome.value
    if transfer.outcome is Outcome.COMPLETE and transfer.code is not None:
        outcome = transfer.code
    elif transfer.outcome is Outcome.UPSTREAM_FAILED:
        outcome = f"{outcome} ({transfer.code})"
    if transfer.resumes:
        outcome += f", resumes: {transfer.resumes}"
    relay = None if transfer.relay is None else f"relay={transfer.relay}"
    notes = [str(note) for note in (request.get(IDENTITY), relay) if note is not None]
    link = request.get(LINK)
    level = logging.DEBUG if request.match_info.route.name in _ROUTINE else logging.INFO
    if not logger.isEnabledFor(level):
        return
    logger.log(
        level,
        "%s %s%s from %s%s: status %s, %d bytes, %.3f s, %s",
        request.method,
        request.rel_url.raw_path,
        "" if link is None else f" of {link.origin}",
        request.remote,
        f" ({', '.join(notes)})" if notes else "",
        "-" if status is None else status,
        transfer.bytes_sent,
        seconds,
        outcome,
        extra={"facts": _facts(request, status, transfer, seconds)},
    )


def _facts(
    request: web.Request, status: int | None, transfer: Transfer, seconds: float
) -> dict[str, object]:
    """Return the same for programs to read, by name (log_format json); None: does not apply."""
    link, identity = request.get(LINK), request.get(IDENTITY)
    return {
        "client": request.remote,
        "user": None if identity is None else str(identity),
        "method": request.method,
        "path": request.rel_url.raw_path,
        "host": None if link is None else link.host,
        "status": status,
        "bytes": transfer.bytes_sent,
        "seconds": round(seconds, 3),
        "outcome": transfer.outcome.value,
        "code": transfer.code,
        "relay": transfer.relay,
        "resumes": transfer.resumes,
    }
