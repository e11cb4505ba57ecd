"""A lane on a client's connection for requests that repeat the last one but for its range.

It stands before aiohttp's protocol and hands on all that comes. When a handler stays here after
its response, what comes next is looked at first: a request of the awaited form is taken out and
answered by that handler, and never reaches aiohttp's parser. At anything else the handler goes,
and aiohttp goes on as if there were no lane.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from streamproxy.errors import ProxyError
from streamproxy.protocol.repeats import MAX_HEAD, ClosedRange, RequestForm
from streamproxy.upstream.timeouts import timeouts_of

# Seconds between two looks at whether requests still come. When none has, aiohttp waits for
# the next, as long as ever. To look now and then costs less than a timer for each.
_MAX_IDLE = 0.5
# Stands for what is too long to be the head of a request that could be repeated.
_MORE = b" "
# Bytes that may come while a response is sent.
_MAX_WAITING = 64 * 1024


class NotRepeatable(Exception):  # no error: aiohttp answers
    """The request is to be answered as if it were the first; nothing was sent yet.

    :param failure: what it is to be answered with, where it is known already.
    """

    def __init__(self, failure: ProxyError | None = None) -> None:
        super().__init__()
        self.failure = failure


class Lane(asyncio.Protocol):
    """Stands before the protocol of a client's connection.

    :param transport: whose protocol it takes the place of.
    :ivar stay: answers repeats of the request that is handled, on the lane that it is given;
        None: nothing does.
    :ivar failure: what the request is to be answered with; None: whatever becomes of it.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.stay: Callable[[Lane], Awaitable[None]] | None = None
        self.failure: ProxyError | None = None
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._looks = timeouts_of(self._loop, _MAX_IDLE)
        self._behind = cast("asyncio.Protocol", transport.get_protocol())
        self._heard = b""  # what was handed on last, where it may be one request
        self._form: RequestForm | None = None  # while a handler stays
        self._current = b""  # what its request was read from
        self._waiting = b""  # what has come since
        self._waiter: asyncio.Future[None] | None = None
        self._is_lost = self._is_idle = False
        transport.set_protocol(self)

    @classmethod
    def of(cls, transport: asyncio.Transport) -> "Lane":
        """Return the lane of a connection."""
        protocol = transport.get_protocol()
        return protocol if isinstance(protocol, Lane) else cls(transport)

    def begin(self) -> bytes:
        """Say that a handler begins; return what was handed on last, maybe for it."""
        heard, self._heard = self._heard, b""
        return heard

    def check(self) -> None:
        """Raise what the request is to be answered with, where that is known already."""
        if self.failure is not None:
            raise self.failure.with_traceback(None)

    def open(self, form: RequestForm) -> bool:
        """Stay for requests of a form; tell whether nothing waits that would have to go first."""
        # Requests that aiohttp has read and not begun; nothing public tells it.
        queue = getattr(self._behind, "_messages", None)
        if self._heard or queue is None or len(queue) or self._is_lost:
            return False
        self._form = form
        self._looks.start(self._look)
        return True

    def _look(self) -> None:
        """Wait no more if nothing has come since the last look."""
        if self._is_idle:
            self.end()
        self._is_idle = self._waiter is not None
        self._looks.start(self._look)

    async def next(self) -> ClosedRange | None:
        """Return the range of the next request; None: no such request comes."""
        if not self._waiting and not self._is_lost:
            self._waiter = self._loop.create_future()
            await self._waiter
            self._waiter = None
        self._current, self._waiting = self._waiting, b""
        self._is_idle = False
        form = self._form
        return None if self._is_lost or form is None else form.read(self._current)

    def answered(self) -> None:
        """Say that the request was answered, so that nobody else is to do it."""
        self._current = b""

    def end(self) -> None:
        """Wait no more for the next request."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Hand on what was not answered, and all that comes from now on."""
        self._looks.stop(self._look)
        rest = self._current + self._waiting
        self._form, self._current, self._waiting = None, b"", b""
        if self._transport.is_closing():
            return
        if not self._transport.is_reading():
            self._transport.resume_reading()
        if rest:
            self.data_received(rest)

    def data_received(self, data: bytes) -> None:
        """Keep what has come for the handler that stays, or hand it on."""
        if self._form is not None:
            self._waiting += data
            if len(self._waiting) > _MAX_WAITING:
                self._transport.pause_reading()
            self.end()
            return
        self._heard = data if len(data) <= MAX_HEAD else _MORE
        self._behind.data_received(data)

    def eof_received(self) -> bool | None:
        """Tell aiohttp's protocol."""
        return self._behind.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits, and aiohttp's protocol."""
        self._is_lost = True
        self.end()
        self._behind.connection_lost(exc)

    def pause_writing(self) -> None:
        """Tell aiohttp's protocol."""
        self._behind.pause_writing()

    def resume_writing(self) -> None:
        """Tell aiohttp's protocol."""
        self._behind.resume_writing()
