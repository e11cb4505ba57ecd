"""The file that is served: random bytes, in memory where there is room, known to the clients."""

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "film.mp4"


class WrongBytes(Exception):
    """A peer sent something else than the file, or not as it was asked for."""


@dataclass(frozen=True, slots=True)
class Film:
    """The file, mapped into memory, so that clients compare instead of hashing.

    :param folder: where it is, and where servers may put what they write.
    """

    folder: Path
    size: int
    content: memoryview

    def check(self, buffer: bytearray, length: int, pos: int, start: int = 0) -> None:
        """Refuse bytes that are not the file's.

        startswith is a memcmp; to compare memoryviews would be an item at a time.

        :param length: bytes to look at, from *start* in *buffer*; at *pos* in the file.
        :raises WrongBytes: they differ, or are beyond its end.
        """
        if pos + length > self.size or not buffer.startswith(
            self.content[pos : pos + length], start
        ):
            raise WrongBytes(f"other bytes than the file's, from {pos} on")


@contextmanager
def random_film(size: int) -> Iterator[Film]:
    """Make a file of *size* bytes, a multiple of 1 MiB, for the time of the context."""
    shared_memory = Path("/dev/shm")  # noqa: S108  # only as the parent of a folder of our own
    has_room = False
    if shared_memory.is_dir():
        found = os.statvfs(shared_memory)
        has_room = found.f_bavail * found.f_frsize > 2 * size
    parent = shared_memory if has_room else None
    with tempfile.TemporaryDirectory(prefix="streamproxy-", dir=parent) as name:
        path = Path(name) / FILE_NAME
        with path.open("wb") as written:
            for _ in range(size // 2**20):
                written.write(os.urandom(2**20))
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as map_:
            content = memoryview(map_)
            try:
                yield Film(Path(name), size, content)
            finally:
                content.release()
