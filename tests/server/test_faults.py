"""Upstreams whose head breaks the rules: a problem that names what happened, never wrong bytes."""

import asyncio

import pytest
from proxies import Proxy, code_of
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

PART = {"Content-Type": "video/mp4", "Content-Length": "10"}
OK = "200 OK"
PARTIAL = "206 Partial Content"


@pytest.mark.parametrize(
    "content_range",
    [
        pytest.param("bytes 0-9/100", id="wrong-start"),
        pytest.param("bytes 6-15/100", id="wrong-start-by-one"),
        pytest.param("bytes 5-14/10", id="wrong-total"),
        pytest.param("bytes 14-5/100", id="backwards"),
        pytest.param("bytes 5-20/100", id="other-length-than-content-length"),
        pytest.param("bytes 5-14", id="no-total"),
        pytest.param("items 5-14/100", id="unit"),
        pytest.param("bytes */100", id="unsatisfied"),
        pytest.param("rubbish", id="garbage"),
        pytest.param(None, id="none"),
        pytest.param("bytes 5-14/100\r\nContent-Range: bytes 5-14/99", id="two"),
    ],
)
async def test_part_that_does_not_fit_is_502(proxy: Proxy, content_range: str | None) -> None:
    fields = PART if content_range is None else PART | {"Content-Range": content_range}
    async with raw_upstream(response(PARTIAL, fields, b"0123456789")) as upstream:
        assert await code_of(proxy, upstream.link(), "5-14") == (502, "upstream_protocol")


async def test_shorter_part_is_passed_on_for_what_it_is(proxy: Proxy) -> None:
    fields = PART | {"Content-Range": "bytes 5-14/100"}
    async with raw_upstream(response(PARTIAL, fields, b"0123456789")) as upstream:
        for asked in ("5-", "5-50"):
            got = await proxy.stream(upstream.link(), asked)
            assert (got.status, await got.read()) == (206, b"0123456789")
            assert got.headers["Content-Range"] == "bytes 5-14/100"


async def test_longer_part_is_cut_to_what_was_asked(proxy: Proxy) -> None:
    fields = PART | {"Content-Range": "bytes 5-14/100"}
    async with raw_upstream(response(PARTIAL, fields, b"0123456789")) as upstream:
        got = await proxy.stream(upstream.link(), "5-7")
        assert (got.status, await got.read()) == (206, b"012")
        assert got.headers["Content-Range"] == "bytes 5-7/100"


async def test_part_of_unknown_total_is_passed_on(proxy: Proxy) -> None:
    fields = PART | {"Content-Range": "bytes 5-14/*"}
    async with raw_upstream(response(PARTIAL, fields, b"0123456789")) as upstream:
        got = await proxy.stream(upstream.link(), "5-14")
        assert (got.status, await got.read()) == (206, b"0123456789")
        assert got.headers["Content-Range"] == "bytes 5-14/*"
        assert await code_of(proxy, upstream.link(), "-10") == (502, "upstream_protocol")


@pytest.mark.parametrize(
    ("content_range", "status"),
    [("bytes 0-9/10", 200), ("bytes 0-9/20", 502), ("bytes 1-10/11", 502)],
)
async def test_part_without_being_asked_passes_only_if_it_is_the_whole(
    proxy: Proxy, content_range: str, status: int
) -> None:
    fields = PART | {"Content-Range": content_range}
    async with raw_upstream(response(PARTIAL, fields, b"0123456789")) as upstream:
        got = await proxy.stream(upstream.link())
        body = await got.read()
    assert got.status == status
    if status == 200:
        assert (body, got.headers["Content-Length"]) == (b"0123456789", "10")
        assert "Content-Range" not in got.headers


async def test_multipart_to_a_single_range_is_502(proxy: Proxy) -> None:
    fields = PART | {"Content-Type": "multipart/byteranges; boundary=x"}
    fields["Content-Range"] = "bytes 5-14/100"
    async with raw_upstream(response(PARTIAL, fields, b"0123456789")) as upstream:
        assert await code_of(proxy, upstream.link(), "5-14") == (502, "upstream_protocol")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param("Content-Length: 5\r\nContent-Length: 6", id="conflicting"),
        pytest.param("Content-Length: -5", id="negative"),
        pytest.param("Content-Length: 5, 5", id="list"),
        pytest.param("Content-Length: five", id="word"),
        pytest.param(f"Content-Length: {10**30}", id="huge"),
        pytest.param("Content-Length: +5", id="sign"),
        pytest.param("Content-Length: 5\r\nTransfer-Encoding: chunked", id="two-framings"),
        pytest.param("Transfer-Encoding: gzip", id="unknown-transfer-coding"),
        pytest.param("Content-Range: bytes 0-4/10\r\nContent-Length: 5", id="part-as-whole"),
        pytest.param("no colon", id="no-field"),
        pytest.param("X: " + "x" * 100_000, id="field-too-long"),
        pytest.param("\r\n".join(f"X-{n}: x" for n in range(500)), id="too-many-fields"),
        pytest.param("Content-Encoding: a\x01b\r\nContent-Length: 5", id="control-in-coding"),
    ],
)
async def test_head_that_cannot_be_trusted_is_502(proxy: Proxy, fields: str) -> None:
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n{fields}\r\n\r\nfirst".encode()
    async with raw_upstream(answer) as upstream:
        assert await code_of(proxy, upstream.link()) == (502, "upstream_protocol")
        assert (await proxy.validate(upstream.link()))["code"] == "upstream_protocol"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="close"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", id="half-a-head"),
        pytest.param(b"just some bytes\r\n\r\n", id="no-http"),
        pytest.param(b"HTTP/1.1 999999 What\r\n\r\n", id="status-too-long"),
        pytest.param(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", id="rtsp"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="http2"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", id="tls"),
    ],
)
async def test_no_head_is_502(proxy: Proxy, answer: bytes) -> None:
    async with raw_upstream(answer) as upstream:
        assert await code_of(proxy, upstream.link()) == (502, "upstream_protocol")


async def test_server_that_speaks_before_it_is_asked_is_502(proxy: Proxy) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(OK, PART, b"0123456789"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        got = await proxy.stream(f"http://127.0.0.1:{port}/film.mp4")
        # Whether its bytes arrive before the request leaves is a race; both ends are right.
        assert (got.status, await got.read() == b"0123456789") in [(502, False), (200, True)]


async def test_reset_before_the_head_is_502(proxy: Proxy) -> None:
    async def answer(exchange: Exchange) -> None:
        exchange.reset()

    async with raw_upstream(answer) as upstream:
        assert await code_of(proxy, upstream.link()) == (502, "upstream_protocol")


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        (204, 502),
        (300, 502),
        (401, 502),
        (402, 502),
        (403, 403),
        (404, 404),
        (410, 410),
        (412, 502),
        (429, 429),
        (451, 502),
        (500, 502),
        (502, 502),
        (503, 503),
        (504, 502),
    ],
)
async def test_refusal_of_the_site_is_told(proxy: Proxy, status: int, seen: int) -> None:
    fields = {"Content-Length": "0", "Retry-After": "7"}
    async with raw_upstream(response(f"{status} No", fields)) as upstream:
        got = await proxy.stream(upstream.link())
        problem = await got.json(content_type="application/problem+json")
        answer = await proxy.validate(upstream.link())
    assert got.status == seen
    assert got.headers["Retry-After"] == "7"
    assert (problem["code"], problem["upstream_status"]) == ("upstream_status", status)
    assert (answer["code"], answer["upstream_status"]) == ("upstream_status", status)


async def test_precondition_that_the_client_set_fails_as_412(proxy: Proxy) -> None:
    async with raw_upstream(response("412 No", {"Content-Length": "0"})) as upstream:
        got = await proxy.stream(upstream.link(), If_Match='"v0"')
        assert got.status == 412


async def test_lying_416_is_asked_again_for_the_whole(proxy: Proxy) -> None:
    async def answer(exchange: Exchange) -> None:
        if exchange.field("Range"):
            fields = {"Content-Range": f"bytes */{len(CONTENT)}", "Content-Length": "0"}
            await exchange.send(response("416 No", fields))
        else:
            await Honest()(exchange)

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link(), "0-9")
        assert (got.status, await got.read()) == (206, CONTENT[:10])
