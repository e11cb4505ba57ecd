"""Run the application: listen, serve, and come to an orderly end."""

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiohttp import web

from streamproxy.keys import CLIENT, SETTINGS, STREAMS
from streamproxy.notify import ABORT, ALIVE, READY, RETIRE, STOPPING, Notifier
from streamproxy.relay.pacing import unpace
from streamproxy.relay.streams import Streams

# Connections that wait to be accepted. asyncio also takes it for how many to accept in one
# go, and CPython 3.11 logs that many errors when descriptors run out.
_BACKLOG = 256
# Turns of the loop until an accepted connection is one that the server knows.
_TURNS_TO_CONNECT = 4
# Seconds for clients whose connections are accepted, but who have not asked for anything yet.
_TIME_TO_ASK = 0.5
# Seconds beyond shutdown_grace within which all that is left of the end is done.
END_TIME = 5.0


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


async def serve(
    app: web.Application,
    sockets: Sequence[socket.socket],
    on_ready: Callable[[], None],
    notifier: Notifier,
) -> None:
    """Serve *app* until SIGINT or SIGTERM, then let its streams finish.

    While they do, health answers 503 and new streams are refused, unless others serve in our
    place; after shutdown_grace, or at a second signal, they are aborted.

    :param on_ready: called once, when connections are accepted.
    :param notifier: is told how it goes; when its other side closes, so do we.
    """
    settings, streams = app[SETTINGS], app[STREAMS]
    runner = web.AppRunner(app, shutdown_timeout=1.0)  # by then all streams have ended
    await runner.setup()
    try:
        for bound in sockets:
            app[CLIENT].own.add(bound.getsockname())
            unpace(bound)
            await web.SockSite(runner, bound, backlog=_BACKLOG).start()
        stop = _Stop(streams, notifier)
        on_ready()
        notifier.tell(READY)
        signs_of_life = asyncio.create_task(_give_signs_of_life(streams, notifier))
        await stop.wait()
        end_us = round((settings.shutdown_grace + END_TIME) * 1e6)
        notifier.tell(STOPPING, f"EXTEND_TIMEOUT_USEC={end_us}")
        if stop.is_replaced:
            await _stop_accepting(runner, sockets)
            await asyncio.sleep(_TIME_TO_ASK)
            if runner.server is not None:
                runner.server.pre_shutdown()  # lets go of connections on which nothing runs
        await streams.drain(settings.shutdown_grace, refuses=not stop.is_replaced)
        signs_of_life.cancel()
    finally:
        if runner.sites:
            await _stop_accepting(runner, sockets)
        await runner.cleanup()


async def _stop_accepting(runner: web.AppRunner, sockets: Sequence[socket.socket]) -> None:
    """Accept nothing more, and see that the server knows all that was accepted.

    asyncio drops connections, and does not close them, that it has accepted but not yet
    handed over when its server closes (Server._attach of CPython 3.11).
    """
    with suppress(NotImplementedError):  # Windows
        for bound in sockets:
            asyncio.get_running_loop().remove_reader(bound)
    for _ in range(_TURNS_TO_CONNECT):
        await asyncio.sleep(0)
    for site in list(runner.sites):
        await site.stop()


class _Stop:
    """Waits for the first signal to stop; the second ends all streams at once.

    A worker may get one signal twice, from its parent and from the terminal or systemd: it
    ends its streams at once when its parent says so.
    """

    def __init__(self, streams: Streams, notifier: Notifier) -> None:
        self.is_replaced = False
        self._event = asyncio.Event()
        self._streams = streams
        self._lifeline = notifier.lifeline
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends it instead
                self._loop.add_signal_handler(number, self._end)
        if self._lifeline is not None:
            self._loop.add_reader(self._lifeline, self._listen_to_parent, self._lifeline)

    async def wait(self) -> None:
        """Wait until it is time to stop."""
        await self._event.wait()

    def _end(self) -> None:
        if self._event.is_set() and self._lifeline is None:
            self._streams.abort()
        self._event.set()

    def _listen_to_parent(self, connection: socket.socket) -> None:
        word = connection.recv(16)
        if word == ABORT:
            self._streams.abort()
        elif word == RETIRE:
            self.is_replaced = True
        else:  # it has died
            self._loop.remove_reader(connection)
        self._event.set()


async def _give_signs_of_life(streams: Streams, notifier: Notifier) -> None:
    """Say now and then that the loop goes round, which a loop that hangs cannot."""
    while True:
        notifier.tell(ALIVE, f"STATUS={len(streams)} streams")
        await asyncio.sleep(notifier.interval_s)
