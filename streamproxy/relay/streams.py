"""The streams that run: to look at them, to let them finish, and to end them."""

import asyncio
from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from typing import cast

from aiohttp import web

from streamproxy.errors import ShuttingDown, TooManyStreams
from streamproxy.protocol.ranges import RangeSet
from streamproxy.relay.lane import Lane
from streamproxy.relay.memory import give_back
from streamproxy.relay.presence import EndedByOwner, client_presence
from streamproxy.relay.transfer import Transfer
from streamproxy.upstream.body import PlannedBody

# Seconds for streams that were cancelled to close their connections.
_ABORT_TIME = 2.0
# Turns of the loop until a request that has come is handled, and seconds between two looks whether
# those are that may yet be streams: whose password is being checked, say.
_TURNS_TO_BEGIN = 4
_LOOK = 0.05
# Seconds between two looks at how far each stream is, and how many of them make a rate.
_INTERVAL = 1.0
_LOOKS = 5
# Streams that begin or end from one look to the next: so many leave memory behind.
_BURST = 100
# Bytes that all streams together hold which gather what they send, and seconds, as a hint, until
# one of them has sent it.
_MAX_HELD = 512 * 2**20
_RETRY_AFTER = "10"


class Running:
    """A stream that runs.

    :param presence: what watches its client, and can end it.
    """

    __slots__ = (
        "_looks",
        "body",
        "presence",
        "ranges",
        "request",
        "started_at",
        "task",
        "transfer",
    )

    def __init__(
        self,
        request: web.Request,
        presence: client_presence,
        transfer: Transfer,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.task = cast("asyncio.Task[object]", asyncio.current_task(loop))
        self.started_at = loop.time()
        self.request = request
        self.presence = presence
        self.transfer = transfer
        self.ranges: RangeSet | None = None  # where some are asked for
        self.body: PlannedBody | None = None  # once the upstream has answered
        self._looks: deque[tuple[float, int]] | None = None

    def restart(self, transfer: Transfer, ranges: RangeSet, now: float) -> None:
        """Be the next stream of the same client and task, for other ranges of the same."""
        self.transfer, self.ranges, self.started_at = transfer, ranges, now
        self.body = self._looks = None
        self.presence.restart()

    @property
    def resumes(self) -> int:
        """How often the upstream broke off and was gone on with."""
        return 0 if self.body is None else self.body.resumes

    def look(self, now: float) -> None:
        """Remember how far it is."""
        if self._looks is None:
            self._looks = deque(maxlen=_LOOKS)
        self._looks.append((now, self.transfer.bytes_sent))

    def rate(self, now: float) -> float:
        """Return the bytes of a second, over the last five or, if it is younger, all of them."""
        then, sent = self._looks[0] if self._looks else (self.started_at, 0)
        return (self.transfer.bytes_sent - sent) / max(now - then, 0.001)

    def end(self) -> None:
        """End it, as its owner wishes; its client sees a cut."""
        self.presence.interrupt(EndedByOwner)


class Streams:
    """A register of the running streams of one application."""

    def __init__(self) -> None:
        self._running: set[Running] = set()
        self._is_looking = False
        self._held = 0
        self._count = 0  # of those that ran when memory was last given back
        self._is_restless = False
        self.is_draining = False
        self._refuses = False
        self._expected = 0
        self.lanes: set[Lane] = set()  # on which handlers stay

    def __len__(self) -> int:
        return len(self._running)

    @property
    def running(self) -> AbstractSet[Running]:
        """The streams that run now."""
        return self._running

    def enter(
        self,
        request: web.Request,
        presence: client_presence,
        transfer: Transfer,
        loop: asyncio.AbstractEventLoop,
    ) -> Running:
        """Count the current task as a stream until it leaves.

        :raises ShuttingDown: no new streams are taken.
        """
        running = Running(request, presence, transfer, loop)
        self.enter_again(running, loop)
        return running

    def enter_again(self, running: Running, loop: asyncio.AbstractEventLoop) -> None:
        """Count one that has left, and restarted.

        :raises ShuttingDown: as enter.
        """
        if self._refuses:
            raise ShuttingDown(fields={"Retry-After": "5", "Connection": "close"})
        self._running.add(running)
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(_INTERVAL, self._look, loop)

    def leave(self, running: Running) -> None:
        """Count a stream no more."""
        self._running.discard(running)

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Let the end wait for a request that may yet be a stream, for the time of the context."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1

    @contextmanager
    def holding(self, length: int) -> Iterator[None]:
        """Count bytes that a stream holds at most, for its time.

        :raises TooManyStreams: others hold too many.
        """
        if self._held + length > _MAX_HELD:
            detail = "Too many slices are held in memory."
            raise TooManyStreams(detail, fields={"Retry-After": _RETRY_AFTER})
        self._held += length
        try:
            yield
        finally:
            self._held -= length

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Remember how far each is, while any run, and give back what a burst of them leaves."""
        for running in self._running:
            running.look(loop.time())
        was_restless = self._is_restless
        self._is_restless = abs(len(self._running) - self._count) >= _BURST
        if self._is_restless or was_restless:  # in the midst of it, and at its end
            self._count = len(self._running)
            give_back()
        self._is_looking = bool(self._running) or self._is_restless
        if self._is_looking:
            loop.call_later(_INTERVAL, self._look, loop)

    async def drain(self, grace_s: float, *, refuses: bool = False) -> None:
        """Give the streams *grace_s* seconds, then abort them.

        :param refuses: take no new ones. Where nothing is accepted any more, those that come
            are of requests that are here already, and are waited for as well.
        """
        self.is_draining = True
        self._refuses |= refuses
        for lane in self.lanes:
            lane.end()
        for _ in range(_TURNS_TO_BEGIN):
            await asyncio.sleep(0)
        await self._wait(grace_s)
        self.abort()
        await self._wait(_ABORT_TIME)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # Who is refused is no stream any more, and not worth the wait.
                while self._running or (self._expected and not self._refuses):
                    tasks = {running.task for running in self._running}
                    await (asyncio.wait(tasks) if tasks else asyncio.sleep(_LOOK))

    def abort(self) -> None:
        """End every running stream at once, whose client sees a cut, and take no new ones."""
        self._refuses = True
        for running in self._running:
            running.task.cancel()
