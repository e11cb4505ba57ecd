"""Limit how often a client, or a user, may ask."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Handler

from streamproxy.access.clients import client_key
from streamproxy.errors import RateLimited, SettingsError
from streamproxy.keys import IDENTITY, RESPONSE_FIELDS
from streamproxy.options import Rate

if TYPE_CHECKING:
    from streamproxy.access.rates import Budget

# The names of the routes that are not counted: a page has a dozen files, and a balancer asks
# for health and readiness all the time. What has no name is: it looks at credentials, too.
_UNCOUNTED_ROUTES = frozenset({"static", "health", "ready"})


def client_of(request: web.Request) -> str:
    """Return the client that a request is counted for."""
    return f"client:{client_key(request.remote)}"


def user_of(request: web.Request) -> str | None:
    """Return the user that a request is counted for; None where nobody has a name."""
    identity = request.get(IDENTITY)
    return f"user:{identity}" if identity is not None and identity.name else None


class limit_rate:  # noqa: N801  # made and used as the other middlewares are
    """The middleware that refuses requests beyond the rates, and tells how many are left.

    Outside it: report_errors; trust_proxies behind a reverse proxy; authenticate for user_of.
    Inside it: all that should cost something. create_app closes it with the application.

    :param store_url: as the setting rate_store; empty: in memory.
    :param key: returns whom a request is counted for, as ``kind:name``; None: nobody.
    :raises SettingsError: a package that this needs is missing, or the URL is none.
    """

    __middleware_version__ = 1  # what web.middleware sets

    def __init__(
        self,
        rates: Sequence[Rate],
        store_url: str = "",
        key: Callable[[web.Request], str | None] = client_of,
    ) -> None:
        try:
            from streamproxy.access.rates import RateCounter  # noqa: PLC0415  # an extra
        except ImportError as exc:
            raise SettingsError(
                "rate_limit: rates are counted by limits; pip install 'streamproxy[rate]'"
            ) from exc
        self._rates = rates
        self._counter = RateCounter(rates, store_url)
        self._key = key

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count the request and hand it on, or raise RateLimited."""
        is_counted = request.match_info.route.name not in _UNCOUNTED_ROUTES
        client = self._key(request) if is_counted else None
        if client is None:
            return await handler(request)
        budget = await self._counter.count(client)
        fields = rate_fields(client.partition(":")[0], self._rates, budget)
        fields = tightest(request.get(RESPONSE_FIELDS, {}), fields)
        request[RESPONSE_FIELDS] = request.get(RESPONSE_FIELDS, {}) | fields
        if budget.is_exceeded:
            wait = str(max(1, math.ceil(budget.reset_s)))
            raise RateLimited(
                f"More than {budget.rate.requests} requests within {budget.rate.seconds} s.",
                fields={"Retry-After": wait},
            )
        response = await handler(request)
        if not response.prepared:
            for name, value in fields.items():
                response.headers.setdefault(name, value)
        return response

    async def check(self) -> str | None:
        """Return what is not ready, in a word; None: the store answers."""
        return None if await self._counter.is_ready() else "rate_store"

    async def close(self, _: web.Application) -> None:
        """Close what is open towards the store."""
        await self._counter.close()


def rate_fields(kind: str, rates: Sequence[Rate], budget: "Budget") -> dict[str, str]:
    """Return the fields that tell a client what it has left.

    Source: draft-ietf-httpapi-ratelimit-headers, 10 (RateLimit, RateLimit-Policy) and 06
    (the three others, which clients in the field read).
    """
    reset = math.ceil(budget.reset_s)
    policies = (f'"{kind}-{rate.seconds}s";q={rate.requests};w={rate.seconds}' for rate in rates)
    return {
        "RateLimit-Policy": ", ".join(policies),
        "RateLimit": f'"{kind}-{budget.rate.seconds}s";r={budget.remaining};t={reset}',
        "RateLimit-Limit": str(budget.rate.requests),
        "RateLimit-Remaining": str(budget.remaining),
        "RateLimit-Reset": str(reset),
    }


def tightest(outer: dict[str, str], inner: dict[str, str]) -> dict[str, str]:
    """Return the rate fields to send where two parts of the chain count: who has less left."""
    if "RateLimit" not in outer:
        return inner
    chosen = min(outer, inner, key=lambda fields: int(fields["RateLimit-Remaining"]))
    names = inner.keys()
    policies = f"{outer['RateLimit-Policy']}, {inner['RateLimit-Policy']}"
    return {name: chosen[name] for name in names} | {"RateLimit-Policy": policies}
