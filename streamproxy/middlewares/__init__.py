"""The chain: each middleware a factory in a file of its own, and the default order."""

from streamproxy.middlewares.allow_origins import allow_origins
from streamproxy.middlewares.authenticate import authenticate
from streamproxy.middlewares.chain import default_middlewares
from streamproxy.middlewares.count_requests import count_requests
from streamproxy.middlewares.enforce_acl import enforce_acl
from streamproxy.middlewares.guard_sites import guard_sites
from streamproxy.middlewares.limit_rate import limit_rate
from streamproxy.middlewares.limit_size import limit_size
from streamproxy.middlewares.limit_streams import limit_streams
from streamproxy.middlewares.log_access import log_access
from streamproxy.middlewares.repeatable import repeatable
from streamproxy.middlewares.report_errors import report_errors
from streamproxy.middlewares.trust_proxies import trust_proxies
from streamproxy.middlewares.validate_url import validate_url
from streamproxy.middlewares.verify_signature import verify_signature

__all__ = (
    "allow_origins",
    "authenticate",
    "count_requests",
    "default_middlewares",
    "enforce_acl",
    "guard_sites",
    "limit_rate",
    "limit_size",
    "limit_streams",
    "log_access",
    "repeatable",
    "report_errors",
    "trust_proxies",
    "validate_url",
    "verify_signature",
)
