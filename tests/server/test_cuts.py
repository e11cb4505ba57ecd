"""Bodies that end too soon: a cut that no client can take for the end."""

import asyncio

import pytest
from aiohttp import ClientError, ClientPayloadError
from proxies import Proxy, StartProxy, read_stream
from upstreams import Exchange, raw_upstream, response

PART = {"Content-Type": "video/mp4", "Content-Length": "10"}
OK = "200 OK"
PARTIAL = "206 Partial Content"


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
            await asyncio.wait_for(upstream.closed.wait(), 20)
