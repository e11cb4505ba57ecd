"""Run the application: listen, serve, and come to an orderly end."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiohttp import web

from streamproxy.keys import CLIENT, SETTINGS, STREAMS
from streamproxy.settings import Settings
from streamproxy.targets.links import MAX_LINK_LENGTH

if sys.platform != "win32":  # which has no such limit
    import resource

logger = logging.getLogger(__name__)

# A link inside ?url= is percent-encoded, and then has up to three times its length.
_MAX_LINE_SIZE = 4 * MAX_LINK_LENGTH
_MAX_FIELD_SIZE = 64 * 1024
# Connections that wait to be accepted. asyncio also takes it for how many to accept in one
# go, and CPython 3.11 logs that many errors when descriptors run out.
_BACKLOG = 256
# Descriptors beside those of streams: listening, logging, idle connections, name look-ups.
_SPARE_DESCRIPTORS = 256


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets bound to every address of *host*, on one port.

    :raises OSError: an address cannot be listened on.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            bound = (address[0], sockets[0].getsockname()[1] if sockets else port)
            sockets.append(socket.create_server(bound, family=family, backlog=_BACKLOG))
    except OSError:
        for bound_socket in sockets:
            bound_socket.close()
        raise
    return sockets


def raise_descriptor_limit(settings: Settings) -> None:
    """Let the process open as many descriptors as its streams need, or say that it cannot."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * settings.max_streams + _SPARE_DESCRIPTORS if settings.max_streams else hard
    # Moving bytes within the kernel takes four more; where they are short, bytes are copied.
    wanted = needed + 4 * settings.max_streams if settings.splice else needed
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        logger.warning(
            "max_streams: %d streams need %d descriptors, but the system allows %d: "
            "raise the limit (ulimit -n), or lower max_streams",
            settings.max_streams,
            needed,
            allowed,
        )


async def serve(
    app: web.Application, sockets: Sequence[socket.socket], on_ready: Callable[[], None]
) -> None:
    """Serve *app* until SIGINT or SIGTERM, then let its streams finish.

    While they do, health answers 503 and new streams are refused; after shutdown_grace,
    or at a second signal, they are aborted.

    :param on_ready: called once, when connections are accepted.
    """
    settings, streams = app[SETTINGS], app[STREAMS]
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=settings.header_timeout,
        shutdown_timeout=1.0,  # by then all streams have ended
        max_line_size=_MAX_LINE_SIZE,
        max_field_size=_MAX_FIELD_SIZE,
    )
    await runner.setup()
    try:
        for bound in sockets:
            app[CLIENT].own.add(bound.getsockname())
            await web.SockSite(runner, bound, backlog=_BACKLOG).start()
        stop = asyncio.Event()

        def end() -> None:
            if stop.is_set():
                streams.abort()
            stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends it instead
                loop.add_signal_handler(number, end)
        on_ready()
        await stop.wait()
        await streams.drain(settings.shutdown_grace)
    finally:
        await runner.cleanup()
