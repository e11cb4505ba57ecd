"""What has to be done within a time, also on a machine that stalls."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

_ATTEMPTS = 10

_Found = TypeVar("_Found")


async def done_within(limit_s: float, attempt: Callable[[], Awaitable[_Found]]) -> _Found:
    """Return what an attempt finds that takes less than *limit_s* seconds.

    One that takes longer tells nothing of what is so within that time, and another is made. What
    is too slow by itself is so each time.
    """
    for _ in range(_ATTEMPTS):
        began = time.monotonic()
        found = await attempt()
        if time.monotonic() - began < limit_s:
            return found
    pytest.fail(f"none of {_ATTEMPTS} attempts took less than {limit_s} s")
