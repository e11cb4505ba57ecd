"""Servers in processes of their own, and what they cost: CPU and memory, as /proc tells."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.005
_DEBIAN_PACKAGES = {"nginx": "nginx", "haproxy": "haproxy"}


class MissingProgram(Exception):
    """A program that a part of the comparison needs is not installed."""


class NotStarted(Exception):
    """A program does not listen."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server.

    :param urls: where it serves the file, by where it has it from: http, https, distant...
    :param started_at: when it was started, by the monotonic clock.
    """

    name: str
    urls: Mapping[str, str]
    pid: int
    started_at: float

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process and all below it, since it started."""
        return sum(time.clock_gettime(_cpu_clock(pid)) for pid in self._tree())

    def rss_kib(self) -> int:
        """Return the resident memory of the process and all below it, in KiB.

        What they share is counted for each: a difference of two readings is what counts.

        Source: proc(5), /proc/PID/status.
        """
        found = 0
        for pid in self._tree():
            status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
            resident = re.search(r"VmRSS:\s+(\d+) kB", status)
            found += int(resident[1]) if resident else 0
        return found

    def pin(self, cpus: set[int]) -> None:
        """Let the process and all below it, with all their threads, run on these CPUs only."""
        for pid in self._tree():
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), cpus)

    def _tree(self) -> list[int]:
        """Return the process and all below it.

        Source: proc(5), /proc/PID/task/TID/children.
        """
        tree = [self.pid]
        for pid in tree:
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):  # the thread has ended meanwhile
                    tree += map(int, (task / "children").read_text("ascii").split())
        return tree


def _cpu_clock(pid: int) -> int:
    """Return the clock of the user and system time of a process.

    /proc/PID/stat tells the same in hundredths of a second, too coarse for requests.

    Source: clock_getcpuclockid(3), as Linux has it: the inverted pid above three bits,
    of which CPUCLOCK_SCHED is 2.
    """
    return (~pid << 3) | 2


def find_program(name: str) -> str:
    """Return the path of a program.

    :raises MissingProgram: naming the Debian package that has it.
    """
    # Debian has servers in a folder that is not in everybody's PATH.
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise MissingProgram(f"{name} is missing; on Debian: apt install {_DEBIAN_PACKAGES[name]}")
    return path


def free_port() -> int:
    """Return a port on loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    *,
    ports: Sequence[int],
    urls: Mapping[str, str],
    folder: Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Peer]:
    """Run a server for the time of the context, from when it listens.

    :param folder: where its output goes.
    :param environment: what it has beside this process's environment.
    :raises NotStarted: it ended, or did not listen in time; with what it said.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("STREAMPROXY_")}
    output = folder / "output.log"
    started = time.monotonic()
    with (
        output.open("wb") as log,
        subprocess.Popen(  # noqa: S603  # the programs that are compared
            command,
            cwd=cwd or folder,
            env=inherited | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            for port in ports:
                _await_listening(process, port, name, output)
            yield Peer(name, urls, process.pid, started)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_listening(process: subprocess.Popen[bytes], port: int, name: str, output: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(_POLL_S)
        else:
            return
    raise NotStarted(f"{name} does not listen:\n{output.read_text('utf-8', 'replace')}")
