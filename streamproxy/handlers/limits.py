"""What holds for one request: its limits, and the client that fetches for it."""

from aiohttp import web

from streamproxy.keys import HOST_RULE, MAX_SIZE
from streamproxy.protocol.loops import parse_instances
from streamproxy.settings import Settings
from streamproxy.upstream.body import ResumePolicy
from streamproxy.upstream.client import UpstreamClient
from streamproxy.upstream.resource import Limits


def client_of(request: web.Request, client: UpstreamClient) -> UpstreamClient:
    """Return the client for a request: for its user's hosts, and in its chain of proxies."""
    if (rule := request.get(HOST_RULE)) is not None:
        client = client.narrowed(rule)
    instances = parse_instances(request.headers.getall("User-Agent", ()))
    return client.following(instances) if instances else client


def limits_of(request: web.Request, settings: Settings) -> Limits:
    """Return the limits by the settings, and by the chain that the request came through."""
    return limits_by(settings, request.get(MAX_SIZE, 0))


def limits_by(settings: Settings, max_size: int) -> Limits:
    """Return the limits by the settings, and the most bytes that a resource may have."""
    return Limits(
        max_skip=settings.max_skip,
        max_size=max_size,
        head_timeout=settings.connect_timeout + settings.read_timeout,
        retry_attempts=settings.retry_attempts,
    )


def resume_policy_of(settings: Settings) -> ResumePolicy:
    """Return how hard the settings say to try when an upstream breaks off."""
    return ResumePolicy(
        attempts=settings.resume_attempts,
        without_validator=settings.resume_without_validator,
        head_timeout=settings.connect_timeout + settings.read_timeout,
    )
