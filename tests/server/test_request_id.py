"""Every answer names its request, and the log speaks of it by the same name."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from program import outcome, running
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Honest, raw_upstream

from streamproxy.log_formats import JsonFormatter, TextFormatter

FIELD = "X-Request-Id"
MADE_HERE = re.compile(r"[0-9a-f]{16}")
GIVEN = "front-1.2_3456789"


async def ask(proxy: Proxy, path: str, method: str = "GET", **fields: str) -> Any:
    async with proxy.client.request(
        method, proxy.url(path), headers=fields, allow_redirects=False
    ) as got:
        await got.read()
        return got


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/health", 200),
        ("/static/icon.svg", 200),
        ("/static/no-such-file", 404),
        ("/no-such-route", 404),
        ("/login", 303),
        ("/api/validate", 400),
        ("/api/validate?url=http://127.0.0.1:65123/", 200),
        ("/stream", 400),
        ("/stream?url=http://10.0.0.1/", 403),
        ("/stream?url=http://127.0.0.1:65123/", 502),
    ],
)
async def test_every_answer_names_its_request(proxy: Proxy, path: str, status: int) -> None:
    got = await ask(proxy, path)
    assert got.status == status
    assert MADE_HERE.fullmatch(got.headers[FIELD])


async def test_every_request_has_another_id(proxy: Proxy) -> None:
    found = {(await ask(proxy, "/health")).headers[FIELD] for _ in range(50)}
    assert len(found) == 50


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("way", ["copy", "splice"], indirect=True)
async def test_stream_names_its_request(proxy: Proxy, method: str) -> None:
    async with raw_upstream(Honest(CONTENT)) as upstream:
        async with proxy.client.request(method, proxy.url("/stream", upstream.link())) as got:
            assert await got.read() == (CONTENT if method == "GET" else b"")
        assert MADE_HERE.fullmatch(got.headers[FIELD])


async def test_wrong_method_and_preflight_name_their_requests(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(cors_origin="https://player.example")
    preflight = {"Origin": "https://player.example", "Access-Control-Request-Method": "GET"}
    for method, fields, status in (("OPTIONS", preflight, 204), ("PUT", {}, 405)):
        got = await ask(proxy, "/stream", method, **fields)
        assert got.status == status
        assert MADE_HERE.fullmatch(got.headers[FIELD])


async def test_pages_of_permitted_origins_may_read_it(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(cors_origin="https://player.example")
    got = await ask(proxy, "/health", Origin="https://player.example")
    assert FIELD in got.headers["Access-Control-Expose-Headers"].split(", ")


async def test_who_is_not_let_in_gets_one_too(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(access_token="a-long-secret-token")
    got = await ask(proxy, "/stream?url=http://127.0.0.1:65123/")
    assert got.status == 401
    assert MADE_HERE.fullmatch(got.headers[FIELD])


async def test_errors_say_it_in_their_body(proxy: Proxy) -> None:
    link = "http://10.0.0.1/film.mp4"
    for route in ("/stream", "/api/validate"):
        async with proxy.client.get(proxy.url(route, link)) as got:
            answer = json.loads(await got.text())
        assert answer["code"] == "blocked_target"
        assert answer["request_id"] == got.headers[FIELD]


async def test_fault_of_the_proxy_can_be_found_by_it(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    @web.middleware
    async def fail(_request: web.Request, _handler: Any) -> web.StreamResponse:
        raise RuntimeError("a bug")

    proxy = await start_proxy(app_options={"middlewares": (fail,)})
    got = await ask(proxy, "/health")
    assert got.status == 500
    assert MADE_HERE.fullmatch(got.headers[FIELD])
    caplog.clear()


@pytest.mark.parametrize(
    ("given", "is_accepted"),
    [
        (GIVEN, True),
        ("x" * 8, True),
        ("x" * 64, True),
        ("x" * 7, False),
        ("x" * 65, False),
        ("", False),
        ("with a space", False),
        ("semi;colon-123", False),
        ("ümlaut-1234", False),
        ("bracket]12345", False),
    ],
)
async def test_id_of_a_trusted_proxy_is_kept_where_it_is_harmless(
    start_proxy: StartProxy, given: str, is_accepted: bool
) -> None:
    proxy = await start_proxy(trusted_proxy="127.0.0.0/8")
    got = await ask(proxy, "/health", **{FIELD: given, "X-Forwarded-For": "203.0.113.7"})
    assert (got.headers[FIELD] == given) is is_accepted
    assert got.headers.getall(FIELD) == [got.headers[FIELD]]
    assert is_accepted or MADE_HERE.fullmatch(got.headers[FIELD])


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"])
async def test_id_of_anybody_else_is_not(start_proxy: StartProxy, trusted: str) -> None:
    proxy = await start_proxy(trusted_proxy=trusted)
    got = await ask(proxy, "/health", **{FIELD: GIVEN, "X-Forwarded-For": "127.0.0.1"})
    assert MADE_HERE.fullmatch(got.headers[FIELD])


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_lines_of_a_request_in_the_log_say_its_id(tmp_path: Path, log_format: str) -> None:
    arguments = ("--allow-network", "127.0.0.0/8", "--log-format", log_format)
    async with (
        raw_upstream(Honest(CONTENT)) as upstream,
        running(*arguments, cwd=tmp_path) as (process, address),
        ClientSession() as client,
    ):
        found = []
        for first in (0, 5):  # on one connection
            fields = {"Range": f"bytes={first}-"}
            async with client.get(f"{address}stream?url={upstream.link()}", headers=fields) as got:
                await got.read()
                found.append(got.headers[FIELD])
        process.terminate()
        status, _, _ = await outcome(process)
    assert status == 0
    lines = (tmp_path / "stream.log").read_text().splitlines()
    for request_id, first in zip(found, (0, 5), strict=True):
        own = [line for line in lines if request_id in line]
        said = ["Stream request for: ", f"Range request: bytes={first}-", "GET /stream of "]
        if log_format == "json":
            assert {json.loads(line)["request_id"] for line in own} == {request_id}
        else:  # the lines for people name it at the end of the request
            assert all(line.endswith(f" [{request_id}]") for line in own)
            del said[:2]
        assert len(own) == len(said)
        for line, words in zip(own, said, strict=True):
            assert words in line


def test_line_of_no_request_names_none() -> None:
    record = logging.makeLogRecord({"msg": "Listening", "levelname": "INFO", "name": "x"})

    assert TextFormatter().format(record).endswith("Listening")
    assert "request_id" not in json.loads(JsonFormatter().format(record))
