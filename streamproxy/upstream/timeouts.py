"""Time-outs that nearly always are stopped before they are over, as cheap as that deserves.

Each request waits for its client and its upstream under several of them. A timer of
asyncio's for each is made, sorted in, cancelled and sorted out again.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Self, cast

# Seconds by which one may be late, so that a thousand of them wake the loop twenty times a
# second and no more.
_SLACK = 0.05

Call = Callable[[], None]


class Timeouts:
    """Time-outs of one length on one event loop, with one timer of the loop for all of them.

    :param seconds: the length.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._due: dict[Call, float] = {}  # the first to start is the first that is due
        self._is_armed = False

    def start(self, call: Call) -> None:
        """Call *call*, which raises nothing, when the time is over; unless it is stopped.

        One that has started already starts anew.
        """
        self._due.pop(call, None)  # else it would keep its place among those due earlier
        self._due[call] = self._loop.time() + self._seconds
        if not self._is_armed:
            self._is_armed = True
            self._loop.call_later(self._seconds, self._look)

    def stop(self, call: Call) -> None:
        """Forget *call*, if it was not called yet."""
        self._due.pop(call, None)

    def _look(self) -> None:
        now = self._loop.time()
        over = []
        for call, due_at in self._due.items():
            if due_at > now:
                self._loop.call_at(max(due_at, now + _SLACK), self._look)
                break
            over.append(call)
        else:
            self._is_armed = False
        for call in over:
            if self._due.pop(call, None) is not None:  # not stopped by one before it
                call()


@lru_cache(maxsize=32)  # what is forgotten still ends what it began
def timeouts_of(loop: asyncio.AbstractEventLoop, seconds: float) -> Timeouts:
    """Return the time-outs of this length of a loop."""
    return Timeouts(loop, seconds)


class interruption:  # noqa: N801  # reads like asyncio.timeout, which it is modelled on
    """Context manager whose body can be ended from outside, with an exception.

    Works as asyncio.timeout does: by cancelling the task, and turning the cancellation into
    the exception; one from elsewhere passes through.

    :param seconds: when to look for the first time whether to end it.
    """

    _reason: type[Exception] | None = None

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._timeouts = timeouts_of(loop, seconds)

    def __enter__(self) -> Self:
        self._task = cast("asyncio.Task[object]", asyncio.current_task(self._loop))
        self._cancelling = self._task.cancelling()
        self._timeouts.start(self._look)
        return self

    def _look(self) -> None:
        """Interrupt, or start anew; as the time is over."""
        raise NotImplementedError

    def interrupt(self, reason: type[Exception]) -> None:
        """End the body with a *reason*.

        By its class: what was raised holds, by its traceback, all who would hold it.
        """
        if self._reason is None:
            self._reason = reason
            self._task.cancel()

    def __exit__(self, exc_type: object, exc: BaseException | None, _traceback: object) -> None:
        self._timeouts.stop(self._look)
        if self._reason is None:
            return
        if self._task.uncancel() <= self._cancelling and exc_type is asyncio.CancelledError:
            raise self._reason from exc


class time_limit(interruption):  # noqa: N801
    """Context manager that ends its body with TimeoutError after so many seconds."""

    def _look(self) -> None:
        self.interrupt(TimeoutError)
