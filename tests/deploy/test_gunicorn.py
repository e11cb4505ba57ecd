"""Real gunicorn, with the worker of aiohttp and the command of the README."""

import asyncio
import os
import re
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientError
from halves import HALF, Halves, begin
from proxies import code_of
from redis_servers import redis_server
from servers import NotStarted, eventually, gunicorn, other_address
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy.access.passwords import hash_password

TOKEN = "0123456789abcdef-a-token"
LONG_GRACE = {"STREAMPROXY_SHUTDOWN_GRACE": "120"}
# Seconds for what gunicorn would else end by force, after 30.
SOON_S = 20


async def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    async with (
        raw_upstream(Honest()) as upstream,
        gunicorn("-w", "2", folder=tmp_path, STREAMPROXY_MAX_FILE_SIZE="1KiB") as server,
    ):
        assert await code_of(server.proxy, upstream.link()) == (413, "too_large")


async def test_film_arrives_whole_from_four_workers(tmp_path: Path) -> None:
    async with (
        raw_upstream(Honest()) as upstream,
        gunicorn("-w", "4", folder=tmp_path) as server,
    ):
        assert await server.has_workers(4)
        for _ in range(8):
            got = await server.proxy.stream(upstream.link(), "5-")
            assert await got.read() == CONTENT[5:]
        server.process.terminate()
        await server.end()


async def test_bad_setting_ends_the_start_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="read_timeout: 'never' is not allowed"):
        async with gunicorn(folder=tmp_path, STREAMPROXY_READ_TIMEOUT="never"):
            pass


class TestLog:
    async def test_is_that_of_the_program_and_holds_each_line_once(self, tmp_path: Path) -> None:
        async with (
            raw_upstream(Honest()) as upstream,
            gunicorn("-w", "2", folder=tmp_path) as server,
        ):
            got = await server.proxy.stream(upstream.link())
            assert await got.read() == CONTENT
            server.process.terminate()
            said = await server.end()
        log = (tmp_path / "stream.log").read_text()
        pattern = (
            r"^[\d -]+ [\d:,]+ - streamproxy\.middlewares\.log_access - INFO - GET /stream of "
        )
        assert len(re.findall(pattern, log, re.MULTILINE)) == 1
        assert len(re.findall(pattern, said, re.MULTILINE)) == 1

    async def test_holds_no_secret_whatever_is_asked_of_gunicorn(self, tmp_path: Path) -> None:
        options = ("--access-logfile", "access.log", "--log-level", "debug")
        async with (
            raw_upstream(Honest()) as upstream,
            gunicorn(*options, folder=tmp_path) as server,
        ):
            got = await server.proxy.stream(upstream.link("/a.mp4?token=s3cret"))
            assert await got.read() == CONTENT
            with socket.create_connection(("127.0.0.1", server.proxy.port)) as client:
                with suppress(ConnectionError):  # it may be refused before all of it is sent
                    client.sendall(
                        b"GET /stream?url=s3cret" + b"x" * 200_000 + b" HTTP/1.1\r\n\r\n"
                    )
                assert b" 400 " in client.recv(1000)
            server.process.terminate()
            await server.end()
            assert "a.mp4" in server.written()
            assert "s3cret" not in server.written()


async def test_long_links_pass(tmp_path: Path) -> None:
    async with raw_upstream(Honest()) as upstream, gunicorn(folder=tmp_path) as server:
        got = await server.proxy.stream(upstream.link(f"/a.mp4?{'x' * 12_000}"))
        assert await got.read() == CONTENT


async def test_leaving_client_frees_the_upstream(tmp_path: Path) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", {"Content-Type": "video/mp4"}, b"first"))
        await exchange.wait_closed()

    async with raw_upstream(answer) as upstream, gunicorn(folder=tmp_path) as server:
        got = await server.proxy.stream(upstream.link())
        assert await got.content.readexactly(5) == b"first"
        got.close()
        await asyncio.wait_for(upstream.closed.wait(), SOON_S)


class TestWorkerTimeout:
    async def test_lets_longer_streams_be(self, tmp_path: Path) -> None:
        halves = Halves()
        async with raw_upstream(halves) as upstream, gunicorn("-t", "4", folder=tmp_path) as server:
            assert await server.has_workers(1)
            workers = server.workers()
            got = await begin(server.proxy, upstream.link())
            await asyncio.sleep(6)  # gunicorn looks at its workers once a second
            halves.go_on.set()
            assert await got.read() == CONTENT[HALF:]
            assert server.workers() == workers

    async def test_ends_a_worker_that_hangs(self, tmp_path: Path) -> None:
        async with gunicorn("-t", "4", folder=tmp_path) as server:
            assert await server.has_workers(1)
            (worker,) = server.workers()
            os.kill(worker, signal.SIGSTOP)
            assert await server.has_workers(1, without=[worker], within_s=SOON_S)
            async with server.proxy.client.get(server.proxy.url("/health")) as got:
                assert got.status == 200


class TestEnd:
    async def test_running_streams_finish(self, tmp_path: Path) -> None:
        halves = Halves()
        async with (
            raw_upstream(halves) as upstream,
            gunicorn("-w", "2", folder=tmp_path, **LONG_GRACE) as server,
        ):
            got = await begin(server.proxy, upstream.link())
            server.process.terminate()

            async def says_so() -> bool:
                return "Handling signal: term" in server.errors

            assert await eventually(says_so, SOON_S)
            halves.go_on.set()
            assert await got.read() == CONTENT[HALF:]
            await server.end(SOON_S)

    async def test_cuts_what_outlives_the_grace(self, tmp_path: Path) -> None:
        async with (
            raw_upstream(Halves()) as upstream,
            gunicorn(folder=tmp_path, STREAMPROXY_SHUTDOWN_GRACE="0.5") as server,
        ):
            got = await begin(server.proxy, upstream.link())
            server.process.terminate()
            async with asyncio.timeout(SOON_S):
                with pytest.raises(ClientError):
                    await got.read()
                await server.end()

    async def test_reload_serves_anew_and_lets_old_streams_finish(self, tmp_path: Path) -> None:
        halves = Halves()
        async with (
            raw_upstream(halves) as upstream,
            raw_upstream(Honest()) as other,
            gunicorn("-w", "2", folder=tmp_path, **LONG_GRACE) as server,
        ):
            assert await server.has_workers(2)
            old = set(server.workers())
            got = await begin(server.proxy, upstream.link())
            server.process.send_signal(signal.SIGHUP)

            async def new_ones_serve() -> bool:
                # Gunicorn starts both before the old ones leave; one of those has the stream.
                return len(set(server.workers()) - old) == 2 and len(server.workers()) == 3

            assert await eventually(new_ones_serve, SOON_S)
            fresh = await server.proxy.stream(other.link())
            body = await fresh.read()
            assert body == CONTENT, (fresh.status, body[:600], server.errors[-3000:])
            halves.go_on.set()
            assert await got.read() == CONTENT[HALF:]
            assert await server.has_workers(2, without=list(old), within_s=SOON_S)
            server.process.terminate()
            await server.end()


class TestWhoMayComeIn:
    async def test_is_this_machine_alone_until_somebody_says(self, tmp_path: Path) -> None:
        async with (
            raw_upstream(Honest()) as upstream,
            gunicorn(folder=tmp_path, host="0.0.0.0") as server,
        ):
            got = await server.proxy.stream(upstream.link())
            assert await got.read() == CONTENT
            base = f"http://{other_address()}:{server.proxy.port}"
            async with server.proxy.client.get(f"{base}/") as page:
                assert page.status == 403
                assert "closed_to_others" in await page.text()
            async with server.proxy.client.get(f"{base}/health") as health:
                assert health.status == 200
            server.process.terminate()
            assert "answers this machine alone" in await server.end()

    @pytest.mark.parametrize(
        ("name", "value", "status"), [("ACCESS_TOKEN", TOKEN, 401), ("AUTH", "no", 200)]
    )
    async def test_is_whom_the_owner_says(
        self, tmp_path: Path, name: str, value: str, status: int
    ) -> None:
        environment = {f"STREAMPROXY_{name}": value}
        async with gunicorn(folder=tmp_path, host="0.0.0.0", **environment) as server:
            url = f"http://{other_address()}:{server.proxy.port}/"
            async with server.proxy.client.get(url) as page:
                assert page.status == status
            server.process.terminate()
            assert "answers this machine alone" not in await server.end()

    async def test_signs_in_to_all_workers_at_once(self, tmp_path: Path) -> None:
        """Users alone, so that nothing in the settings could sign a session."""
        (tmp_path / "users").write_text(f"anna:{hash_password('right')}\n")
        async with gunicorn("-w", "4", folder=tmp_path, STREAMPROXY_USERS_FILE="users") as server:
            assert await server.has_workers(4)
            form = {"user": "anna", "secret": "right"}
            client = server.proxy.client
            async with client.post(
                server.proxy.url("/login"), data=form, allow_redirects=False
            ) as got:
                cookie = got.headers["Set-Cookie"].partition(";")[0]
            statuses = set()
            for _ in range(40):  # each on a connection of its own, so that all workers are asked
                async with client.get(server.proxy.url("/"), headers={"Cookie": cookie}) as got:
                    statuses.add(got.status)
        assert statuses == {200}


PARENT = """
from aiohttp import web
from streamproxy import create_app

async def health(request):
    return web.Response(text="mine")

app = web.Application()
app.router.add_get("/health", health)
app.add_subapp("/video/", create_app())
"""


async def test_mounted_in_another_application_it_is_a_part_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    async with (
        raw_upstream(Honest()) as upstream,
        gunicorn(folder=tmp_path, host="0.0.0.0", app="parent:app") as server,
    ):
        base = f"http://{other_address()}:{server.proxy.port}"
        async with server.proxy.client.get(f"{base}/video/") as page:
            assert page.status == 200  # its owner decides who may come in
        got = await server.proxy.client.get(server.proxy.url("/video/stream", upstream.link()))
        assert await got.read() == CONTENT
        server.process.terminate()
        await server.end()
    assert not (tmp_path / "stream.log").exists()


async def test_application_that_is_made_before_the_fork_serves(tmp_path: Path) -> None:
    async with (
        raw_upstream(Honest()) as upstream,
        gunicorn("-w", "2", "--preload", folder=tmp_path) as server,
    ):
        for _ in range(4):
            got = await server.proxy.stream(upstream.link())
            assert await got.read() == CONTENT
        server.process.terminate()
        assert "GET /stream" in await server.end()


async def test_rates_are_counted_for_all_workers_together(tmp_path: Path) -> None:
    async with (
        redis_server() as store,
        gunicorn(
            *("-w", "4"),
            folder=tmp_path,
            STREAMPROXY_RATE_LIMIT="10/hour",
            STREAMPROXY_RATE_STORE=store.url,
        ) as server,
    ):
        assert await server.has_workers(4)
        statuses = []
        for _ in range(15):
            async with server.proxy.client.get(server.proxy.url("/")) as got:
                statuses.append(got.status)
    assert statuses == [200] * 10 + [429] * 5
