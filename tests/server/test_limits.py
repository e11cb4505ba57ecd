"""What ends by itself: silence, drips, sizes; and connections that are no longer clean."""

import asyncio
import socket

import pytest
from aiohttp import ClientError
from proxies import Proxy, StartProxy, code_of, read_stream
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

PART = {"Content-Type": "video/mp4", "Content-Length": "10"}
OK = "200 OK"
PARTIAL = "206 Partial Content"
LIE = (502, "upstream_protocol")


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

    @pytest.mark.parametrize(("number", "code"), [(2, (504, "read_timeout")), (10**9, LIE)])
    async def test_interim_responses_without_an_answer(
        self, start_proxy: StartProxy, number: int, code: tuple[int, str]
    ) -> None:
        seconds = 0.5 if number == 2 else 20  # what is refused is so before any time is over
        proxy = await start_proxy(read_timeout=seconds, connect_timeout=seconds)

        async def answer(exchange: Exchange) -> None:
            for _ in range(number):
                await exchange.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                await asyncio.sleep(0.01)
            await exchange.wait_closed()

        async with raw_upstream(answer) as upstream:
            assert await code_of(proxy, upstream.link()) == code

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
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))  # taken by nobody else, and listening nowhere
            link = f"http://127.0.0.1:{bound.getsockname()[1]}/film.mp4"
            assert await code_of(proxy, link) == (502, "connection_refused")


class TestKeptConnections:
    async def test_connection_is_used_again(self, proxy: Proxy) -> None:
        async with raw_upstream(Honest(), keep_alive=True) as upstream:
            await proxy.validate(upstream.link())
            for start in (0, 500, 900):
                got = await proxy.stream(upstream.link(), f"{start}-{start + 9}")
                assert await got.read() == CONTENT[start : start + 10]
            assert upstream.used == 1

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
