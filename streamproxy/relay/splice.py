"""A way for bytes from socket to socket inside the kernel: they never enter Python.

Source: splice(2), pipe(7). Linux only.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

CAN_SPLICE = sys.platform == "linux"
if CAN_SPLICE:
    import fcntl

# Bytes. The larger, the fewer calls; the kernel may refuse the larger ones to a user with
# many pipes (pipe-user-pages-soft), and then gives new ones that hold next to nothing.
_PIPE_SIZES = (1024 * 1024, 256 * 1024)
_MIN_PIPE_SIZE = 64 * 1024
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK if CAN_SPLICE else 0


class Pipe:
    """A pipe between two sockets, both of them plain."""

    def __init__(self, source: int, target: int, ends: tuple[int, int], capacity: int) -> None:
        self._source = source
        self._target = target
        self._out, self._in = ends
        self._capacity = capacity
        self.held = 0

    def take(self, length: int) -> int:
        """Fill the pipe, which must be empty, from the one socket; as Way.take."""
        self.held = os.splice(self._source, self._in, min(length, self._capacity), flags=_FLAGS)
        return self.held

    def give(self) -> int:
        """Empty it into the other one; as Way.give."""
        length = os.splice(self._out, self._target, self.held, flags=_FLAGS)
        self.held -= length
        return length


@contextmanager
def open_pipe(source: int, target: int) -> Iterator[Pipe]:
    """Open a pipe between two sockets for the time of the context.

    :raises OSError: there are no descriptors, or no pipes that are worth it.
    """
    with ExitStack() as stack:
        pipe_out, pipe_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, pipe_out)
        stack.callback(os.close, pipe_in)
        for size in _PIPE_SIZES:
            with suppress(OSError):
                fcntl.fcntl(pipe_in, fcntl.F_SETPIPE_SZ, size)
                break
        capacity = fcntl.fcntl(pipe_in, fcntl.F_GETPIPE_SZ)
        if capacity < _MIN_PIPE_SIZE:
            raise OSError("The pipes of this user are used up.")
        yield Pipe(source, target, (pipe_out, pipe_in), capacity)
