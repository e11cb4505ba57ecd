"""The chain: each middleware a factory in a file of its own, and the default order."""

from streamproxy.middlewares.allow_origins import allow_origins
from streamproxy.middlewares.chain import default_middlewares
from streamproxy.middlewares.limit_size import limit_size
from streamproxy.middlewares.limit_streams import limit_streams
from streamproxy.middlewares.log_access import log_access
from streamproxy.middlewares.report_errors import report_errors
from streamproxy.middlewares.validate_url import validate_url

__all__ = (
    "allow_origins",
    "default_middlewares",
    "limit_size",
    "limit_streams",
    "log_access",
    "report_errors",
    "validate_url",
)
