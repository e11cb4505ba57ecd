"""How a middleware says that what it finds about a request holds for repeats of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from weakref import ref

from aiohttp.typedefs import Middleware

from streamproxy.keys import Around

_NAME = "__streamproxy_repeatable__"

_M = TypeVar("_M", bound=Middleware)


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a middleware says, and which: functools.wraps copies it to others."""

    of: ref[Middleware]
    around: Around | None


def repeatable(around: Around | None = None) -> Callable[[_M], _M]:
    """Mark a middleware that need not see each repeat of a request that it let pass.

    A repeat comes on the same connection within a minute, and differs in nothing but its
    range. A chain with a middleware that is not marked sees each request: so does one that
    counts, or looks at the time, or whose mind can change.

    :param around: makes what goes on around each repeat; None: nothing does. When it is left
        without an exception the repeat was answered, with status 206. By ClientGone and
        CancelledError: its client left, or it was ended. By any other nothing was sent, and
        the request goes through the chain. So it does where entering it raises a ProxyError.
    """

    def mark(middleware: _M) -> _M:
        setattr(middleware, _NAME, _Mark(ref(middleware), around))
        return middleware

    return mark


def arounds_of(chain: Iterable[Middleware]) -> tuple[Around, ...] | None:
    """Return what goes on around repeats, outermost first; None: the chain sees each request."""
    found: list[Around] = []
    for middleware in chain:
        mark = getattr(middleware, _NAME, None)
        if not isinstance(mark, _Mark) or mark.of() is not middleware:
            return None
        if mark.around is not None:
            found.append(mark.around)
    return tuple(found)
