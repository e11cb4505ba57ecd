"""Where the text of the log goes: outputs that several processes can share.

Each text goes out in one call to the system, so that no process writes into the line of
another: with O_APPEND into a file, and up to PIPE_BUF bytes into a pipe.

Source: write(2) and pipe(7), as Linux has them.
"""

import logging
import os
import select
import sys
from collections.abc import Iterator
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from streamproxy.errors import SettingsError

if sys.platform != "win32":
    import fcntl

_MAX_FILE_SIZE = 10 * 2**20  # bytes, of one file
_KEPT_FILES = 5


def open_file(path: str) -> logging.Handler:
    """Return the output to a file, which is rotated by size.

    :raises SettingsError: the file cannot be written.
    """
    try:
        if sys.platform == "win32":  # where an open file cannot be renamed
            return RotatingFileHandler(path, "a", _MAX_FILE_SIZE, _KEPT_FILES, "utf-8")
        return SharedFile(Path(path))
    except OSError as exc:
        reason = exc.strerror or exc
        raise SettingsError(
            f"log_file: {path!r} cannot be written ({reason}); give a path that can be, or -"
        ) from exc


class SharedFile(logging.Handler):
    """Appends to a file that other processes append to, and that any of them may rotate.

    A file that was moved away, by one of them or by logrotate, is noticed before the next
    text is written.

    :raises OSError: the file cannot be opened.
    """

    def __init__(
        self, path: Path, *, max_size: int = _MAX_FILE_SIZE, kept: int = _KEPT_FILES
    ) -> None:
        super().__init__()
        self._path = path.absolute()
        self._max_size = max_size
        self._kept = kept
        self._file = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a text."""
        data = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        try:
            if os.fstat(self._file).st_size + len(data) > self._max_size:
                with suppress(OSError):  # in a folder that cannot be written to it grows on
                    self._rotate()
            self._follow()
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:
            self.handleError(record)

    def _follow(self) -> None:
        """Go on in the file that the path leads to now; where none can be, in the old one."""
        with suppress(OSError):
            if not self._is_current():
                # First the new one: a number that was let go of is a client's connection next.
                old, self._file = self._file, self._open()
                os.close(old)

    def _is_current(self) -> bool:
        """Tell whether the path still leads to the open file."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        """Move the files by one number, unless another process has just done it."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            # A link, such as /dev/stdout, is somebody else's to move.
            is_ours = self._is_current() and not self._path.is_symlink()
            if is_ours and os.fstat(self._file).st_size:
                names = [Path(f"{self._path}.{number}") for number in range(1, self._kept + 1)]
                for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
                    with suppress(FileNotFoundError):
                        newer.replace(older)
                self._path.replace(names[0])
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        old, self._file = self._file, -1
        if old >= 0:
            os.close(old)
        super().close()


class SharedStream(logging.StreamHandler):  # type: ignore[type-arg]  # generic for checkers alone
    """Writes to standard error, which other processes may write to as well."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a text, in pieces of whole lines that a pipe takes at once."""
        try:
            for piece in pieces(self.format(record), getattr(select, "PIPE_BUF", 512)):
                self.stream.write(piece)
                self.flush()
        except OSError:
            self.handleError(record)


def pieces(text: str, size: int) -> Iterator[str]:
    """Yield the lines of *text*, as many at a time as have *size* bytes; a longer one alone."""
    data = f"{text}\n".encode("utf-8", "backslashreplace")
    start = 0
    while start < len(data):
        end = len(data)
        if end - start > size:
            end = 1 + data.rfind(b"\n", start, start + size) or 1 + data.index(b"\n", start)
        yield data[start:end].decode()
        start = end
