"""Count requests against rates, by the limits package: in memory, or in a shared Redis.

Windows move: at no time does a client get more than its number within the rate's seconds,
and the time until the next request is known exactly. The cheaper counters of limits let
twice as many pass around the turn of a window, or only guess at that time.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.storage.memory import Entry
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import ConfigurationError, StorageError

from streamproxy.errors import SettingsError
from streamproxy.options import Rate

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool

logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

_MAX_WAIT = 1.0  # seconds for Redis to answer
_MAX_CONNECTIONS = 16
_MAX_CLIENTS = 50_000


@dataclass(frozen=True, slots=True)
class Budget:
    """What a client has left of the rate that binds it most.

    :param remaining: requests; 0 also where the last one was refused.
    :param reset_s: seconds until there is one more.
    """

    rate: Rate
    remaining: int
    reset_s: float
    is_exceeded: bool


class RateCounter:
    """Counts requests against rates.

    Where Redis does not answer in time, counting goes on in memory, and Redis is asked again
    after some seconds: neither an outage nor a time without limits.

    :param rates: all of them hold.
    :param store_url: as the setting rate_store; empty: in memory.
    :param pause_s: seconds in which Redis is not asked again after it did not answer.
    :raises SettingsError: the Redis client is missing, or the URL is none.
    """

    def __init__(self, rates: Sequence[Rate], store_url: str = "", *, pause_s: float = 5.0) -> None:
        self._pause_s = pause_s
        # The shortest first: what it refuses does not count against the longer ones.
        self._rates = sorted(rates, key=lambda rate: rate.seconds)
        self._memory = MovingWindowRateLimiter(_Memory())
        self._pool = _open_pool(store_url) if store_url else None
        self._redis = (
            None if self._pool is None else MovingWindowRateLimiter(_redis_storage(self._pool))
        )
        self._is_down = False
        self._ask_again_at = 0.0

    async def count(self, client: str) -> Budget:
        """Count a request of *client*, unless it is one too many; return what is left."""
        # Nobody who reads the store needs to read names and addresses.
        key = sha256(client.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        redis = self._redis
        if redis is not None:
            budget = await self._ask(lambda: self._count_in(redis, key))
            if budget is not None:
                return budget
        return await self._count_in(self._memory, key)

    async def is_ready(self) -> bool:
        """Tell whether the store answers, in a second at most; memory always does."""
        redis = self._redis
        return redis is None or await self._ask(lambda: self._ping(redis.storage)) is not None

    async def _ping(self, storage: Storage) -> bool:
        if not await storage.check():  # which says why to nobody
            raise ConnectionError
        return True

    async def _ask(self, question: Callable[[], Awaitable[_Answer]]) -> _Answer | None:
        """Return the answer of Redis; None where it does not answer, or did not lately."""
        if time.monotonic() < self._ask_again_at:
            return None
        if self._is_down:  # one request tries whether it is back; the others do not wait
            self._ask_again_at = time.monotonic() + self._pause_s
        try:
            async with asyncio.timeout(_MAX_WAIT):
                answer = await question()
        except (StorageError, OSError, TimeoutError) as exc:
            self._note_failure(exc)
            return None
        self._note_answer()
        return answer

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _count_in(self, limiter: MovingWindowRateLimiter, key: str) -> Budget:
        budgets = []
        for rate in self._rates:
            item = RateLimitItemPerSecond(rate.requests, rate.seconds, "rate")
            is_permitted = await limiter.hit(item, key)
            reset_time, remaining = await limiter.get_window_stats(item, key)
            reset_s = max(0.0, reset_time - time.time())
            if not is_permitted:
                return Budget(rate, 0, reset_s, is_exceeded=True)
            budgets.append(Budget(rate, max(0, remaining), reset_s, is_exceeded=False))
        return min(budgets, key=lambda budget: (budget.remaining, -budget.reset_s))

    def _note_failure(self, exc: Exception) -> None:
        self._ask_again_at = time.monotonic() + self._pause_s
        if not self._is_down:
            # The kind alone: a message may quote what the URL holds.
            kind = type(exc.__cause__ if isinstance(exc, StorageError) else exc).__name__
            logger.warning("rate_store does not answer (%s): counting in memory meanwhile", kind)
        self._is_down = True

    def _note_answer(self) -> None:
        if self._is_down:
            logger.warning("rate_store answers again")
        self._is_down, self._ask_again_at = False, 0.0


class _Memory(MemoryStorage):
    """The storage of limits, with a bound on what it keeps.

    As it stands it looks through all clients after each request, one of them at a time in a
    thread of its own (measured: with 20,000 clients that takes a core for itself). Here the
    clients that were not seen for longest go, once there are too many.
    """

    STORAGE_SCHEME = []  # noqa: RUF012  # so declared there; by a URL theirs is found, as ever

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count a request unless *limit* requests lie in the last *expiry* seconds."""
        entries = self.events[key] = self.events.pop(key, [])  # now the last one seen
        del entries[limit:]
        is_full = len(entries) > limit - amount
        if is_full and entries[limit - amount].atime >= time.time() - expiry:
            return False
        entries[:0] = [Entry(expiry)] * amount
        if len(self.events) > _MAX_CLIENTS:
            del self.events[next(iter(self.events))]
        return True


def _open_pool(store_url: str) -> "BlockingConnectionPool":
    """Return a pool of connections to the Redis of a URL; they are made when they are needed."""
    try:
        from redis.asyncio import BlockingConnectionPool  # noqa: PLC0415  # an extra of its own
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
    except ImportError as exc:
        raise SettingsError("rate_store needs a client: pip install 'streamproxy[redis]'") from exc
    try:
        return BlockingConnectionPool.from_url(
            store_url.replace("redis+unix:", "unix:", 1),
            max_connections=_MAX_CONNECTIONS,
            timeout=_MAX_WAIT,
            # A kept connection whose Redis was restarted is replaced at once.
            retry=Retry(NoBackoff(), 1),
        )
    except ValueError:  # whose message may quote the URL, and so a password
        raise SettingsError(
            "rate_store: the value is not allowed; give a URL such as redis://127.0.0.1:6379/0"
        ) from None


def _redis_storage(pool: "BlockingConnectionPool") -> RedisStorage:
    try:
        return RedisStorage(
            "redis://",  # the pool knows where
            implementation="redispy",
            key_prefix="streamproxy",
            wrap_exceptions=True,
            connection_pool=pool,  # type: ignore[arg-type]  # documented, but not so declared
        )
    except ConfigurationError as exc:
        raise SettingsError(f"rate_store: {exc}") from exc
