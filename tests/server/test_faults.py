"""Upstreams that break the rules: never wrong bytes, never a short body that ends cleanly.

Before the head is sent, the client gets a problem that names what happened; after it, a
cut that cannot be taken for the end.
"""

import asyncio

import pytest
from aiohttp import ClientError, ClientPayloadError
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

PART = {"Content-Type": "video/mp4", "Content-Length": "10"}
OK = "200 OK"
PARTIAL = "206 Partial Content"


async def code_of(proxy: Proxy, link: str, byte_range: str | None = None) -> tuple[int, str]:
    """Return status and code of the problem that /stream answers with."""
    got = await proxy.stream(link, byte_range)
    problem = await got.json(content_type="application/problem+json")
    assert set(problem) == {
        *("type", "title", "status", "detail", "code", "hint", "upstream_status", "retryable"),
    }
    assert problem["status"] == got.status
    return got.status, problem["code"]


async def read_stream(proxy: Proxy, link: str) -> bytes:
    """Read all that /stream sends of *link*; an error, or a cut, raises."""
    got = await proxy.stream(link)
    got.raise_for_status()
    return await got.read()


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


class TestCuts:
    """The head was sent: the client must see that the body is not complete."""

    @pytest.mark.parametrize("end", ["close", "reset"])
    @pytest.mark.parametrize(
        ("fields", "body"),
        [
            pytest.param({"Content-Length": "1000"}, b"x" * 999, id="length"),
            pytest.param({"Transfer-Encoding": "chunked"}, b"5\r\nfirst\r\n", id="chunked"),
            pytest.param({"Transfer-Encoding": "chunked"}, b"5\r\nfir", id="in-a-chunk"),
            pytest.param(
                {"Transfer-Encoding": "chunked"}, b"5\r\nfirst\r\n0\r\n", id="no-last-line"
            ),
        ],
    )
    async def test_upstream_that_dies_is_seen_by_the_client(
        self, proxy: Proxy, fields: dict[str, str], body: bytes, end: str
    ) -> None:
        async def answer(exchange: Exchange) -> None:
            await exchange.send(response(OK, {"Content-Type": "video/mp4"} | fields, body))
            if end == "reset":
                await asyncio.sleep(0.1)  # let the bytes arrive: a reset discards what waits
                exchange.reset()

        async with raw_upstream(answer) as upstream:
            with pytest.raises(ClientError):
                await read_stream(proxy, upstream.link())

    async def test_reset_is_no_end_of_a_close_delimited_body(self, proxy: Proxy) -> None:
        async def answer(exchange: Exchange) -> None:
            await exchange.send(response(OK, {"Content-Type": "video/mp4"}, b"first"))
            await asyncio.sleep(0.1)
            exchange.reset()

        async with raw_upstream(answer) as upstream:
            got = await proxy.stream(upstream.link())
            with pytest.raises(ClientPayloadError):
                await got.read()

    async def test_broken_chunk_is_a_cut(self, proxy: Proxy) -> None:
        fields = {"Content-Type": "video/mp4", "Transfer-Encoding": "chunked"}
        async with raw_upstream(response(OK, fields, b"5\r\nfirst\r\nzz\r\n")) as upstream:
            with pytest.raises(ClientError):
                await read_stream(proxy, upstream.link())

    async def test_part_shorter_than_its_content_range_is_a_cut(self, proxy: Proxy) -> None:
        fields = {"Content-Type": "video/mp4", "Content-Range": "bytes 0-9/100"}
        fields["Transfer-Encoding"] = "chunked"
        async with raw_upstream(response(PARTIAL, fields, b"5\r\nfirst\r\n0\r\n\r\n")) as upstream:
            got = await proxy.stream(upstream.link(), "0-9")
            with pytest.raises(ClientPayloadError):
                await got.read()

    async def test_client_of_http_1_0_sees_a_reset_where_only_the_end_tells(
        self, proxy: Proxy
    ) -> None:
        fields = {"Content-Type": "video/mp4", "Transfer-Encoding": "chunked"}
        async with raw_upstream(response(OK, fields, b"5\r\nfirst\r\n")) as upstream:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            url = proxy.url("/stream", upstream.link()).partition(str(proxy.port))[2]
            writer.write(f"GET {url} HTTP/1.0\r\n\r\n".encode())
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    async def test_stall_after_the_head_is_a_cut(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(read_timeout=0.3)

        async def answer(exchange: Exchange) -> None:
            await exchange.send(response(OK, PART, b"first"))
            await exchange.wait_closed()

        async with raw_upstream(answer) as upstream:
            got = await proxy.stream(upstream.link())
            with pytest.raises(ClientPayloadError):
                await got.read()
            await asyncio.wait_for(upstream.closed.wait(), 1)


class TestTimeouts:
    async def test_silence_before_the_head_is_504(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(read_timeout=0.3)

        async def answer(exchange: Exchange) -> None:
            await exchange.wait_closed()

        async with raw_upstream(answer) as upstream:
            assert await code_of(proxy, upstream.link()) == (504, "read_timeout")
            assert (await proxy.validate(upstream.link()))["retryable"] is True

    async def test_head_that_never_ends_is_504(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(read_timeout=0.3, connect_timeout=0.3)

        async def answer(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                await exchange.send(b"x")
                await asyncio.sleep(0.05)

        async with raw_upstream(answer) as upstream:
            assert await code_of(proxy, upstream.link()) == (504, "read_timeout")

    async def test_interim_responses_without_end_are_504(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(read_timeout=0.3, connect_timeout=0.3)

        async def answer(exchange: Exchange) -> None:
            while True:
                await exchange.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                await asyncio.sleep(0.05)

        async with raw_upstream(answer) as upstream:
            assert await code_of(proxy, upstream.link()) == (504, "read_timeout")

    async def test_first_bytes_that_never_come_are_504(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(read_timeout=0.3, connect_timeout=0.3)

        async def answer(exchange: Exchange) -> None:
            await exchange.send(response(OK, {"Content-Length": "1000"}))
            while True:
                await exchange.send(b"x")
                await asyncio.sleep(0.1)

        async with raw_upstream(answer) as upstream:
            assert await code_of(proxy, upstream.link()) == (504, "read_timeout")

    async def test_server_that_does_not_accept_is_504(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(connect_timeout=0.3)
        # A listener whose queue is full drops what else wants to connect.
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, backlog=1)
        server.get_loop().remove_reader(server.sockets[0].fileno())
        address = server.sockets[0].getsockname()
        fillers = [await asyncio.open_connection(*address) for _ in range(2)]
        try:
            link = f"http://127.0.0.1:{address[1]}/film.mp4"
            assert await code_of(proxy, link) == (504, "connect_timeout")
        finally:
            for _, writer in fillers:
                writer.close()
            server.close()

    async def test_nobody_listening_is_502(self, proxy: Proxy) -> None:
        async with raw_upstream(b"") as upstream:
            link = upstream.link()
        assert await code_of(proxy, link) == (502, "connection_refused")


class TestKeptConnections:
    async def test_connection_is_used_again(self, proxy: Proxy) -> None:
        async with raw_upstream(Honest(), keep_alive=True) as upstream:
            await proxy.validate(upstream.link())
            for start in (0, 500, 900):
                got = await proxy.stream(upstream.link(), f"{start}-{start + 9}")
                assert await got.read() == CONTENT[start : start + 10]
            assert upstream.connections == 1

    async def test_surplus_bytes_never_answer_the_next_request(self, proxy: Proxy) -> None:
        surplus = response(OK, PART, b"SMUGGLED!!")

        async def answer(exchange: Exchange) -> None:
            await Honest()(exchange)
            await exchange.send(surplus)

        async def one(start: int) -> None:
            got = await proxy.stream(upstream.link(), f"{start}-{start + 9}")
            assert (got.status, await got.read()) == (206, CONTENT[start : start + 10])

        async with raw_upstream(answer, keep_alive=True) as upstream:
            for start in range(0, 100, 10):
                await one(start)
            for _ in range(3):  # several kept connections at once, none of them clean
                await asyncio.gather(*map(one, range(0, 200, 10)))

    async def test_connection_that_died_meanwhile_is_replaced(self, proxy: Proxy) -> None:
        async with raw_upstream(Honest()) as upstream:  # closes without saying so
            for _ in range(5):
                got = await proxy.stream(upstream.link(), "0-9")
                assert (got.status, await got.read()) == (206, CONTENT[:10])


class TestSizeLimit:
    async def test_declared_length_beyond_it_is_413(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(max_file_size=len(CONTENT) - 1)
        async with raw_upstream(Honest()) as upstream:
            assert await code_of(proxy, upstream.link()) == (413, "too_large")
            assert await code_of(proxy, upstream.link(), "0-9") == (413, "too_large")
            assert (await proxy.validate(upstream.link()))["code"] == "too_large"

    async def test_declared_length_within_it_passes(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(max_file_size=len(CONTENT))
        async with raw_upstream(Honest()) as upstream:
            got = await proxy.stream(upstream.link())
            assert await got.read() == CONTENT

    @pytest.mark.parametrize(("limit", "is_cut"), [(11, False), (10, True)])
    async def test_undeclared_length_is_counted(
        self, start_proxy: StartProxy, limit: int, is_cut: bool
    ) -> None:
        proxy = await start_proxy(max_file_size=limit)
        fields = {"Content-Type": "video/mp4", "Transfer-Encoding": "chunked"}
        body = b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"
        async with raw_upstream(response(OK, fields, body)) as upstream:
            if is_cut:
                with pytest.raises(ClientError):
                    await read_stream(proxy, upstream.link())
            else:
                assert await read_stream(proxy, upstream.link()) == b"firstsecond"
