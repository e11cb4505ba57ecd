"""Connections that are made before they are needed, to sites that are far away.

A player that seeks leaves the response in its midst, and the connection with it. What it asks
for next would have to wait for another one: a round trip, over TLS three. So where a site
sends a long response, and took its time to begin, one connection more is made meanwhile. It is
kept as those are on which a response has ended, and taken in the same way.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

from aiohttp import ClientError

from streamproxy.upstream.lines import Line, Lines

# Seconds from the wish to the head of a response: from here on a handshake would be noticed, and
# below there it cannot be. Between them a site stays what it is: on a connection that is kept it
# takes half of the time.
_FAR_S = 0.05
_NEAR_S = 0.01
# Seconds to wait for one that is being made; it is ahead of another one, unless it is stuck.
_PATIENCE_S = 1.0
_MAX_SITES = 256


class Spares:
    """Makes at most one connection at a time to each origin, and only where no *lines* are kept.

    :param lines: where they are kept.
    :param connect: connects to an origin; it raises ClientError or OSError.
    """

    def __init__(self, lines: Lines, connect: Callable[[str], Awaitable[Line]]) -> None:
        self._lines = lines
        self._connect = connect
        self._far: dict[str, None] = {}  # origins, the last one last
        self._making: dict[str, asyncio.Task[None]] = {}
        self._awaited: set[str] = set()  # by whoever is to have the one that is being made

    def note(self, origin: str, seconds: float) -> None:
        """Note how long a site took until it began to send."""
        if _NEAR_S <= seconds < _FAR_S:
            return
        self._far.pop(origin, None)
        if seconds >= _FAR_S:
            if len(self._far) >= _MAX_SITES:
                del self._far[next(iter(self._far))]
            self._far[origin] = None

    def prepare(self, origin: str) -> None:
        """Be ready for what comes after a long response, where the site is known to be far away."""
        if origin not in self._far or origin in self._making or self._lines.has(origin):
            return
        # It belongs to no request: neither to the lines of its log, nor to its trace.
        task = self._lines.loop.create_task(self._make(origin), context=Context())
        self._making[origin] = task
        task.add_done_callback(lambda _: self._making.pop(origin, None))

    async def _make(self, origin: str) -> None:
        try:
            line = await self._connect(origin)
        except (ClientError, OSError):
            return  # whoever asks for something is told
        self._lines.keep(line)

    async def wait(self, origin: str) -> None:
        """Wait for the connection that is being made, if there is one and nobody else waits."""
        if origin not in self._making or origin in self._awaited:
            return
        self._awaited.add(origin)
        try:
            await asyncio.wait([self._making[origin]], timeout=_PATIENCE_S)
        finally:
            self._awaited.discard(origin)

    def close(self) -> None:
        """Make no more."""
        self._far.clear()
        for task in self._making.values():
            task.cancel()
