"""The limits that hold for one request."""

from aiohttp import web

from streamproxy.keys import MAX_SIZE, SETTINGS
from streamproxy.upstream.body import ResumePolicy
from streamproxy.upstream.resource import Limits


def limits_of(request: web.Request) -> Limits:
    """Return the limits by the settings, and by the chain that the request came through."""
    settings = request.config_dict[SETTINGS]
    return Limits(
        max_skip=settings.max_skip,
        max_size=request.get(MAX_SIZE, 0),
        head_timeout=settings.connect_timeout + settings.read_timeout,
        retry_attempts=settings.retry_attempts,
    )


def resume_policy_of(request: web.Request) -> ResumePolicy:
    """Return how hard the settings say to try when an upstream breaks off."""
    settings = request.config_dict[SETTINGS]
    return ResumePolicy(
        attempts=settings.resume_attempts,
        without_validator=settings.resume_without_validator,
        head_timeout=settings.connect_timeout + settings.read_timeout,
    )
