"""Upstreams over TLS: handshakes that fail, requests that wait, connections that are kept."""

import asyncio
import gc
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme
from aiohttp import ClientError
from proxies import Proxy, StartProxy, code_of, read_stream
from upstreams import (
    CONTENT,
    Exchange,
    Honest,
    Serve,
    listening,
    raw_upstream,
    response,
    secured,
)

from streamproxy.upstream.tls import CAN_WAIT, Unread, start_tls

pytestmark = [
    pytest.mark.parametrize("way", ["tls"], indirect=True),
    pytest.mark.skipif(not CAN_WAIT, reason="there, TLS is asyncio's"),
]


@asynccontextmanager
async def plainly(serve: Serve) -> AsyncIterator[str]:
    """Yield the secure link of a server that is none."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/film.mp4"


async def test_server_that_never_shakes_hands_is_given_up(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(connect_timeout=0.3)
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()
        ended.set()

    async with plainly(silent) as link:
        assert await code_of(proxy, link) == (504, "connect_timeout")
        await asyncio.wait_for(ended.wait(), 20)


async def test_server_that_hangs_up_in_the_handshake_does_not_accept(proxy: Proxy) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.close()

    async with plainly(rude) as link:
        assert await code_of(proxy, link) == (502, "connection_refused")


async def test_certificate_of_another_name_is_refused(proxy: Proxy, authority: trustme.CA) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("other.example").configure_cert(context)
    with secured(context):
        async with raw_upstream(Honest()) as upstream:
            assert await code_of(proxy, upstream.link()) == (502, "tls_error")
        assert upstream.exchanges == []


async def test_connection_is_kept_and_dropped_when_its_server_ends_it(proxy: Proxy) -> None:
    last = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        await Honest(content=CONTENT[:5000])(exchange)
        if len(upstream.exchanges) == 2:
            exchange.writer.close()
            last.set()

    async with raw_upstream(answer, keep_alive=True) as upstream:
        for connections in (1, 1, 2):
            assert await read_stream(proxy, upstream.link()) == CONTENT[:5000]
            assert upstream.used == connections
        assert last.is_set()


@pytest.mark.parametrize("is_announced", [True, False], ids=["close-notify", "cut"])
async def test_end_counts_only_if_it_is_announced(proxy: Proxy, is_announced: bool) -> None:
    """Nothing else tells the end of this body, nor which version it is of."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", {"Content-Type": "video/mp4"}, CONTENT))
        if not is_announced:
            exchange.cut()

    async with raw_upstream(answer) as upstream:
        if is_announced:
            assert await read_stream(proxy, upstream.link()) == CONTENT
        else:
            with pytest.raises(ClientError):
                await read_stream(proxy, upstream.link())


async def test_what_the_socket_does_not_take_waits(way: str, authority: trustme.CA) -> None:
    assert way == "tls"
    sent = CONTENT * 16
    is_wanted = asyncio.Event()
    received = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await is_wanted.wait()
        received.set_result(await reader.readexactly(len(sent)))
        writer.close()

    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with listening(serve) as port:
        loop = asyncio.get_running_loop()
        plain, _ = await loop.create_connection(Unread, "127.0.0.1", port)
        transport, _ = await start_tls(plain, context, "127.0.0.1", asyncio.Protocol)
        transport.write(sent[:100])
        transport.write(sent[100:])
        assert transport.get_write_buffer_size() > 0
        is_wanted.set()
        assert await asyncio.wait_for(received, 60) == sent
        assert transport.get_write_buffer_size() == 0
        transport.close()


async def test_connection_that_is_reset_before_the_handshake_is_closed(way: str) -> None:
    assert way == "tls"
    with socket.create_server(("127.0.0.1", 0)) as server:
        plain, _ = await asyncio.get_running_loop().create_connection(Unread, *server.getsockname())
        accepted, _ = server.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        with pytest.raises(ConnectionResetError):
            await start_tls(plain, ssl.create_default_context(), "127.0.0.1", asyncio.Protocol)
    gc.collect()  # what nobody closed complains, which is an error
