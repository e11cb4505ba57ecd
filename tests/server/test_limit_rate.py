"""How often a client and a user may ask: fields, refusals, one budget for several servers."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web
from program import running
from proxies import Proxy, StartProxy, serve
from redis_servers import free_port, redis_server
from subprocesses import clean_environment
from upstreams import CONTENT, Honest, raw_upstream

from streamproxy import Settings, create_app
from streamproxy.access.identity import Identity, Kind
from streamproxy.keys import IDENTITY
from streamproxy.middlewares import report_errors
from streamproxy.middlewares.limit_rate import client_of, limit_rate, user_of
from streamproxy.options import Rate

NO_LINK = "/stream"  # is counted, and answered with 400 without any upstream


async def get(proxy: Proxy, route: str = NO_LINK, **fields: str) -> ClientResponse:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    async with proxy.client.get(proxy.url(route), headers=headers) as got:
        await got.read()
        return got


async def statuses(proxy: Proxy, times: int, **fields: str) -> list[int]:
    return [(await get(proxy, **fields)).status for _ in range(times)]


def rate_fields(got: ClientResponse) -> dict[str, str]:
    return {name: value for name, value in got.headers.items() if name.startswith("RateLimit")}


async def test_request_beyond_the_rate_is_429(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(rate_limit="2/hour")
    assert await statuses(proxy, 2) == [400, 400]
    async with proxy.client.get(proxy.url(NO_LINK)) as got:
        problem = await got.json(content_type="application/problem+json")
    assert (got.status, problem["code"], problem["retryable"]) == (429, "rate_limited", True)
    assert 3590 < int(got.headers["Retry-After"]) <= 3600


async def test_validate_answers_429_and_not_that_the_link_is_bad(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(rate_limit="1/hour")
    await get(proxy)
    async with proxy.client.get(proxy.url("/api/validate", "http://a.example/")) as got:
        answer = await got.json()
    assert (got.status, answer["code"]) == (429, "rate_limited")
    assert int(got.headers["Retry-After"]) > 3590


async def test_answers_tell_what_is_left(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(rate_limit="9/hour, 100/day")
    async with raw_upstream(Honest()) as upstream:
        streamed = await proxy.stream(upstream.link(), "5-9")
        assert (streamed.status, await streamed.read()) == (206, CONTENT[5:10])
        async with proxy.client.get(proxy.url("/api/validate", upstream.link())) as validated:
            assert (await validated.json())["valid"] is True
        async with proxy.client.head(proxy.url("/stream", upstream.link())) as asked:
            assert asked.status == 200
    found = [streamed, validated, asked, await get(proxy, "/"), await get(proxy)]
    for left, got in zip(range(8, 3, -1), found, strict=True):
        assert rate_fields(got).keys() == {
            *("RateLimit", "RateLimit-Policy"),
            *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
        }
        assert re.fullmatch(rf'"client-3600s";r={left};t=3(600|59[0-9])', got.headers["RateLimit"])
        assert got.headers["RateLimit-Policy"] == (
            '"client-3600s";q=9;w=3600, "client-86400s";q=100;w=86400'
        )
        assert (got.headers["RateLimit-Limit"], got.headers["RateLimit-Remaining"]) == (
            "9",
            str(left),
        )
        assert 3590 < int(got.headers["RateLimit-Reset"]) <= 3600


async def test_refusal_tells_the_rate_that_refused(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(rate_limit="2/day, 9/hour")
    assert await statuses(proxy, 3) == [400, 400, 429]
    got = await get(proxy)
    assert got.headers["RateLimit"].startswith('"client-86400s";r=0;t=86')
    assert got.headers["RateLimit-Remaining"] == "0"


async def test_health_and_the_files_of_the_page_are_not_counted(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(rate_limit="1/hour")
    for route in ("/health", "/static/css/base.css", "/health"):
        got = await get(proxy, route)
        assert (got.status, rate_fields(got)) == (200, {})
    assert await statuses(proxy, 2) == [400, 429]


async def test_clients_are_counted_by_address_or_network(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(rate_limit="1/hour", trusted_proxy="127.0.0.1")
    assert await statuses(proxy, 2, X_Forwarded_For="203.0.113.7") == [400, 429]
    assert await statuses(proxy, 2, X_Forwarded_For="203.0.113.8") == [400, 429]
    assert await statuses(proxy, 1, X_Forwarded_For="::ffff:203.0.113.8") == [429]
    assert await statuses(proxy, 1, X_Forwarded_For="2001:db8:0:1::1") == [400]
    assert await statuses(proxy, 1, X_Forwarded_For="2001:db8:0:1:ffff::2") == [429]
    assert await statuses(proxy, 1, X_Forwarded_For="2001:db8:0:2::1") == [400]


async def test_forwarded_address_of_a_stranger_opens_no_budget(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(rate_limit="1/hour", trusted_proxy="10.0.0.0/8")
    assert await statuses(proxy, 1, X_Forwarded_For="203.0.113.7") == [400]
    assert await statuses(proxy, 1, X_Forwarded_For="203.0.113.8") == [429]


@web.middleware
async def say_who(request: web.Request, handler: Any) -> web.StreamResponse:
    """Take the identity from the request: how it is shown is tested elsewhere."""
    if kind := request.headers.get("X-Kind"):
        request[IDENTITY] = Identity(Kind(kind), request.headers.get("X-Name", ""))
    response: web.StreamResponse = await handler(request)
    return response


class TestUsers:
    async def start(self, start_proxy: StartProxy, *parts: limit_rate) -> Proxy:
        return await start_proxy(app_options={"middlewares": (report_errors(), say_who, *parts)})

    async def test_each_name_has_a_budget(self, start_proxy: StartProxy) -> None:
        proxy = await self.start(start_proxy, limit_rate([Rate(1, 3600)], key=user_of))
        page = {"route": "/"}
        for fields in ({"X_Kind": "user", "X_Name": "ann"}, {"X_Kind": "token", "X_Name": "ann"}):
            found = [(await get(proxy, **page, **fields)).status for _ in range(2)]
            assert found == [200, 429]

    async def test_nobody_and_signed_links_are_not_counted(self, start_proxy: StartProxy) -> None:
        proxy = await self.start(start_proxy, limit_rate([Rate(1, 3600)], key=user_of))
        for fields in ({}, {"X_Kind": "signed link"}):
            for _ in range(3):
                got = await get(proxy, "/", **fields)
                assert (got.status, rate_fields(got)) == (200, {})

    async def test_of_client_and_user_the_tighter_is_told(self, start_proxy: StartProxy) -> None:
        proxy = await self.start(
            start_proxy,
            limit_rate([Rate(4, 3600)], key=client_of),
            limit_rate([Rate(2, 60)], key=user_of),
        )
        ann = {"X_Kind": "user", "X_Name": "ann"}
        first = await get(proxy, "/", **ann)
        assert first.headers["RateLimit"].startswith('"user-60s";r=1;t=')
        policies = '"client-3600s";q=4;w=3600, "user-60s";q=2;w=60'
        assert first.headers["RateLimit-Policy"] == policies
        nobody = await get(proxy, "/")
        assert nobody.headers["RateLimit"].startswith('"client-3600s";r=2;t=')
        other = await get(proxy, "/", X_Kind="user", X_Name="bob")
        assert other.headers["RateLimit"].startswith('"client-3600s";r=1;t=')
        assert [(await get(proxy, "/", **ann)).status for _ in range(2)] == [200, 429]


class TestSharedBudget:
    async def test_two_applications(self, start_proxy: StartProxy) -> None:
        async with redis_server(password="s3cret") as redis:
            settings = {"rate_limit": "5/hour", "rate_store": redis.url}
            one, other = await start_proxy(**settings), await start_proxy(**settings)
            assert await statuses(one, 3) == [400] * 3
            assert await statuses(other, 3) == [400, 400, 429]
            assert await statuses(one, 1) == [429]

    async def test_two_processes(self, tmp_path: Path) -> None:
        async with (
            redis_server() as redis,
            process(tmp_path, redis.url) as one,
            process(tmp_path, redis.url) as other,
            ClientSession() as client,
        ):
            found = []
            for address in (one, other) * 4:
                async with client.get(f"{address}stream") as got:
                    found.append(got.status)
        assert found == [400] * 5 + [429] * 3

    async def test_many_at_a_time(self, start_proxy: StartProxy) -> None:
        async with redis_server() as redis:
            settings = {"rate_limit": "20/hour", "rate_store": redis.url}
            one, other = await start_proxy(**settings), await start_proxy(**settings)
            found = await asyncio.gather(*(statuses(p, 4) for p in (one, other) * 10))
        assert sorted(chain.from_iterable(found)) == [400] * 20 + [429] * 60

    async def test_connections_end_with_the_application(self) -> None:
        async with redis_server() as redis:
            async with AsyncExitStack() as stack:
                rates = {"rate_limit": "5/hour", "user_rate_limit": "5/hour"}
                proxy = await serve(
                    create_app(Settings.parse(**rates, rate_store=redis.url)), stack
                )
                assert (await get(proxy, "/")).status == 200
                assert len(await redis.ask("client", "list")) == 2  # with the one that asks
            assert len(await redis.ask("client", "list")) == 1

    async def test_lost_redis_neither_stops_the_server_nor_lifts_the_limit(
        self, start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with redis_server(password="s3cret") as redis:
            proxy = await start_proxy(rate_limit="2/hour", rate_store=redis.url)
            assert await statuses(proxy, 1) == [400]
            await redis.stop()
            async with asyncio.timeout(10):
                assert await statuses(proxy, 4) == [400, 400, 429, 429]
        warnings = [message for message in caplog.messages if "rate_store" in message]
        assert len(warnings) == 1
        assert "s3cret" not in caplog.text

    async def test_redis_that_was_never_there(self, start_proxy: StartProxy) -> None:
        url = f"redis://127.0.0.1:{free_port()}"
        proxy = await start_proxy(rate_limit="2/hour", rate_store=url)
        assert await statuses(proxy, 3) == [400, 400, 429]


@asynccontextmanager
async def process(folder: Path, store_url: str) -> AsyncIterator[str]:
    """Run the program with a shared budget; yield its address."""
    environment = {"STREAMPROXY_RATE_STORE": store_url, "STREAMPROXY_RATE_LIMIT": "5/hour"}
    async with running(cwd=folder, **environment) as (_, address):
        yield address


# In an interpreter of its own, in which a package cannot be imported.
WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
import streamproxy
from streamproxy import Settings, SettingsError, create_app, sign_url
try:
    eval(sys.argv[2])
except SettingsError as exc:
    print(exc)
"""


@pytest.mark.parametrize(
    ("package", "code", "extra"),
    [
        ("limits", "create_app(Settings.parse(rate_limit='5/hour'))", "streamproxy[rate]"),
        ("limits", "create_app(Settings.parse(user_rate_limit='5/hour'))", "streamproxy[rate]"),
        (
            "redis",
            "create_app(Settings.parse(rate_limit='5/hour', rate_store='redis://a.example'))",
            "streamproxy[redis]",
        ),
        (
            "itsdangerous",
            "create_app(Settings.parse(signing_key='0123456789abcdef'))",
            "streamproxy[signing]",
        ),
        (
            "itsdangerous",
            "sign_url('http://a.example/', '0123456789abcdef', ttl_s=60)",
            "streamproxy[signing]",
        ),
    ],
)
def test_missing_package_is_an_error_that_names_the_extra(
    package: str, code: str, extra: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT, package, code],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    assert extra in done.stdout
    assert len(done.stdout.splitlines()) == 1
