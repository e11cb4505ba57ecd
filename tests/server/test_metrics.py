"""Metrics: what is counted, who may read it, and that it says nothing of anybody."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, web
from program import run, running
from prometheus_client.parser import text_string_to_metric_families
from proxies import Proxy, StartProxy, code_of, serve
from subprocesses import clean_environment
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

import streamproxy
from streamproxy import Settings, create_app
from streamproxy.access.passwords import hash_password

ROOT = Path(streamproxy.__file__).parents[1]
LONG_TOKEN = "a-token-for-metrics-alone"
# Every label there is, and what may stand in it.
LABELS = {
    "route": r"[a-z]+",
    "code": r"[1-5]\d\d",
    "outcome": r"[a-z_]+",
    "relay": "copy|splice",
    "reason": r"[a-z_]+",
    "answer": "not_modified|precondition_failed|other",
    "le": r"[0-9.]+|\+Inf",
    "generation": r"\d",
}

Samples = dict[tuple[str, ...], float]


def parse(text: str) -> Samples:
    """Return the samples of a page by their name and the values of their labels."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def read(proxy: Proxy, **fields: str) -> tuple[int, str]:
    async with proxy.client.get(proxy.url("/metrics"), headers=fields) as got:
        return got.status, await got.text()


async def counts(proxy: Proxy) -> Samples:
    status, text = await read(proxy)
    assert status == 200
    return {
        ("_".join(key[0].split("_")[1:]), *key[1:]): value for key, value in parse(text).items()
    }


class TestCounting:
    async def test_requests_are_counted_by_route_and_code(self, proxy: Proxy) -> None:
        async with raw_upstream(Honest()) as upstream:
            for part in ("0-9", "10-19", None):
                await (await proxy.stream(upstream.link(), part)).read()
            await proxy.validate(upstream.link())
        async with proxy.client.get(proxy.url("/nowhere")) as got:
            assert got.status == 404
        found = await counts(proxy)
        assert found["requests_total", "206", "stream"] == 2
        assert found["requests_total", "200", "stream"] == 1
        assert found["requests_total", "200", "validate"] == 1
        assert found["requests_total", "404", "other"] == 1
        assert found["streams_total", "complete"] == 3

    @pytest.mark.parametrize("way", ["copy", "splice"], indirect=True)
    async def test_bytes_are_counted_by_the_way_they_took(self, proxy: Proxy, way: str) -> None:
        async with raw_upstream(Honest()) as upstream:
            await (await proxy.stream(upstream.link(), "0-99")).read()
            await (await proxy.stream(upstream.link())).read()
        found = await counts(proxy)
        assert found["bytes_total", way] >= len(CONTENT)
        assert found["bytes_total", "copy"] + found.get(("bytes_total", "splice"), 0) == (
            len(CONTENT) + 100
        )

    async def test_refusals_are_counted_by_reason(self, proxy: Proxy) -> None:
        page = response("200 OK", {"Content-Type": "text/html", "Content-Length": "3"}, b"abc")
        assert await code_of(proxy, "http://10.0.0.1/a.mp4") == (403, "blocked_target")
        async with raw_upstream(page) as upstream:
            assert await code_of(proxy, upstream.link()) == (415, "not_media")
            assert (await proxy.validate(upstream.link()))["valid"] is False
        found = await counts(proxy)
        assert found["refusals_total", "blocked_target"] == 1
        assert found["refusals_total", "not_media"] == 2
        assert found["streams_total", "refused"] == 2

    async def test_conditional_requests_are_counted_by_what_came_of_them(
        self, proxy: Proxy
    ) -> None:
        async with raw_upstream(Honest()) as upstream:
            for etag in ('"v1"', '"v1"', '"v0"'):
                await (await proxy.stream(upstream.link(), If_None_Match=etag)).read()
            await (await proxy.stream(upstream.link())).read()
        found = await counts(proxy)
        assert found["conditional_requests_total", "not_modified"] == 2
        assert found["conditional_requests_total", "other"] == 1
        assert found["requests_total", "304", "stream"] == 2

    async def test_upstreams_are_timed_and_kept_connections_are_no_new_ones(
        self, proxy: Proxy
    ) -> None:
        async with raw_upstream(Honest(), keep_alive=True) as upstream:
            for _ in range(3):
                await (await proxy.stream(upstream.link(), "0-9")).read()
            assert upstream.used == 1
        found = await counts(proxy)
        assert found["upstream_connect_seconds_count",] == 1
        assert found["upstream_first_byte_seconds_count",] == 3
        assert 0 < found["upstream_connect_seconds_sum",] < 5

    async def test_requests_sent_again_and_bodies_gone_on_with_are_counted(
        self, proxy: Proxy
    ) -> None:
        good = Honest()

        async def answer(exchange: Exchange) -> None:
            number = len(upstream.exchanges)
            if number == 1:
                exchange.reset()
            elif number == 2:
                fields = {"ETag": '"v1"', "Content-Type": "video/mp4"}
                fields["Content-Length"] = str(len(CONTENT))
                await exchange.send(response("200 OK", fields), CONTENT[:100_000])
            else:
                await good(exchange)

        async with raw_upstream(answer) as upstream:
            got = await proxy.stream(upstream.link())
            assert await got.read() == CONTENT
        found = await counts(proxy)
        assert (found["retries_total",], found["resumes_total",]) == (1, 1)

    async def test_stream_is_counted_while_it_runs(self, proxy: Proxy) -> None:
        go_on = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            fields = {"Content-Type": "video/mp4", "Content-Length": "2000"}
            await exchange.send(response("200 OK", fields), bytes(1000))
            await go_on.wait()
            await exchange.send(bytes(1000))

        async with raw_upstream(answer) as upstream:
            got = await proxy.stream(upstream.link())
            await got.content.readexactly(1000)
            found = await counts(proxy)
            assert (found["active_streams",], found["bytes_total", "copy"]) == (1, 1000)
            assert ("streams_total", "complete") not in found
            go_on.set()
            await got.read()
        found = await counts(proxy)
        assert (found["active_streams",], found["bytes_total", "copy"]) == (0, 2000)

    async def test_client_that_leaves_is_counted_as_gone(
        self, start_proxy: StartProxy, handler_cancellation: bool
    ) -> None:
        proxy = await start_proxy(handler_cancellation=handler_cancellation)
        head = response("200 OK", {"Content-Type": "video/mp4", "Content-Length": "2000"})

        async def answer(exchange: Exchange) -> None:
            await exchange.send(head, bytes(1000))
            await exchange.wait_closed()

        async with raw_upstream(answer) as upstream:
            got = await proxy.stream(upstream.link())
            await got.content.readexactly(1000)
            got.close()
            await asyncio.wait_for(upstream.closed.wait(), 10)
        async with asyncio.timeout(10):
            while (found := await counts(proxy))["active_streams",]:
                pass
        assert found["streams_total", "client_gone"] == 1
        assert found["requests_total", "499", "stream"] == 1

    async def test_event_loop_is_looked_at_each_second(self, proxy: Proxy) -> None:
        async with asyncio.timeout(10):
            while not (await counts(proxy))["event_loop_lag_seconds_count",]:
                pass

    async def test_late_event_loop_is_seen(self, proxy: Proxy) -> None:
        # The loop of the proxy is that of the test.
        subprocess.run(["sleep", "1.5"], check=True)  # noqa: ASYNC221, S607
        async with asyncio.timeout(10):
            while (await counts(proxy))["event_loop_lag_seconds_sum",] < 0.3:
                pass


async def test_dashboard_asks_for_what_is_counted(proxy: Proxy) -> None:
    _, text = await read(proxy)
    known = set()
    for family in text_string_to_metric_families(text):
        parts = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
        known |= {family.name + part for part in parts.get(family.type, ("",))}
    dashboard = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = set(re.findall(r"\b(?:streamproxy|process)_\w+", " ".join(queries)))
    assert asked <= known
    # What we count is shown, and nothing of it is left out of the page that lists it.
    ours = {name for name in known if re.match(r"streamproxy_.*(?<!_sum)(?<!_count)$", name)}
    ours = {name for name in ours if not name.endswith("_created")}
    assert ours <= asked
    listed = (ROOT / "docs" / "observability.md").read_text()
    assert {name.removesuffix("_bucket") for name in ours} == set(
        re.findall(r"^\| `(streamproxy_\w+)`", listed, re.MULTILINE)
    )


async def test_labels_say_nothing_of_links_hosts_or_clients(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(trusted_proxy="127.0.0.1")

    async def ask(number: int) -> None:
        async with raw_upstream(Honest()) as upstream:
            link = f"http://127.0.0.{number}:{upstream.port}/secret-{number}.mp4?token={number}"
            await proxy.stream(link, "0-9", X_Forwarded_For=f"192.0.2.{number}")
            await proxy.stream(upstream.link(f"/{number}"), X_Forwarded_For=f"192.0.2.{number}")
            await proxy.stream(f"https://secret-{number}.invalid/")
            path = f"/secret-{number}?url={quote(link)}"
            async with proxy.client.request("DELETE", proxy.url(path)) as got:
                assert got.status in (404, 405)

    await ask(2)
    await read(proxy)  # which is counted, too
    _, text = await read(proxy)
    for number in range(3, 7):
        await ask(number)
    _, later = await read(proxy)
    assert set(parse(later)) == set(parse(text))
    for family in text_string_to_metric_families(later):
        for sample in family.samples:
            for name, value in sample.labels.items():
                assert re.fullmatch(LABELS[name], value), sample
    assert not re.search(r"secret|192\.0\.2|127\.0\.0|invalid|token", later)


class TestAccess:
    @pytest.mark.parametrize(
        "fields",
        [
            {"X-Forwarded-For": "127.0.0.1"},
            {"X-Forwarded-For": ""},
            {"Forwarded": "for=127.0.0.1"},
            {"X-Real-IP": "127.0.0.1"},
            {"Via": "1.1 cache"},
        ],
    )
    @pytest.mark.parametrize("trusted_proxy", ["", "127.0.0.1"])
    async def test_whoever_comes_by_a_reverse_proxy_is_not_on_this_machine(
        self, start_proxy: StartProxy, fields: dict[str, str], trusted_proxy: str
    ) -> None:
        proxy = await start_proxy(trusted_proxy=trusted_proxy)
        status, text = await read(proxy, **fields)
        assert status == 403
        assert '"owner_only"' in text
        assert (await read(proxy))[0] == 200

    async def test_name_of_the_proxy_shows_that_somebody_stands_before_it(
        self, start_proxy: StartProxy
    ) -> None:
        proxy = await start_proxy(server_name="films.example")
        assert (await read(proxy))[0] == 403
        proxy = await start_proxy(server_name="films.example", trusted_proxy="127.0.0.1")
        assert (await read(proxy))[0] == 200

    @pytest.mark.parametrize("settings", [{}, {"access_token": LONG_TOKEN}])
    async def test_page_of_another_site_gets_nothing(
        self, start_proxy: StartProxy, settings: dict[str, str]
    ) -> None:
        proxy = await start_proxy(**settings)
        assert (await read(proxy, **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
        # A name of its own that leads here (DNS rebinding).
        assert (await read(proxy, Host="evil.example"))[0] in (401, 421)

    async def test_token_for_metrics_lets_in_to_them_alone(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(metrics_token=LONG_TOKEN, access_token="another-token")
        far = {"X-Forwarded-For": "192.0.2.1"}
        bearer = {"Authorization": f"Bearer {LONG_TOKEN}"}
        assert (await read(proxy, **far))[0] == 401
        assert (await read(proxy, Authorization="Bearer wrong", **far))[0] == 401
        assert (await read(proxy, Authorization=f"Basic {LONG_TOKEN}", **far))[0] == 401
        assert (await read(proxy, **bearer, **far))[0] == 200
        async with proxy.client.get(proxy.url("/api/validate", "x"), headers=bearer) as got:
            assert got.status == 401

    async def test_owner_gets_in_and_users_do_not(
        self, start_proxy: StartProxy, tmp_path: Path
    ) -> None:
        users = tmp_path / "users"
        users.write_text(f"anna:{hash_password('opensesame')}\n")
        proxy = await start_proxy(access_token="a-token", users_file=str(users))
        far = {"X-Forwarded-For": "192.0.2.1"}
        assert (await read(proxy, Authorization="Bearer a-token", **far))[0] == 200
        basic = "Basic YW5uYTpvcGVuc2VzYW1l"
        status, text = await read(proxy, Authorization=basic, **far)
        assert (status, '"owner_only"' in text) == (403, True)

    async def test_connection_from_elsewhere_is_refused(self, tmp_path: Path) -> None:
        """Over an address of this machine that is not loopback: so it looks from elsewhere."""
        address = other_address()
        options = ("--host", "0.0.0.0", "--no-auth", "--log-file", "-")
        async with running(*options, cwd=tmp_path) as (_, origin), ClientSession() as client:
            async with client.get(f"{origin}metrics") as got:
                assert got.status == 200
            async with client.get(f"{origin}metrics".replace("127.0.0.1", address)) as got:
                assert (got.status, (await got.json(content_type=None))["code"]) == (
                    403,
                    "owner_only",
                )

    async def test_switched_off_there_are_none(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(metrics=False)
        assert (await read(proxy))[0] == 404

    async def test_mounted_proxy_has_its_own(self) -> None:
        parent = web.Application()
        parent.add_subapp("/video/", create_app(Settings.parse(allow_network="127.0.0.0/8")))
        async with AsyncExitStack() as stack, raw_upstream(Honest()) as upstream:
            proxy = await serve(parent, stack)
            got = await proxy.client.get(proxy.url("/video/stream", upstream.link()))
            await got.read()
            async with proxy.client.get(proxy.url("/video/metrics")) as page:
                found = parse(await page.text())
        assert found["streamproxy_requests_total", "200", "stream"] == 1


def other_address() -> str:
    """Return an address of this machine that is not loopback's."""
    done = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True)  # noqa: S607
    found = [address for address in done.stdout.split() if ":" not in address]
    if not found:
        pytest.skip("this machine has no address but loopback's")
    return found[0]


# In an interpreter of its own, in which the package cannot be imported.
WITHOUT = """
import asyncio, sys
sys.modules["prometheus_client"] = None
from aiohttp.test_utils import TestClient, TestServer
from streamproxy import Settings, SettingsError, create_app

async def main():
    async with TestClient(TestServer(create_app())) as client:
        got = await client.get("/metrics")
        print(got.status, (await got.json(content_type=None))["detail"])
    try:
        create_app(Settings.parse(metrics_token="0123456789abcdef"))
    except SettingsError as exc:
        print(exc)

asyncio.run(main())
"""


def test_missing_extra_is_named_and_everything_else_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    answered, refused = done.stdout.splitlines()
    assert answered == "501 Metrics need an extra: pip install 'streamproxy[metrics]'."
    assert refused.startswith("metrics:")
    assert "streamproxy[metrics]" in refused


class TestSeveralProcesses:
    @pytest.fixture
    async def workers(self, tmp_path: Path) -> AsyncIterator[list[tuple[Any, Proxy]]]:
        """Run two processes that share their counts."""
        shared = tmp_path / "shared"
        shared.mkdir()
        options = ("--log-file", "-", "--allow-network", "127.0.0.0/8")
        async with AsyncExitStack() as stack:
            started = []
            for _ in range(2):
                process, origin = await stack.enter_async_context(
                    running(*options, cwd=tmp_path, PROMETHEUS_MULTIPROC_DIR=str(shared))
                )
                client = await stack.enter_async_context(ClientSession())
                started.append((process, Proxy(int(origin.rsplit(":", 1)[1][:-1]), client)))
            yield started

    async def test_each_answers_for_all(self, workers: list[tuple[Any, Proxy]]) -> None:
        async with raw_upstream(Honest()) as upstream:
            for _, proxy in workers:
                await (await proxy.stream(upstream.link(), "0-9")).read()
        wanted = {
            ("requests_total", "206", "stream"): 2,
            ("bytes_total", "copy"): 20,
            ("upstream_connect_seconds_count",): 2,
        }
        for _, proxy in workers:
            found: Samples = {}
            # The other one gives its counts each second, one after the other.
            with suppress(TimeoutError):
                async with asyncio.timeout(30):
                    while not wanted.items() <= found.items():
                        found = await counts(proxy)
            assert {key: found.get(key) for key in wanted} == wanted

    async def test_streams_of_a_killed_process_run_no_more(
        self, workers: list[tuple[Any, Proxy]]
    ) -> None:
        (killed, first), (_, second) = workers
        head = response("200 OK", {"Content-Type": "video/mp4", "Content-Length": "2000"})

        async def answer(exchange: Exchange) -> None:
            await exchange.send(head, bytes(1000))
            await exchange.wait_closed()

        async with raw_upstream(answer) as upstream:
            got = await first.stream(upstream.link())
            await got.content.readexactly(1000)
            assert (await counts(first))["active_streams",] == 1
            assert (await counts(second))["active_streams",] == 1
            killed.send_signal(signal.SIGKILL)
            await killed.wait()
            first.close()
            found = await counts(second)
        assert found["active_streams",] == 0
        assert found["bytes_total", "copy"] == 1000

    async def test_folder_that_is_none_is_named(self, tmp_path: Path) -> None:
        shared = str(tmp_path / "nowhere")
        status, _, said = await run("--port", "0", cwd=tmp_path, PROMETHEUS_MULTIPROC_DIR=shared)
        assert status == 2
        assert said.startswith("streamproxy: PROMETHEUS_MULTIPROC_DIR: ")
