"""GET /ready: whether a balancer should send new streams here."""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

from aiohttp import ClientSession
from program import outcome, running
from proxies import Proxy, StartProxy, serve
from redis_servers import redis_server
from upstreams import Exchange, raw_upstream, response

from streamproxy import create_app
from streamproxy.keys import CHECKS

READY = {"status": "ready", "reasons": []}
WITHOUT_STORE = {"status": "not_ready", "reasons": ["rate_store"]}


async def ask(proxy: Proxy) -> tuple[int, object]:
    async with proxy.client.get(proxy.url("/ready")) as got:
        assert got.headers["Cache-Control"] == "no-store"
        return got.status, await got.json()


async def test_needs_nothing_by_default(proxy: Proxy) -> None:
    assert await ask(proxy) == (200, READY)


async def test_store_that_is_lost_and_comes_back(start_proxy: StartProxy) -> None:
    async with redis_server(password="hidden-word") as store:
        proxy = await start_proxy(
            rate_limit="100/minute", user_rate_limit="100/minute", rate_store=store.url
        )
        assert await ask(proxy) == (200, READY)

        await store.stop()
        assert await ask(proxy) == (503, WITHOUT_STORE)
        async with proxy.client.get(proxy.url("/health")) as got:
            assert got.status == 200  # it serves all the same, and counts in memory

        await store.start()
        async with asyncio.timeout(20):
            while (await ask(proxy))[0] != 200:  # noqa: ASYNC110  # as a balancer does
                await asyncio.sleep(0.1)


async def test_store_that_says_nothing_is_waited_for_a_second(start_proxy: StartProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = f"redis://:hidden-word@127.0.0.1:{silent.getsockname()[1]}/0"
        proxy = await start_proxy(rate_limit="100/minute", rate_store=store)
        async with asyncio.timeout(20):
            status, answer = await ask(proxy)
    assert (status, answer) == (503, WITHOUT_STORE)


async def test_checks_of_an_embedding_service_are_asked_and_not_waited_for_long() -> None:
    async def disk() -> str | None:
        return "disk"

    async def well() -> str | None:
        return None

    async def endless() -> str | None:
        await asyncio.Event().wait()
        raise AssertionError

    app = create_app()
    app[CHECKS] = (*app[CHECKS], disk, well, disk, endless)
    async with AsyncExitStack() as stack, asyncio.timeout(10):
        status, answer = await ask(await serve(app, stack))
    assert (status, answer) == (503, {"status": "not_ready", "reasons": ["disk", "timeout"]})


async def test_asks_nobody_who_they_are_and_is_not_counted(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(access_token="t" * 20, rate_limit="2/minute")
    for _ in range(5):
        assert await ask(proxy) == (200, READY)


async def test_says_so_while_the_server_comes_to_its_end(tmp_path: Path) -> None:
    async def answer(exchange: Exchange) -> None:
        fields = {"Content-Type": "video/mp4", "Content-Length": "1000"}
        await exchange.send(response("200 OK", fields, b"first"))
        await exchange.wait_closed()

    arguments = ("--shutdown-grace", "20", "--allow-network", "127.0.0.0/8", "--log-file", "-")
    async with (
        raw_upstream(answer) as upstream,
        running(*arguments, cwd=tmp_path) as (process, address),
        ClientSession() as client,
    ):
        got = await client.get(f"{address}stream?url={quote(upstream.link(), safe='')}")
        assert await got.content.readexactly(5) == b"first"
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            while True:
                async with client.get(f"{address}ready") as asked:
                    answered = await asked.json()
                if asked.status == 503:
                    break
        assert answered == {"status": "not_ready", "reasons": ["draining"]}
        process.send_signal(signal.SIGTERM)
        got.close()
        await outcome(process)
