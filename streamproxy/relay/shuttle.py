"""A way for bytes from socket to socket by a buffer that all streams of a thread share."""

import os
from collections.abc import Callable

from streamproxy.upstream.tls import RECORD_LENGTH, scratch


class Shuttle:
    """Takes bytes from the upstream and gives them to the client, at once.

    Only what the client does not take at once becomes this stream's own memory.

    :param receive: fills a buffer from the upstream's connection, and returns how much.
    :param target: the client's socket, a plain one.
    :param chunk_size: bytes to take at most, but not less than a record of TLS.
    """

    def __init__(self, receive: Callable[[memoryview], int], target: int, chunk_size: int) -> None:
        self._receive = receive
        self._target = target
        self._buffer = scratch.view[: max(chunk_size, RECORD_LENGTH)]
        self._rest = self._buffer[:0]
        self._is_own = False

    @property
    def held(self) -> int:
        """How many bytes were taken, and not given."""
        return len(self._rest)

    def take(self, length: int) -> int:
        """Take from the upstream; as Way.take."""
        self._is_own = False
        received = self._receive(self._buffer[:length])
        self._rest = self._buffer[:received]
        return received

    def give(self) -> int:
        """Give to the client; as Way.give."""
        length = 0
        try:
            length = os.write(self._target, self._rest)
        finally:
            self._rest = self._rest[length:]
            if self._rest and not self._is_own:
                self._rest, self._is_own = memoryview(bytes(self._rest)), True
        return length
