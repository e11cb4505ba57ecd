"""Notice that a client has left, whatever its request is waiting for.

aiohttp cancels the handler of a client that left only with ``handler_cancellation``,
which is off by default and under gunicorn. Without it, a handler that waits for a silent
upstream would hold both connections until that one times out.
"""

import asyncio

from aiohttp import web

from streamproxy.relay.transfer import Outcome
from streamproxy.upstream.timeouts import interruption

# Seconds between two looks: a leaver is noticed within this, at two cheap calls a second.
_INTERVAL = 0.5


class ClientGone(Exception):
    """The client closed its connection; there is nobody left to answer."""

    outcome = Outcome.CLIENT_GONE


class ClientStalled(ClientGone):
    """The client took no bytes for longer than anybody pauses."""

    outcome = Outcome.CLIENT_STALLED


class EndedByOwner(ClientGone):
    """The owner of the proxy has ended the stream: its client is to go."""

    outcome = Outcome.ENDED_BY_OWNER


def outcome_of_cancellation(request: web.Request) -> Outcome:
    """Return why a handler was cancelled: its client left, or the server stops."""
    transport = request.transport
    is_gone = transport is None or transport.is_closing()
    return Outcome.CLIENT_GONE if is_gone else Outcome.SHUTDOWN


def _is_gone(request: web.Request) -> bool:
    """Tell whether the client has left, or could leave without being noticed.

    aiohttp stops reading from a client that sends dozens of requests behind the running
    one, and then does not see its end: who does that to a stream is treated as gone.
    """
    transport = request.transport
    return transport is None or transport.is_closing() or not transport.is_reading()


class client_presence(interruption):  # noqa: N801  # reads as asyncio.timeout does
    """Context manager: end its body with ClientGone when the request's client leaves.

    Or with ClientStalled, when it takes no bytes for too long. Two looks a second cost less
    than a timer for each write: measured, a seventh of the CPU of a stream.

    :param stall_timeout: seconds that unsent bytes may wait without one being taken; None:
        for ever.
    """

    def __init__(
        self,
        request: web.Request,
        loop: asyncio.AbstractEventLoop,
        *,
        stall_timeout: float | None = None,
    ) -> None:
        self._request = request
        self._stall_timeout = stall_timeout
        self._unsent = 0
        self._moved_at = 0.0
        super().__init__(loop, _INTERVAL)

    def restart(self) -> None:
        """Watch the next response to the same client: none of its bytes was seen to wait."""
        self._unsent = 0

    @property
    def outcome(self) -> Outcome | None:
        """What became of the response that was ended; None: none was."""
        reason = self._reason
        return reason.outcome if reason is not None and issubclass(reason, ClientGone) else None

    def _look(self) -> None:
        if _is_gone(self._request):
            self.interrupt(ClientGone)
        elif self._has_stalled():
            self.interrupt(ClientStalled)
        else:
            self._timeouts.start(self._look)

    def _has_stalled(self) -> bool:
        """Tell whether as many bytes wait to be sent as did for all of the timeout."""
        transport = self._request.transport
        unsent = 0 if transport is None else transport.get_write_buffer_size()
        now = self._loop.time()
        if unsent != self._unsent or not unsent:
            self._unsent, self._moved_at = unsent, now
        return self._stall_timeout is not None and now - self._moved_at >= self._stall_timeout
