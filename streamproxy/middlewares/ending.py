"""How a request ends, for whatever logs or counts it."""

import asyncio
from typing import Self

from aiohttp import web

from streamproxy.errors import ProxyError
from streamproxy.relay.lane import NotRepeatable
from streamproxy.relay.presence import ClientGone, outcome_of_cancellation
from streamproxy.relay.transfer import Outcome, Transfer


class ending:  # noqa: N801  # reads like a function: with ending(...) as end
    """Context manager that sees how its body, a handler, ends; errors pass through it.

    :param status: what a repeat is answered with, where it is answered.
    :ivar status: what the request is answered with; None: nobody is left to answer.
    :ivar code: of the error that it is refused with; None: it is not.
    :ivar is_over: whether it has ended; a repeat that fails goes through the chain.
    """

    __slots__ = ("code", "is_over", "request", "status", "transfer")

    def __init__(self, request: web.Request, transfer: Transfer, status: int | None = None) -> None:
        self.status = status
        self.code: str | None = None
        self.is_over = True
        self.request = request
        self.transfer = transfer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: object, exc: BaseException | None, _traceback: object) -> None:
        if exc is None:
            return
        if isinstance(exc, NotRepeatable) or (self.status and isinstance(exc, ProxyError)):
            self.is_over = False
        elif isinstance(exc, ProxyError):
            self.status, self.code = exc.status, exc.code
        elif isinstance(exc, web.HTTPException):
            self.status = exc.status
        elif isinstance(exc, ClientGone):
            self.status, self.transfer.outcome = None, exc.outcome
        elif isinstance(exc, asyncio.CancelledError):
            self.status = None
            if self.transfer.outcome is Outcome.COMPLETE:  # not yet said by the relay
                self.transfer.outcome = outcome_of_cancellation(self.request)
        elif isinstance(exc, Exception):  # report_errors answers with this
            self.status, self.code = ProxyError.status, ProxyError.code
