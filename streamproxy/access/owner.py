"""Is it the owner who asks, or somebody else whom the proxy serves?

Where tokens are asked for, the owner is who brings access_token. Where nobody is asked, it
is who sits at the machine: the connection says so, and nothing that a client can write.
"""

import secrets

from aiohttp import web

from streamproxy.access.identity import DEFAULT_TOKEN, Identity, Kind
from streamproxy.access.sites import check_host, is_loopback
from streamproxy.errors import Misdirected
from streamproxy.settings import Settings

# What reverse proxies add. A connection from this machine that has one of them comes from
# elsewhere.
_FORWARDING = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


def comes_from_owner(request: web.Request, identity: Identity | None, settings: Settings) -> bool:
    """Tell whether the owner asks: by token, or on this machine where nobody is asked.

    :param identity: whom the chain found; None: nobody is asked.
    """
    if identity is None:
        return _is_local(request, settings)
    return identity.kind is Kind.TOKEN and identity.name == DEFAULT_TOKEN


def may_read_metrics(request: web.Request, settings: Settings) -> bool:
    """Tell whether somebody may read metrics who need not be the owner.

    On this machine everybody may, elsewhere who brings metrics_token.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    is_bearer = bool(settings.metrics_token) and scheme.lower() == "bearer"
    token = settings.metrics_token.encode()
    if is_bearer and secrets.compare_digest(given.strip().encode(errors="replace"), token):
        return True
    return _is_local(request, settings)


def _is_local(request: web.Request, settings: Settings) -> bool:
    """Tell whether a request was made on this machine, and was not handed on to it.

    By the Host field too: a page of another site, whose name leads to loopback (DNS
    rebinding), is not this machine.
    """
    peer = None if request.transport is None else request.transport.get_extra_info("peername")
    if not isinstance(peer, tuple) or not is_loopback(str(peer[0])):
        return False
    # A proxy that has a name may stand behind another one on this machine, which says
    # nothing of it; one that is trusted says so, as the owner has seen to.
    if settings.server_name and not settings.trusted_proxy:
        return False
    if any(name in request.headers for name in _FORWARDING):
        return False
    try:
        check_host(request.headers.getall("Host", []), (), on_loopback=True)
    except Misdirected:
        return False
    return True
