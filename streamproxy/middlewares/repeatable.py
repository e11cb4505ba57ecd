"""How a middleware says that what it finds about a request holds for repeats of it."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from aiohttp.typedefs import Middleware

from streamproxy.keys import Around

_NAME = "around_repeat"

_M = TypeVar("_M", bound=Middleware)


def repeatable(around: Around | None = None) -> Callable[[_M], _M]:
    """Mark a middleware that need not see each repeat of a request that it let pass.

    A repeat comes on the same connection within a minute, and differs in nothing but its
    range. A chain with a middleware that is not marked sees each request: so does one that
    counts, or looks at the time, or whose mind can change.

    :param around: makes what goes on around each repeat that is answered, with status 206;
        None: nothing does. It may raise a ProxyError: then the chain decides.
    """

    def mark(middleware: _M) -> _M:
        setattr(middleware, _NAME, around)
        return middleware

    return mark


def arounds_of(chain: Iterable[Middleware]) -> tuple[Around, ...] | None:
    """Return what goes on around repeats, outermost first; None: the chain sees each request."""
    found: list[Around | None] = []
    for middleware in chain:
        if not hasattr(middleware, _NAME):
            return None
        found.append(getattr(middleware, _NAME))
    return tuple(around for around in found if around is not None)
