"""create_app(): joins the chain, the routes and the session's lifetime; nothing else."""

from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import aiohttp_jinja2
import jinja2
from aiohttp import ClientSession, web
from aiohttp.typedefs import Middleware

from streamproxy.assets import asset_folder
from streamproxy.errors import SettingsError
from streamproxy.handlers.health import health
from streamproxy.handlers.inert import make_inert
from streamproxy.handlers.install import offline_page, service_worker
from streamproxy.handlers.login import login, logout, to_page
from streamproxy.handlers.page import add_slash, page, revalidate_static
from streamproxy.handlers.stream import stream
from streamproxy.handlers.subtitles import local_subtitles, subtitles
from streamproxy.handlers.validate import validate
from streamproxy.keys import CLIENT, CONVERTER, SETTINGS, STREAMS
from streamproxy.middlewares import default_middlewares
from streamproxy.middlewares.limit_rate import limit_rate
from streamproxy.middlewares.mark_requests import add_request_id, mark_requests
from streamproxy.relay.streams import Streams
from streamproxy.settings import Settings
from streamproxy.targets.policy import TargetPolicy
from streamproxy.upstream.clean import CleanConnector
from streamproxy.upstream.client import UpstreamClient
from streamproxy.upstream.connector import open_session, parse_upstream_proxy

CleanupContext = Callable[[web.Application], AsyncIterator[None]]


def create_app(
    settings: Settings | None = None,
    *,
    middlewares: Sequence[Middleware] | None = None,
    session: ClientSession | None = None,
) -> web.Application:
    """Return the proxy as an application: to run, or to mount with add_subapp.

    :param settings: the owner's choices; None: the defaults.
    :param middlewares: the chain, outermost first; None: default_middlewares(settings).
    :param session: a session to fetch with, which stays the caller's to close; None: one
        of its own, from start-up to clean-up. Make a session to lend with open_session,
        so that its connector enforces the policy.
    :raises SettingsError: upstream_proxy cannot be used, or the session goes round it.
    """
    settings = settings or Settings()
    _check_proxies(settings, session)
    chain = default_middlewares(settings) if middlewares is None else middlewares
    app = web.Application(middlewares=(mark_requests(settings.trusted_proxy), *chain))
    app[SETTINGS] = settings
    app[STREAMS] = Streams()
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_converter)
    app.cleanup_ctx.append(_upstream_client(settings, session))
    app.on_cleanup.extend(part.close for part in chain if isinstance(part, limit_rate))
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
    app.router.add_get("/health", health, name="health")
    app.router.add_get("/sw.js", service_worker, name="worker")
    app.router.add_get("/offline", offline_page, name="offline")
    app.router.add_static("/static", asset_folder("static"), name="static")
    app.on_response_prepare.extend((revalidate_static, make_inert, add_request_id))


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
        )
        yield
        await client.close()
        if lent is None:
            await session.close()

    return context


async def _converter(app: web.Application) -> AsyncIterator[None]:
    """Hold the thread that converts subtitles, which begins with the first of them."""
    converter = app[CONVERTER] = ThreadPoolExecutor(1, "streamproxy-subtitles")
    yield
    converter.shutdown(wait=False, cancel_futures=True)


async def _end_streams(app: web.Application) -> None:
    await app[STREAMS].drain(app[SETTINGS].shutdown_grace)
