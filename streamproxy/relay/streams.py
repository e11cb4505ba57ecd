"""The streams that run: to let them finish, and to end them, when the server stops."""

import asyncio
from typing import cast

from streamproxy.errors import ShuttingDown

# Seconds for streams that were cancelled to close their connections.
_ABORT_TIME = 2.0


class Streams:
    """A register of the running streams of one application."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self.is_draining = False

    def __len__(self) -> int:
        return len(self._tasks)

    def enter(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[object]:
        """Count the current task as a stream until it leaves.

        :raises ShuttingDown: no new streams are taken.
        """
        if self.is_draining:
            raise ShuttingDown(fields={"Retry-After": "5", "Connection": "close"})
        task = cast("asyncio.Task[object]", asyncio.current_task(loop))
        self._tasks.add(task)
        return task

    def leave(self, task: asyncio.Task[object]) -> None:
        """Count a task no more."""
        self._tasks.discard(task)

    async def drain(self, grace_s: float) -> None:
        """Take no new streams, give the running ones *grace_s* seconds, then abort them."""
        self.is_draining = True
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace_s)
        self.abort()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_ABORT_TIME)

    def abort(self) -> None:
        """End every running stream at once; its client sees a cut."""
        for task in self._tasks:
            task.cancel()
