"""Slow down clients that give wrong credentials again and again."""

import time
from collections import OrderedDict
from collections.abc import Callable

from streamproxy.errors import TooManyAttempts

_FREE_FAILURES = 5  # a person mistypes
_MAX_WAIT = 300.0  # seconds
_FORGET_AFTER = 3600.0  # seconds
# Beyond these the oldest are forgotten: whoever has so many addresses is not slowed by one.
_MAX_CLIENTS = 10_000


class Throttle:
    """How often each client failed lately, and how long it must wait for it.

    After five failures each further one doubles the wait, from one second to five minutes.
    While a client waits nothing that it gives is looked at, or the answer would tell a right
    guess all the same.

    :param clock: seconds, as time.monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def check(self, client: str) -> None:
        """Refuse a client that has to wait.

        :raises TooManyAttempts: with the seconds to wait.
        """
        count, last = self._failures.get(client, (0, 0.0))
        if count < _FREE_FAILURES:
            return
        wait = min(2.0 ** min(count - _FREE_FAILURES, 16), _MAX_WAIT)
        left = last + wait - self._clock()
        if left > 0:
            raise TooManyAttempts(left)

    def failed(self, client: str) -> None:
        """Count a failure."""
        count, last = self._failures.pop(client, (0, 0.0))
        now = self._clock()
        if now - last > _FORGET_AFTER:
            count = 0
        self._failures[client] = (count + 1, now)
        if len(self._failures) > _MAX_CLIENTS:
            self._failures.popitem(last=False)

    def take_back(self, client: str) -> None:
        """Take back a failure that was counted before it was known to be none.

        The others stay: who has one right password must not try out others for ever.
        """
        count, last = self._failures.get(client, (0, 0.0))
        if count > 1:
            self._failures[client] = (count - 1, last)
        else:
            self._failures.pop(client, None)
