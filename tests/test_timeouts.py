"""Time-outs that share a timer: each on time, in order, and none after it was stopped."""

import asyncio
import time
from collections.abc import Callable

import pytest

from streamproxy.upstream.timeouts import Timeouts, time_limit

LATE_S = 8  # what a machine that stands still may add; nobody waits for longer than 10


class Calls:
    """Calls that tell when they came."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.came: dict[str, float] = {}
        self.news = asyncio.Event()

    def named(self, name: str) -> Callable[[], None]:
        """Return a call that notes when it came, as *name*."""

        def call() -> None:
            self.came[name] = self._loop.time() - self._began
            self.news.set()

        return call

    async def until(self, name: str) -> None:
        """Wait until a call has come."""
        async with asyncio.timeout(10):
            while name not in self.came:
                self.news.clear()
                await self.news.wait()


def hold_up(seconds: float) -> None:
    """Let time pass, but nothing else: whatever the machine does, no call comes meanwhile."""
    time.sleep(seconds)


async def test_each_is_called_when_its_own_time_is_over() -> None:
    calls, timeouts = Calls(), Timeouts(asyncio.get_running_loop(), 0.2)

    timeouts.start(calls.named("first"))
    await asyncio.sleep(0.1)
    timeouts.start(calls.named("second"))
    await calls.until("second")

    assert list(calls.came) == ["first", "second"]
    assert 0.2 <= calls.came["first"] < 0.2 + LATE_S
    assert 0.3 <= calls.came["second"] < 0.3 + LATE_S


async def test_what_was_stopped_is_not_called() -> None:
    calls, timeouts = Calls(), Timeouts(asyncio.get_running_loop(), 0.1)
    stopped = calls.named("stopped")

    timeouts.start(stopped)
    timeouts.start(calls.named("last"))
    timeouts.stop(stopped)
    timeouts.stop(stopped)  # again: nothing
    await calls.until("last")

    assert list(calls.came) == ["last"]


async def test_one_can_stop_another_that_is_due_with_it() -> None:
    calls, timeouts = Calls(), Timeouts(asyncio.get_running_loop(), 0.05)
    second = calls.named("second")

    timeouts.start(lambda: timeouts.stop(second))
    timeouts.start(second)
    timeouts.start(calls.named("third"))
    await calls.until("third")

    assert list(calls.came) == ["third"]


async def test_one_that_is_started_anew_has_all_of_its_time_again() -> None:
    calls, timeouts = Calls(), Timeouts(asyncio.get_running_loop(), 0.2)
    restarted = calls.named("restarted")

    timeouts.start(restarted)
    timeouts.start(calls.named("other"))
    hold_up(0.1)
    timeouts.start(restarted)
    await calls.until("restarted")

    assert list(calls.came) == ["other", "restarted"]
    assert calls.came["restarted"] >= 0.3


async def test_they_go_on_after_none_was_left() -> None:
    calls, timeouts = Calls(), Timeouts(asyncio.get_running_loop(), 0.05)

    for name in ("one", "two"):
        timeouts.start(calls.named(name))
        await calls.until(name)

    assert calls.came["two"] >= 0.1


async def test_limit_ends_its_body_with_a_timeout() -> None:
    task = asyncio.current_task()
    assert task is not None

    with pytest.raises(TimeoutError), time_limit(asyncio.get_running_loop(), 0.05):
        await asyncio.Event().wait()

    assert task.cancelling() == 0
    await asyncio.sleep(0)  # nothing of it is left in the task


async def test_limit_leaves_what_ends_in_time() -> None:
    task = asyncio.current_task()
    assert task is not None

    with time_limit(asyncio.get_running_loop(), 0.5):
        await asyncio.sleep(0)
    await asyncio.sleep(0.7)  # beyond the limit

    assert task.cancelling() == 0


async def test_cancellation_from_elsewhere_passes_a_limit() -> None:
    entered = asyncio.Event()

    async def body() -> None:
        with time_limit(asyncio.get_running_loop(), 10):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await entered.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
