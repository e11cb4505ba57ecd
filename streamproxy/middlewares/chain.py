"""The default chain."""

from collections.abc import Iterator

from aiohttp.typedefs import Middleware

from streamproxy.access.lock import Lock
from streamproxy.access.signing import LinkSigner
from streamproxy.middlewares.allow_origins import allow_origins
from streamproxy.middlewares.authenticate import authenticate
from streamproxy.middlewares.count_requests import can_count, count_requests
from streamproxy.middlewares.enforce_acl import enforce_acl
from streamproxy.middlewares.guard_sites import guard_sites
from streamproxy.middlewares.limit_rate import client_of, limit_rate, user_of
from streamproxy.middlewares.limit_size import limit_size
from streamproxy.middlewares.limit_streams import limit_streams
from streamproxy.middlewares.log_access import log_access
from streamproxy.middlewares.report_errors import report_errors
from streamproxy.middlewares.trust_proxies import trust_proxies
from streamproxy.middlewares.validate_url import validate_url
from streamproxy.middlewares.verify_signature import verify_signature
from streamproxy.settings import Settings
from streamproxy.targets.policy import TargetPolicy


def default_middlewares(settings: Settings) -> tuple[Middleware, ...]:
    """Return the chain that the settings describe, outermost first.

    Always: report_errors, log_access, guard_sites, limit_streams, validate_url, limit_size.
    Where the settings ask for them, in their places: trust_proxies and allow_origins
    (outermost), count_requests, limit_rate, verify_signature, authenticate and enforce_acl.

    :raises SettingsError: a file that the settings name cannot be read, or has a mistake.
    """
    lock = Lock.from_settings(settings)
    return (
        *_around(settings),
        report_errors(),
        log_access(),
        *_counting(settings),
        *_entrance(settings, lock),
        limit_streams(settings.max_streams, settings.max_streams_per_client),
        validate_url(TargetPolicy.from_settings(settings)),
        limit_size(settings.max_file_size),
    )


def _around(settings: Settings) -> Iterator[Middleware]:
    """Yield what errors must pass through too."""
    if settings.trusted_proxy:
        yield trust_proxies(settings.trusted_proxy)
    if settings.cors_origin:
        yield allow_origins(settings.cors_origin)


def _counting(settings: Settings) -> Iterator[Middleware]:
    # Who gives a token for metrics wants them, and is told what is missing.
    if settings.metrics and (can_count() or settings.metrics_token):
        yield count_requests()


def _entrance(settings: Settings, lock: Lock) -> Iterator[Middleware]:
    """Yield what decides whether a request comes in: the cheap refusals first."""
    if settings.rate_limit:
        yield limit_rate(settings.rate_limit, settings.rate_store, key=client_of)
    if lock.signs_links:
        yield verify_signature(LinkSigner(settings.signing_key))
    yield guard_sites(
        origins=settings.cors_origin,
        server_names=settings.server_name,
        frame_ancestors=settings.frame_ancestor,
        asks_who=not lock.is_open,
    )
    if not lock.is_open:
        yield authenticate(lock.make_authenticator())
    if settings.user_rate_limit:
        yield limit_rate(settings.user_rate_limit, settings.rate_store, key=user_of)
    if settings.acl_file:
        yield enforce_acl(lock.acl)
