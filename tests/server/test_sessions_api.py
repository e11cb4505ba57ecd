"""The streams that run: shown to their owner, ended by them, and to each viewer their own."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientError, ClientResponse, web
from proxies import Proxy, StartProxy, serve
from upstreams import CONTENT, Exchange, Honest, RawUpstream, raw_upstream, response

import streamproxy
from streamproxy import Settings, create_app
from streamproxy.access.passwords import hash_password

TOKEN = "the-token-of-the-owner"
OWNER = {"Authorization": f"Bearer {TOKEN}"}
SIZE = 4 * len(CONTENT)


def basic(name: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{name}:opensesame'.encode()).decode()}"}


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    """A site that sends a mebibyte of four, and then waits."""

    async def answer(exchange: Exchange) -> None:
        if exchange.target.startswith(b"/silent"):
            await exchange.wait_closed()
            return
        fields = {"Content-Type": "video/mp4", "Content-Length": str(SIZE), "ETag": '"v1"'}
        status = "200 OK"
        if exchange.field("Range"):
            status = "206 Partial Content"
            fields["Content-Range"] = f"bytes 0-{SIZE - 1}/{SIZE}"
        await exchange.send(response(status, fields), CONTENT)
        await exchange.wait_closed()

    async with raw_upstream(answer) as upstream:
        yield upstream


@pytest.fixture
async def guarded(start_proxy: StartProxy, tmp_path: Path) -> Proxy:
    """A proxy with an owner, and two users."""
    users = tmp_path / "users"
    hashed = hash_password("opensesame")
    users.write_text(f"anna:{hashed}\nbert:{hashed}\n")
    return await start_proxy(access_token=TOKEN, users_file=str(users), trusted_proxy="127.0.0.1")


async def ask(
    proxy: Proxy, path: str = "", method: str = "GET", **fields: str
) -> tuple[int, dict[str, Any]]:
    url = proxy.url(f"/api/sessions{path}")
    async with proxy.client.request(method, url, headers=fields) as got:
        text = await got.text()
        return got.status, json.loads(text) if text else {}


@asynccontextmanager
async def playing(proxy: Proxy, link: str, **fields: str) -> AsyncIterator[ClientResponse]:
    """Stream the mebibyte that comes."""
    got = await proxy.stream(link, **fields)
    assert len(await got.content.readexactly(len(CONTENT))) == len(CONTENT)
    try:
        yield got
    finally:
        got.close()


class TestOwner:
    async def test_sees_what_runs(self, proxy: Proxy, upstream: RawUpstream) -> None:
        async with playing(proxy, upstream.link("/film.mp4?token=s3cret"), Range="bytes=0-"):
            status, answer = await ask(proxy)
        [found] = answer["sessions"]
        assert (status, answer["streams"]) == (200, 1)
        assert found.pop("id")
        assert found.pop("seconds") >= 0
        assert found.pop("rate") == pytest.approx(answer["rate"], rel=0.1)
        assert found.pop("relay") in {"copy", "splice"}
        assert found == {
            "client": "127.0.0.1",
            "user": None,
            "host": "127.0.0.1",
            "range": "0-",
            "bytes": len(CONTENT),
            "buffer": 0,
            "resumes": 0,
        }
        assert "s3cret" not in json.dumps(answer)
        assert "film" not in json.dumps(answer)

    async def test_rate_is_that_of_the_last_seconds(
        self, proxy: Proxy, upstream: RawUpstream
    ) -> None:
        async with playing(proxy, upstream.link()):
            async with asyncio.timeout(15):
                while (answer := (await ask(proxy))[1])["sessions"][0]["seconds"] < 0.5:
                    pass
                assert answer["sessions"][0]["rate"] > 0
                # Nothing more comes: from the first look on, each second, the rate is none.
                while (await ask(proxy))[1]["rate"]:
                    pass

    async def test_sees_that_a_site_broke_off_while_the_stream_goes_on(self, proxy: Proxy) -> None:
        fields = {"ETag": '"v1"', "Content-Type": "video/mp4", "Content-Length": str(len(CONTENT))}

        async def answer(exchange: Exchange) -> None:
            if exchange.field("Range") is None:
                await exchange.send(response("200 OK", fields), CONTENT[:500_000])
                return
            rest = {
                **fields,
                "Content-Range": f"bytes 500000-{len(CONTENT) - 1}/{len(CONTENT)}",
                "Content-Length": str(len(CONTENT) - 500_000),
            }
            await exchange.send(response("206 Partial Content", rest), CONTENT[500_000:600_000])
            await exchange.wait_closed()

        async with raw_upstream(answer) as upstream:
            got = await proxy.stream(upstream.link())
            assert await got.content.readexactly(600_000) == CONTENT[:600_000]
            _, found = await ask(proxy)
            assert found["sessions"][0]["resumes"] == 1
            got.close()

    async def test_ends_a_stream_and_its_client_sees_a_cut(
        self,
        start_proxy: StartProxy,
        upstream: RawUpstream,
        handler_cancellation: bool,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level("INFO")
        proxy = await start_proxy(handler_cancellation=handler_cancellation)
        async with playing(proxy, upstream.link()) as got, playing(proxy, upstream.link("/b")):
            ids = [found["id"] for found in (await ask(proxy))[1]["sessions"]]
            assert len(set(ids)) == 2
            assert (await ask(proxy, f"/{ids[0]}", "DELETE"))[0] == 204
            with pytest.raises(ClientError):
                await got.read()
            async with asyncio.timeout(10):
                while (left := (await ask(proxy))[1]["sessions"])[0]["id"] == ids[0]:
                    pass
            assert [found["id"] for found in left] == ids[1:]
            assert (await ask(proxy, f"/{ids[0]}", "DELETE"))[0] == 404
        line = next(line for line in caplog.messages if "GET /stream" in line)
        assert line.endswith("ended_by_owner")

    async def test_ends_a_stream_of_which_nothing_has_come(
        self, proxy: Proxy, upstream: RawUpstream
    ) -> None:
        waiting = asyncio.ensure_future(proxy.stream(upstream.link("/silent")))
        async with asyncio.timeout(10):
            while not (found := (await ask(proxy))[1]["sessions"]):
                pass
        assert (found[0]["bytes"], found[0]["relay"]) == (0, None)
        assert (await ask(proxy, f"/{found[0]['id']}", "DELETE"))[0] == 204
        assert (await asyncio.wait_for(waiting, 10)).status == 499

    async def test_slow_client_has_bytes_that_wait(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(splice=False)
        async with raw_upstream(Honest(content=bytes(64 * 2**20))) as upstream:
            with socket.socket() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                slow.connect(("127.0.0.1", proxy.port))
                target = proxy.url("/stream", upstream.link()).partition(str(proxy.port))[2]
                slow.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                async with asyncio.timeout(10):
                    while not ((found := (await ask(proxy))[1]["sessions"]) and found[0]["buffer"]):
                        pass


class TestOthers:
    async def test_users_see_no_list_and_end_nothing(
        self, guarded: Proxy, upstream: RawUpstream
    ) -> None:
        async with playing(guarded, upstream.link(), **basic("anna")):
            _, answer = await ask(guarded, **OWNER)
            [found] = answer["sessions"]
            assert found["user"] == "user anna"
            path = f"/{found['id']}"
            assert (await ask(guarded))[0] == 401
            assert (await ask(guarded, path, "DELETE"))[0] == 401
            for user in ("anna", "bert"):
                status, answer = await ask(guarded, **basic(user))
                assert (status, answer["code"]) == (403, "owner_only")
                assert (await ask(guarded, "/events", **basic(user)))[0] == 403
                status, answer = await ask(guarded, path, "DELETE", **basic(user))
                assert (status, answer["code"]) == (403, "owner_only")
            assert (await ask(guarded, **OWNER))[1]["streams"] == 1

    async def test_each_sees_how_far_their_own_stream_is(
        self, guarded: Proxy, upstream: RawUpstream
    ) -> None:
        far = {"X-Forwarded-For": "192.0.2.7"}
        async with playing(guarded, upstream.link(), **basic("anna"), **far):
            _, answer = await ask(guarded, **OWNER)
            path = f"/{answer['sessions'][0]['id']}"
            assert answer["sessions"][0]["client"] == "192.0.2.7"
            status, own = await ask(guarded, path, **basic("anna"), **far)
            assert (status, own["bytes"]) == (200, len(CONTENT))
            assert set(own) == {"id", "bytes", "rate", "buffer", "seconds", "relay", "resumes"}
            for others in ({**basic("bert"), **far}, basic("anna")):
                status, answer = await ask(guarded, path, **others)
                assert (status, answer["code"]) == (404, "no_such_session")
            status, answer = await ask(guarded, path, **OWNER)
            assert (status, answer["host"]) == (200, "127.0.0.1")

    async def test_each_finds_their_own_streams_by_the_link(
        self, guarded: Proxy, upstream: RawUpstream
    ) -> None:
        link = upstream.link("/film.mp4?token=s3cret")
        path = f"/own?{urlencode({'url': link})}"
        async with playing(guarded, link, **basic("anna")) as got:
            status, answer = await ask(guarded, path, **basic("anna"))
            [found] = answer["sessions"]
            assert (status, found["bytes"]) == (200, len(CONTENT))
            assert found["id"] == got.headers["X-Request-Id"]
            for other in (basic("bert"), OWNER):
                assert await ask(guarded, path, **other) == (200, {"sessions": []})
            elsewhere = f"/own?{urlencode({'url': upstream.link('/film.mp4')})}"
            assert (await ask(guarded, elsewhere, **basic("anna")))[1] == {"sessions": []}
            assert (await ask(guarded, path))[0] == 401
        status, answer = await ask(guarded, "/own", **basic("anna"))
        assert (status, answer["code"]) == (400, "missing_url")

    @pytest.mark.parametrize("field", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
    async def test_without_a_lock_only_this_machine_is_the_owner(
        self, proxy: Proxy, field: str
    ) -> None:
        assert (await ask(proxy))[0] == 200
        assert (await ask(proxy, **{field: "127.0.0.1"}))[0] == 403

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    async def test_pages_of_other_sites_get_nothing(
        self, proxy: Proxy, upstream: RawUpstream, method: str
    ) -> None:
        async with playing(proxy, upstream.link()):
            path = f"/{(await ask(proxy))[1]['sessions'][0]['id']}"
            for fields in (
                {"Sec-Fetch-Site": "cross-site"},
                {"Sec-Fetch-Site": "same-site"},
                {"Host": "evil.example"},
            ):
                status, answer = await ask(proxy, path, method, **fields)
                assert answer["code"] in {"foreign_site", "misdirected_request"}
                assert status in {403, 421}
            foreign = {"Origin": "https://evil.example"}
            if method == "DELETE":  # an old browser's
                assert (await ask(proxy, path, method, **foreign))[0] == 403
            assert (await ask(proxy))[1]["streams"] == 1


class TestEvents:
    async def test_tell_each_second_what_runs(self, proxy: Proxy, upstream: RawUpstream) -> None:
        async with proxy.client.get(proxy.url("/api/sessions/events")) as events:
            assert events.content_type == "text/event-stream"
            assert await next_event(events) == {
                "streams": 0,
                "rate": 0,
                "processes": 1,
                "sessions": [],
            }
            async with playing(proxy, upstream.link()), asyncio.timeout(10):
                while not (found := await next_event(events))["sessions"]:
                    pass
            assert found["sessions"][0]["bytes"] > 0

    async def test_end_when_the_server_stops(self) -> None:
        app = create_app(Settings.parse(shutdown_grace=1))
        async with AsyncExitStack() as stack:
            proxy = await serve(app, stack)
            events = await proxy.client.get(proxy.url("/api/sessions/events"))
            proxy.responses.append(events)
            await next_event(events)
            await app.shutdown()
            async with asyncio.timeout(20):
                assert (await events.content.read()).strip() == b""

    async def test_missing_extra_is_named(self) -> None:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-W", "error", "-c", WITHOUT],
            env={**os.environ, "PYTHONPATH": str(Path(streamproxy.__file__).parents[1])},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.stdout.split(maxsplit=1)[0] == "501", done.stderr
        assert "pip install 'streamproxy[admin]'" in done.stdout


WITHOUT = """
import asyncio, sys
sys.modules["aiohttp_sse"] = None
from aiohttp.test_utils import TestClient, TestServer
from streamproxy import create_app

async def main():
    async with TestClient(TestServer(create_app())) as client:
        got = await client.get("/api/sessions/events")
        print(got.status, await got.text())

asyncio.run(main())
"""


async def next_event(events: ClientResponse) -> dict[str, Any]:
    while not (line := await events.content.readline()).startswith(b"data: "):
        assert line, "the events ended"
    found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
    return found


async def test_mounted_proxy_shows_its_own(upstream: RawUpstream) -> None:
    parent = web.Application()
    parent.add_subapp("/video/", create_app(Settings.parse(allow_network="127.0.0.0/8")))
    async with AsyncExitStack() as stack:
        proxy = await serve(parent, stack)
        got = await proxy.client.get(proxy.url("/video/stream", upstream.link()))
        proxy.responses.append(got)
        await got.content.readexactly(1000)
        async with proxy.client.get(proxy.url("/video/api/sessions")) as answer:
            [found] = (await answer.json())["sessions"]
        url = proxy.url(f"/video/api/sessions/{found['id']}")
        async with proxy.client.delete(url) as ended:
            assert ended.status == 204
        with pytest.raises(ClientError):
            await got.read()
