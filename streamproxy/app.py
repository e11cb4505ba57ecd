"""create_app(): joins the chain, the routes and the session's lifetime; nothing else."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import ClientSession, web
from aiohttp.log import server_logger
from aiohttp.typedefs import Middleware

from streamproxy import hosted
from streamproxy.assets import asset_folder
from streamproxy.errors import SettingsError
from streamproxy.family import family_folder
from streamproxy.handlers.admin import admin
from streamproxy.handlers.events import events
from streamproxy.handlers.health import health
from streamproxy.handlers.inert import make_inert
from streamproxy.handlers.install import offline_page, service_worker
from streamproxy.handlers.login import login, logout, to_page
from streamproxy.handlers.metrics import metrics
from streamproxy.handlers.openapi import openapi
from streamproxy.handlers.page import add_slash, page, revalidate_static
from streamproxy.handlers.ready import ready
from streamproxy.handlers.sessions import (
    end_session,
    find_sessions,
    own_sessions,
    session,
    sessions,
)
from streamproxy.handlers.stream import stream
from streamproxy.handlers.subtitles import local_subtitles, subtitles
from streamproxy.handlers.validate import validate
from streamproxy.keys import (
    AROUNDS,
    CHECKS,
    CLIENT,
    CONVERTER,
    METRICS,
    PEERS,
    PUMP_LIMITS,
    SETTINGS,
    STREAMS,
)
from streamproxy.middlewares import default_middlewares
from streamproxy.middlewares.answer_repeats import answer_repeats
from streamproxy.middlewares.count_requests import count_requests
from streamproxy.middlewares.limit_rate import limit_rate
from streamproxy.middlewares.mark_requests import add_request_id, mark_requests
from streamproxy.middlewares.repeatable import arounds_of
from streamproxy.relay.peers import Peers
from streamproxy.relay.pump import PumpLimits
from streamproxy.relay.streams import Streams
from streamproxy.settings import Settings
from streamproxy.targets.links import MAX_LINK_LENGTH
from streamproxy.targets.policy import TargetPolicy
from streamproxy.upstream.clean import CleanConnector
from streamproxy.upstream.client import UpstreamClient
from streamproxy.upstream.connector import open_session, parse_upstream_proxy
from streamproxy.upstream.observer import UNOBSERVED

CleanupContext = Callable[[web.Application], AsyncIterator[None]]

# A link inside ?url= is percent-encoded, and then has up to three times its length.
_MAX_LINE_SIZE = 4 * MAX_LINK_LENGTH
_MAX_FIELD_SIZE = 64 * 1024
# What each answer passes on its way out.
_SIGNALS = (revalidate_static, make_inert, add_request_id)


def create_app(
    settings: Settings | None = None,
    *,
    middlewares: Sequence[Middleware] | None = None,
    session: ClientSession | None = None,
) -> web.Application:
    """Return the proxy as an application: to run, or to mount with add_subapp.

    :param settings: the owner's choices; None: those of the environment, and under gunicorn
        all that ``python -m streamproxy`` does besides: see hosted.
    :param middlewares: the chain, outermost first; None: default_middlewares(settings).
    :param session: a session to fetch with, which stays the caller's to close; None: one
        of its own, from start-up to clean-up. Make a session to lend with open_session,
        so that its connector enforces the policy.
    :raises SettingsError: a setting of the environment is not allowed; upstream_proxy
        cannot be used, or the session goes round it.
    """
    is_hosted = settings is None and hosted.is_under_gunicorn()
    if is_hosted:
        hosted.share_counts()
    settings = settings or Settings.from_environment()
    _check_proxies(settings, session)
    chain = default_middlewares(settings) if middlewares is None else middlewares
    if is_hosted:
        chain = (*chain, hosted.keep_others_out(settings))
    chain = (answer_repeats, mark_requests(settings.trusted_proxy), *chain)
    # A list: OpenTelemetry's instrumentation inserts itself.
    app = web.Application(middlewares=[*chain], handler_args=_server_options(settings))
    app[SETTINGS] = settings
    if is_hosted:
        app.on_startup.insert(0, hosted.prepare)  # before the contexts
    app[STREAMS] = Streams()
    app[PUMP_LIMITS] = PumpLimits.from_settings(settings)
    app.on_shutdown.append(_end_streams)
    for part in chain:
        if isinstance(part, count_requests):
            app[METRICS] = part.metrics
            app.cleanup_ctx.append(_watch)
    app.cleanup_ctx.append(_repeats(chain))
    app.cleanup_ctx.append(_meet_peers)
    app.cleanup_ctx.append(_converter)
    app.cleanup_ctx.append(_upstream_client(settings, session))
    counters = [part for part in chain if isinstance(part, limit_rate)]
    app[CHECKS] = tuple(part.check for part in counters)
    app.on_cleanup.extend(part.close for part in counters)
    loader = jinja2.FileSystemLoader(asset_folder("templates"))
    aiohttp_jinja2.setup(app, loader=loader)
    _add_routes(app)
    return app


def _check_proxies(settings: Settings, lent: ClientSession | None) -> None:
    """Refuse what would go through no proxy, or through another one, without a word."""
    proxy = parse_upstream_proxy(settings)
    if lent is None:
        return
    if lent.trust_env:
        raise SettingsError(
            "session: trust_env=True is not allowed; name the proxy as upstream_proxy"
        )
    if proxy is not None and not isinstance(lent.connector, CleanConnector):
        raise SettingsError("session: with upstream_proxy, give one from open_session")


def _server_options(settings: Settings) -> dict[str, Any]:
    """Return what whoever serves the application must keep to, whatever they would choose.

    aiohttp's access log shows whole request lines, with links, tokens and signatures; the
    chain has a log of its own. Where the application is mounted in another one, that one
    chooses.
    """
    return {
        "access_log": None,
        "logger": server_logger,
        "keepalive_timeout": settings.header_timeout,
        "max_line_size": _MAX_LINE_SIZE,
        "max_field_size": _MAX_FIELD_SIZE,
    }


def _add_routes(app: web.Application) -> None:
    app.router.add_get("/", page, name="page")
    app.router.add_get("", add_slash, name="slash")
    app.router.add_get("/stream", stream, name="stream")
    app.router.add_get("/subtitles", subtitles, name="subtitles", allow_head=False)
    app.router.add_post("/subtitles", local_subtitles, name="local_subtitles")
    app.router.add_get("/api/validate", validate, name="validate")
    for name, handler in {"login": login, "logout": logout}.items():
        form = app.router.add_resource(f"/{name}", name=name)
        form.add_route("POST", handler)
        form.add_route("GET", to_page)
    app.router.add_get("/admin", admin, name="admin")
    app.router.add_get("/api/sessions", sessions, name="sessions", allow_head=False)
    app.router.add_get("/api/sessions/events", events, name="events", allow_head=False)
    app.router.add_get("/api/sessions/own", own_sessions, name="own_sessions", allow_head=False)
    one = app.router.add_resource("/api/sessions/{id:[A-Za-z0-9._-]{8,64}}", name="session")
    one.add_route("GET", session)
    one.add_route("DELETE", end_session)
    app.router.add_get("/metrics", metrics, name="metrics", allow_head=False)
    app.router.add_get("/health", health, name="health")
    app.router.add_get("/ready", ready, name="ready")
    app.router.add_get("/api/openapi.json", openapi, name="openapi")
    app.router.add_get("/sw.js", service_worker, name="worker")
    app.router.add_get("/offline", offline_page, name="offline")
    app.router.add_static("/static", asset_folder("static"), name="static")
    app.on_response_prepare.extend(_SIGNALS)


def _upstream_client(settings: Settings, lent: ClientSession | None) -> CleanupContext:
    """Return the context that holds the session while the application runs."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        policy = TargetPolicy.from_settings(settings)
        session = lent or open_session(settings, policy)
        client = app[CLIENT] = UpstreamClient(
            session,
            policy,
            max_redirects=settings.max_redirects,
            chunk_size=settings.chunk_size,
            observer=app.get(METRICS, UNOBSERVED),
        )
        yield
        await client.close()
        if lent is None:
            await session.close()

    return context


def _repeats(chain: Sequence[Middleware]) -> CleanupContext:
    """Return the context that lets repeats go past the chain, where nothing else looks at them."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        arounds = arounds_of(chain)
        is_as_made = list(app.middlewares) == [*chain] and list(app.on_response_prepare) == [
            *_SIGNALS
        ]
        if arounds is not None and is_as_made:
            app[AROUNDS] = arounds
        yield

    return context


async def _watch(app: web.Application) -> AsyncIterator[None]:
    """Count what runs, while the application does."""
    watch = asyncio.create_task(app[METRICS].watch(app[STREAMS]))
    yield
    watch.cancel()
    await asyncio.wait([watch])


async def _meet_peers(app: web.Application) -> AsyncIterator[None]:
    """Know the other processes that serve, while the application runs in one of several."""
    folder = family_folder(os.getppid())
    if folder is None:
        yield
        return
    peers = Peers(folder, partial(find_sessions, app[STREAMS].running))
    if await peers.open():
        app[PEERS] = peers
    yield
    await peers.close()


async def _converter(app: web.Application) -> AsyncIterator[None]:
    """Hold the thread that converts subtitles, which begins with the first of them."""
    converter = app[CONVERTER] = ThreadPoolExecutor(1, "streamproxy-subtitles")
    yield
    converter.shutdown(wait=False, cancel_futures=True)


async def _end_streams(app: web.Application) -> None:
    await app[STREAMS].drain(app[SETTINGS].shutdown_grace)
