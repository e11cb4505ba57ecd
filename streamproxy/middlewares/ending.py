"""How a request ends, for whatever logs or counts it."""

import asyncio
from typing import Self

from aiohttp import web

from streamproxy.errors import ProxyError
from streamproxy.relay.presence import ClientGone, outcome_of_cancellation
from streamproxy.relay.transfer import Outcome, Transfer


class ending:  # noqa: N801  # reads like a function: with ending(...) as end
    """Context manager that sees how its body, a handler, ends; errors pass through it.

    :ivar status: what the request is answered with; None: nobody is left to answer.
    :ivar code: of the error that it is refused with; None: it is not.
    """

    __slots__ = ("_request", "_transfer", "code", "status")

    def __init__(self, request: web.Request, transfer: Transfer) -> None:
        self.status: int | None = None
        self.code: str | None = None
        self._request = request
        self._transfer = transfer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: object, exc: BaseException | None, _traceback: object) -> None:
        if isinstance(exc, ProxyError):
            self.status, self.code = exc.status, exc.code
        elif isinstance(exc, web.HTTPException):
            self.status = exc.status
        elif isinstance(exc, ClientGone):
            self._transfer.outcome = exc.outcome
        elif isinstance(exc, asyncio.CancelledError):
            if self._transfer.outcome is Outcome.COMPLETE:  # not yet said by the relay
                self._transfer.outcome = outcome_of_cancellation(self._request)
        elif isinstance(exc, Exception):  # report_errors answers with this
            self.status, self.code = ProxyError.status, ProxyError.code
