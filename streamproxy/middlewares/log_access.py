"""One line for each request at its end: status, bytes, seconds and outcome."""

import logging
import time
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.keys import IDENTITY, LINK, TRANSFER
from streamproxy.middlewares.ending import ending
from streamproxy.middlewares.repeatable import repeatable
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

    @repeatable(partial(_logged, status=206))
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        with _logged(request) as end:
            response = await handler(request)
            end.status = response.status
            if isinstance(response, web.Response) and request.method != "HEAD":
                end.transfer.bytes_sent = response.content_length or 0
        return response

    return middleware


class _logged(ending):  # noqa: N801  # reads as ending does
    __slots__ = ("_started",)

    def __init__(self, request: web.Request, status: int | None = None) -> None:
        transfer = request[TRANSFER] = Transfer()
        super().__init__(request, transfer, status)
        self._started = time.monotonic()

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        super().__exit__(kind, exc, traceback)
        if self.is_over:
            self.transfer.code = self.code or self.transfer.code
            _log(self.request, self.status, self.transfer, time.monotonic() - self._started)


def _log(request: web.Request, status: int | None, transfer: Transfer, seconds: float) -> None:
    level = logging.DEBUG if request.match_info.route.name in _ROUTINE else logging.INFO
    if not logger.isEnabledFor(level):
        return
    link, identity = request.get(LINK), request.get(IDENTITY)
    path, client = request.rel_url.raw_path, request.remote
    notes = [] if identity is None else [str(identity)]
    if transfer.part is not None:
        notes.append(f"bytes={transfer.part}")
    if transfer.relay is not None:
        notes.append(f"relay={transfer.relay}")
    # The same for programs to read, by name (log_format json); None: does not apply.
    facts = {
        "client": client,
        "user": None if identity is None else str(identity),
        "method": request.method,
        "path": path,
        "host": None if link is None else link.host,
        "status": status,
        "bytes": transfer.bytes_sent,
        "seconds": round(seconds, 3),
        "outcome": transfer.outcome.value,
        "code": transfer.code,
        "range": transfer.part,
        "relay": transfer.relay,
        "resumes": transfer.resumes,
    }
    logger.log(
        level,
        "%s %s%s from %s%s: status %s, %d bytes, %.3f s, %s",
        request.method,
        path,
        "" if link is None else f" of {link.origin}",
        client,
        f" ({', '.join(notes)})" if notes else "",
        "-" if status is None else status,
        transfer.bytes_sent,
        seconds,
        _outcome_of(transfer),
        extra={"facts": facts},
    )


def _outcome_of(transfer: Transfer) -> str:
    outcome = transfer.outcome.value
    if transfer.outcome is Outcome.COMPLETE and transfer.code is not None:
        outcome = transfer.code
    elif transfer.outcome is Outcome.UPSTREAM_FAILED:
        outcome = f"{outcome} ({transfer.code})"
    if transfer.resumes:
        outcome += f", resumes: {transfer.resumes}"
    return outcome
