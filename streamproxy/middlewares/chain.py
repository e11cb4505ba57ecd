"""The default chain."""

from aiohttp.typedefs import Middleware

from streamproxy.middlewares.allow_origins import allow_origins
from streamproxy.middlewares.limit_size import limit_size
from streamproxy.middlewares.limit_streams import limit_streams
from streamproxy.middlewares.log_access import log_access
from streamproxy.middlewares.report_errors import report_errors
from streamproxy.middlewares.validate_url import validate_url
from streamproxy.settings import Settings
from streamproxy.targets.policy import TargetPolicy


def default_middlewares(settings: Settings) -> tuple[Middleware, ...]:
    """Return the chain that the settings describe, outermost first.

    report_errors, log_access, limit_streams, validate_url, limit_size; around them
    allow_origins where there are origins to allow.
    """
    chain: tuple[Middleware, ...] = (
        report_errors(),
        log_access(),
        limit_streams(settings.max_streams, settings.max_streams_per_client),
        validate_url(TargetPolicy.from_settings(settings)),
        limit_size(settings.max_file_size),
    )
    return (allow_origins(settings.cors_origin), *chain) if settings.cors_origin else chain
