"""The whole server, for arbitrary bytes as a request."""

import asyncio
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from proxies import serve

from streamproxy import Settings, create_app

_TIMEOUT_S = 10


@contextmanager
def running_server() -> Iterator[int]:
    """Run a proxy that may fetch nothing, in a thread with a loop of its own; yield its port."""
    started: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def run() -> None:
        async with AsyncExitStack() as stack:
            app = create_app(Settings(allow_host=("nowhere.invalid",)))
            proxy = await serve(app, stack)
            stop = asyncio.Event()
            started.append((proxy.port, asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    if not ready.wait(_TIMEOUT_S):
        raise RuntimeError("the server did not start")
    port, loop, stop = started[0]
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def send_request(port: int, data: bytes, *, patience_s: float = 0.05) -> bytes:
    """Send bytes to the server; it must answer or close, and not with an error of its own.

    :param patience_s: how long to wait for the answer until the end of the request is told:
        whoever goes away gets none.
    """
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
        received = b""
        try:
            connection.sendall(data)
            select.select([connection], [], [], patience_s)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):  # a server that hangs: TimeoutError
                received += chunk
        except ConnectionError:
            pass
    assert not received or re.match(rb"HTTP/[0-9]\.[0-9] [1-4][0-9]{2} ", received), received[:200]
    return received
