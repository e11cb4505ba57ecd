"""Repeats of a request and the chain: what sees them, what counts them, and who ends them."""

import asyncio
import functools
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from aiohttp import ClientError, ClientSession, web
from aiohttp.typedefs import Handler, Middleware
from proxies import Proxy, StartProxy, serve
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy import Settings, create_app, default_middlewares
from streamproxy.errors import TooManyStreams
from streamproxy.keys import RESPONSE_FIELDS, STREAMS
from streamproxy.middlewares import count_requests, repeatable
from streamproxy.middlewares.repeatable import arounds_of
from streamproxy.upstream.small import MAX_SMALL

PARTS = [f"{first}-{first + 9}" for first in range(0, 100, 10)]
# After two on one connection, what repeats them is answered in passing.
IN_PASSING = PARTS[2:]
LOCAL = {"allow_network": "127.0.0.0/8"}


async def take_parts(proxy: Proxy, link: str, **fields: str) -> list[str]:
    """Take all parts, one after the other, and return the ids that the answers had."""
    ids = []
    for part in PARTS:
        got = await proxy.stream(link, part, **fields)
        assert (got.status, len(await got.read())) == (206, 10)
        ids.append(got.headers["X-Request-Id"])
    return ids


@pytest.fixture
def passed(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return what returns the ranges that were answered in passing."""
    caplog.set_level(logging.INFO, "streamproxy.middlewares.log_access")

    def find() -> list[str]:
        return [part for message in caplog.messages for part in PARTS if f"bytes={part}" in message]

    return find


async def test_each_repeat_is_logged_with_its_range_and_id(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streamproxy.middlewares.log_access")
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        ids = await take_parts(proxy, upstream.link())

    lines = [record for record in caplog.records if "GET /stream" in record.message]
    assert len(lines) == len(PARTS) == len(set(ids))
    for part, line in zip(IN_PASSING, lines[2:], strict=True):
        assert f"(bytes={part}, relay=copy): status 206, 10 bytes" in line.message
        assert line.message.endswith("complete")
        facts = vars(line)["facts"]
        assert (facts["status"], facts["bytes"], facts["range"]) == (206, 10, part)


async def test_each_repeat_is_counted(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(metrics_token="a-token-that-is-long-enough")
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        await take_parts(proxy, upstream.link())
        fields = {"Authorization": "Bearer a-token-that-is-long-enough"}
        requests = f'streamproxy_requests_total{{code="206",route="stream"}} {len(PARTS)}.0'
        text = ""
        async with asyncio.timeout(20):
            while requests not in text:  # counts are taken over now and then
                await asyncio.sleep(0.1)
                async with proxy.client.get(proxy.url("/metrics"), headers=fields) as got:
                    text = await got.text()

    assert f'streamproxy_streams_total{{outcome="complete"}} {len(PARTS)}.0' in text
    assert f'streamproxy_bytes_total{{relay="copy"}} {10 * len(PARTS)}.0' in text
    assert f"streamproxy_upstream_first_byte_seconds_count {len(PARTS)}.0" in text


def marked(seen: list[str], around: Any = None, *, is_marked: bool) -> Middleware:
    """Return a middleware that notes what it sees, and that need not see repeats if marked."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(request.headers["Range"])
        return await handler(request)

    return repeatable(around)(middleware) if is_marked else middleware


@pytest.mark.parametrize("is_marked", [False, True])
async def test_middleware_that_says_nothing_of_repeats_sees_each(
    start_proxy: StartProxy, passed: Callable[[], list[str]], is_marked: bool
) -> None:
    seen: list[str] = []
    chain = (*default_middlewares(Settings.parse(**LOCAL)), marked(seen, is_marked=is_marked))
    proxy = await start_proxy(app_options={"middlewares": chain})
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        await take_parts(proxy, upstream.link())

    ranges = [f"bytes={part}" for part in PARTS]
    assert seen == (ranges[:2] if is_marked else ranges)
    assert passed() == (IN_PASSING if is_marked else [])


async def test_middleware_around_one_that_is_marked_is_not_marked(start_proxy: StartProxy) -> None:
    """functools.wraps copies what the inner one has said of itself."""
    seen: list[str] = []
    *outer, inner = default_middlewares(Settings.parse(**LOCAL))

    @functools.wraps(inner)
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(request.headers["Range"])
        return await inner(request, handler)

    proxy = await start_proxy(app_options={"middlewares": (*outer, checked)})
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        await take_parts(proxy, upstream.link())

    assert len(seen) == len(PARTS)


def test_class_made_of_one_that_is_marked_is_not_marked() -> None:
    class CountsMore(count_requests):
        pass

    assert arounds_of([count_requests()]) is not None
    assert arounds_of([CountsMore()]) is None


def refusing_first(_request: web.Request) -> AbstractContextManager[None]:
    raise TooManyStreams("Not in passing.")


@contextmanager
def refusing_last(_request: web.Request) -> Iterator[None]:
    yield
    raise TooManyStreams("Too late.")


async def test_repeat_that_is_refused_around_it_goes_through_the_chain(
    start_proxy: StartProxy, passed: Callable[[], list[str]]
) -> None:
    seen: list[str] = []
    chain = default_middlewares(Settings.parse(**LOCAL))
    part = marked(seen, refusing_first, is_marked=True)
    proxy = await start_proxy(app_options={"middlewares": (*chain, part)})
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        await take_parts(proxy, upstream.link())

    assert seen == [f"bytes={part}" for part in PARTS]
    assert passed() == []


async def test_repeat_is_never_answered_twice(start_proxy: StartProxy) -> None:
    """What is raised around it when it was sent already ends the connection."""
    chain = default_middlewares(Settings.parse(**LOCAL))
    part = marked([], refusing_last, is_marked=True)
    proxy = await start_proxy(app_options={"middlewares": (*chain, part)})
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        for number, byte_range in enumerate(PARTS):
            got = await proxy.stream(upstream.link(), byte_range)
            assert await got.read() == CONTENT[10 * number : 10 * number + 10]


async def test_fields_that_the_chain_adds_are_written_as_ever(start_proxy: StartProxy) -> None:
    @repeatable()
    @web.middleware
    async def naming(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[RESPONSE_FIELDS] = {"X-Name": "Zoë"}
        return await handler(request)

    chain = (*default_middlewares(Settings.parse(**LOCAL)), naming)
    proxy = await start_proxy(app_options={"middlewares": chain})
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        for byte_range in PARTS:
            got = await proxy.stream(upstream.link(), byte_range)
            assert (got.status, got.headers["X-Name"]) == (206, "Zoë")
            await got.read()


async def test_part_that_is_too_large_is_counted_once(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streamproxy.middlewares.log_access")
    around: list[str] = []

    @contextmanager
    def noted(_request: web.Request) -> Iterator[None]:
        around.append("entered")
        yield

    chain = default_middlewares(Settings.parse(**LOCAL))
    proxy = await start_proxy(
        app_options={"middlewares": (*chain, marked([], noted, is_marked=True))}
    )
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        await take_parts(proxy, upstream.link())
        got = await proxy.stream(upstream.link(), f"0-{MAX_SMALL}")
        assert await got.read() == CONTENT[: MAX_SMALL + 1]

    assert len(around) == len(IN_PASSING)
    assert len([one for one in caplog.messages if "GET /stream" in one]) == len(PARTS) + 1


async def test_what_goes_on_around_repeats_goes_on_around_each(start_proxy: StartProxy) -> None:
    seen: list[str] = []
    around: list[str] = []

    @contextmanager
    def noted(request: web.Request) -> Iterator[None]:
        around.append(f"begins {request.path}")
        yield
        around.append("ends")

    chain = (*default_middlewares(Settings.parse(**LOCAL)), marked(seen, noted, is_marked=True))
    proxy = await start_proxy(app_options={"middlewares": chain})
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        await take_parts(proxy, upstream.link())

    assert around == ["begins /stream", "ends"] * len(IN_PASSING)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"access_token": "a-token-that-is-long-enough"}, id="who asks"),
        pytest.param({"rate_limit": "100/minute"}, id="how often"),
    ],
)
async def test_what_depends_on_more_than_the_head_is_looked_at_each_time(
    start_proxy: StartProxy, passed: Callable[[], list[str]], settings: dict[str, str]
) -> None:
    proxy = await start_proxy(**settings)
    token = settings.get("access_token")
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        await take_parts(proxy, upstream.link(), **fields)

    assert passed() == []


async def test_client_behind_a_trusted_proxy_is_named_in_repeats(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streamproxy.middlewares.log_access")
    proxy = await start_proxy(trusted_proxy="127.0.0.1")
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        await take_parts(proxy, upstream.link(), X_Forwarded_For="203.0.113.7")

    lines = [message for message in caplog.messages if "from 203.0.113.7 (bytes=" in message]
    assert len(lines) == len(IN_PASSING)


async def test_chain_of_an_embedding_application_sees_each_request(
    passed: Callable[[], list[str]],
) -> None:
    seen: list[str] = []

    @web.middleware
    async def outer(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(request.headers["Range"])
        return await handler(request)

    app = web.Application(middlewares=[outer])
    app.add_subapp("/video", create_app(Settings.parse(**LOCAL)))
    async with AsyncExitStack() as stack, raw_upstream(Honest(), keep_alive=True) as upstream:
        proxy = await serve(app, stack)
        for part in PARTS:
            fields = {"Range": f"bytes={part}"}
            url = proxy.url("/video/stream", upstream.link())
            async with proxy.client.get(url, headers=fields) as got:
                assert len(await got.read()) == 10

    assert len(seen) == len(PARTS)
    assert passed() == []


async def test_signal_of_somebody_else_sees_each_answer(passed: Callable[[], list[str]]) -> None:
    async def mark(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Mark"] = "seen"

    app = create_app(Settings.parse(**LOCAL))
    app.on_response_prepare.append(mark)
    async with AsyncExitStack() as stack, raw_upstream(Honest(), keep_alive=True) as upstream:
        proxy = await serve(app, stack)
        for part in PARTS:
            got = await proxy.stream(upstream.link(), part)
            assert (len(await got.read()), got.headers["X-Mark"]) == (10, "seen")

    assert passed() == []


class Held(Honest):
    """An honest upstream that holds its answers back, when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        await self.goes_on.wait()
        await super().__call__(exchange)


async def test_place_is_needed_for_each_repeat(start_proxy: StartProxy) -> None:
    held = Held()
    async with raw_upstream(held, keep_alive=True) as upstream, ClientSession() as session:
        proxy = await start_proxy(max_streams=1)
        other = Proxy(proxy.port, session)
        await take_parts(proxy, upstream.link())
        await take_parts(other, upstream.link())
        held.goes_on.clear()
        asked = len(upstream.exchanges)
        running = asyncio.create_task(proxy.stream(upstream.link(), PARTS[0]))
        await upstream.has_asked(asked + 1)
        refused = await other.stream(upstream.link(), PARTS[0])
        assert refused.status == 503
        assert (await refused.json(content_type=None))["code"] == "too_many_streams"
        held.goes_on.set()
        assert (await running).status == 206
        await take_parts(other, upstream.link())


async def test_idle_repeater_does_not_delay_the_end() -> None:
    elapsed = []
    for _ in range(3):  # a machine that stands still does not do so each time
        async with AsyncExitStack() as stack, raw_upstream(Honest(), keep_alive=True) as upstream:
            proxy = await serve(create_app(Settings.parse(**LOCAL)), stack)
            await take_parts(proxy, upstream.link())
            began_at = time.monotonic()
            await stack.aclose()
            elapsed.append(time.monotonic() - began_at)

    assert min(elapsed) < 0.9


async def test_repeat_that_runs_is_finished_at_the_end() -> None:
    """By whatever server: under gunicorn none of ours runs."""
    held = Held()
    async with AsyncExitStack() as outside, raw_upstream(held, keep_alive=True) as upstream:
        session = await outside.enter_async_context(ClientSession())
        stack = AsyncExitStack()
        proxy = await serve(create_app(Settings.parse(**LOCAL, shutdown_grace=5)), stack)
        proxy = Proxy(proxy.port, session)
        await take_parts(proxy, upstream.link())
        held.goes_on.clear()
        asked = len(upstream.exchanges)
        running = asyncio.create_task(proxy.stream(upstream.link(), PARTS[5]))
        await upstream.has_asked(asked + 1)
        ending = asyncio.create_task(stack.aclose())
        await asyncio.sleep(0.2)
        held.goes_on.set()

        got = await running
        assert await got.read() == CONTENT[50:60]
        await ending


async def test_repeat_is_answered_once_when_the_end_begins_meanwhile() -> None:
    """A server of ours lets streams finish before it closes connections."""
    held = Held()
    app = create_app(Settings.parse(**LOCAL))
    async with AsyncExitStack() as stack, raw_upstream(held, keep_alive=True) as upstream:
        proxy = await serve(app, stack)
        await take_parts(proxy, upstream.link())
        held.goes_on.clear()
        asked = len(upstream.exchanges)
        running = asyncio.create_task(proxy.stream(upstream.link(), PARTS[5]))
        await upstream.has_asked(asked + 1)
        ending = asyncio.create_task(app[STREAMS].drain(5, refuses=True))
        await asyncio.sleep(0.05)
        held.goes_on.set()
        assert await (await running).read() == CONTENT[50:60]
        await ending
        await asyncio.sleep(0.05)

        assert len(upstream.exchanges) == asked + 1
        refused = await proxy.stream(upstream.link(), PARTS[5])
        assert refused.status == 503


async def test_repeats_over_tls_are_answered_in_passing(
    authority: trustme.CA, passed: Callable[[], list[str]]
) -> None:
    secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trusting = ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(secured)
    authority.configure_trust(trusting)
    runner = web.AppRunner(create_app(Settings.parse(**LOCAL)), access_log=None)
    await runner.setup()
    async with AsyncExitStack() as stack, raw_upstream(Honest(), keep_alive=True) as upstream:
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=secured)
        await site.start()
        session = await stack.enter_async_context(ClientSession())
        url = f"https://127.0.0.1:{site.port}/stream?url={quote(upstream.link(), safe='')}"
        for number, part in enumerate(PARTS):
            fields = {"Range": f"bytes={part}"}
            async with session.get(url, headers=fields, ssl=trusting) as got:
                assert await got.read() == CONTENT[10 * number : 10 * number + 10]

    assert passed() == IN_PASSING


async def test_repeat_that_is_aborted_at_the_end_is_logged_as_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "streamproxy.middlewares.log_access")

    class Halting(Honest):
        halts = False

        async def __call__(self, exchange: Exchange) -> None:
            if not self.halts:
                await super().__call__(exchange)
                return
            fields = {"Content-Type": "video/mp4", "ETag": '"v1"', "Content-Length": "10"}
            fields["Content-Range"] = f"bytes 50-59/{len(CONTENT)}"
            await exchange.send(response("206 Partial Content", fields, CONTENT[50:55]))
            await exchange.wait_closed()

    halting = Halting()
    app = create_app(Settings.parse(**LOCAL))
    async with AsyncExitStack() as stack, raw_upstream(halting, keep_alive=True) as upstream:
        proxy = await serve(app, stack)
        await take_parts(proxy, upstream.link())
        halting.halts = True
        got = await proxy.stream(upstream.link(), PARTS[5])
        await app[STREAMS].drain(0)
        with pytest.raises(ClientError):
            await got.read()

    assert f"(bytes={PARTS[5]}, relay=copy): status -, 5 bytes" in caplog.messages[-1]
    assert caplog.messages[-1].endswith("shutdown")
