"""Count requests for Prometheus, by what they were answered with."""

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import MultiMapping

from streamproxy.errors import SettingsError
from streamproxy.keys import TRANSFER
from streamproxy.middlewares.ending import ending
from streamproxy.middlewares.repeatable import repeatable
from streamproxy.relay.transfer import Transfer

if TYPE_CHECKING:
    from streamproxy.relay.metrics import Metrics  # an optional extra

# nginx's status for a request whose client left.
_CLIENT_CLOSED_REQUEST = 499


class count_requests:  # noqa: N801  # made and used as the other middlewares are
    """The middleware that counts how requests end; ``metrics`` is what it counts into.

    create_app finds it in the chain, lets the upstreams' times be counted too, and answers
    at /metrics. Outside it: report_errors and log_access, which asks what becomes of a
    transfer. Inside it: all that is to be counted. A link that does not play, which
    /api/validate says with 200, is counted with the status that /stream would have.

    :raises SettingsError: the package that this needs is missing.
    """

    __middleware_version__ = 1  # what web.middleware sets

    def __init__(self) -> None:
        if not can_count():
            raise SettingsError(
                "metrics: they are counted by prometheus-client; pip install 'streamproxy[metrics]'"
            )
        from streamproxy.relay.metrics import Metrics  # noqa: PLC0415  # an optional extra

        self.metrics = Metrics()
        if type(self) is count_requests:  # what one made of it does is for that one to say
            repeatable(partial(_counted, metrics=self.metrics, status=206))(self)

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Hand the request on, and count how it ends."""
        with _counted(request, metrics=self.metrics) as end:
            response = await handler(request)
            end.status = response.status
        return response


class _counted(ending):  # noqa: N801  # reads as ending does
    __slots__ = ("_metrics",)

    def __init__(
        self, request: web.Request, *, metrics: "Metrics", status: int | None = None
    ) -> None:
        super().__init__(request, request.get(TRANSFER) or Transfer(), status)
        self._metrics = metrics

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        super().__exit__(kind, exc, traceback)
        if not self.is_over:
            return
        route = self.request.match_info.route.name or "other"
        status = self.status or _CLIENT_CLOSED_REQUEST
        self._metrics.count_request(route, status, self.code, self.transfer)
        if route == "stream" and _is_conditional(self.request.headers):
            self._metrics.count_condition(status)


def _is_conditional(fields: MultiMapping[str]) -> bool:
    """Tell whether a request has a condition (RFC 9110, section 13.1)."""
    return (
        "If-Range" in fields
        or "If-None-Match" in fields
        or "If-Modified-Since" in fields
        or "If-Match" in fields
        or "If-Unmodified-Since" in fields
    )


def can_count() -> bool:
    """Tell whether what counts is installed."""
    return find_spec("prometheus_client") is not None
