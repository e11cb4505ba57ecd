"""The server as a program of its own, with what it says at its end."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession
from proxies import Proxy
from subprocesses import clean_environment, process
from visitors import proxy_at

START_TIMEOUT_S = 60
# What a program says that forgot something when it ended.
LEFTOVERS = re.compile(
    r"Traceback|was destroyed|never retrieved|never awaited|Warning: unclosed|Exception ignored"
)
# A state of sockets in /proc/net/tcp.
_LISTENS = "0A"
# Lower the limits of descriptors, then become the program.
LIMITED = ("sh", "-c", 'ulimit -S -n "$1" && ulimit -H -n "$2" && shift 2 && exec "$@"', "sh")


@dataclass
class Program:
    """A running server, a client for it, its process, and where its standard error goes."""

    proxy: Proxy
    process: Process
    errors: Path

    async def end(self, within_s: float = 30) -> tuple[int, str]:
        """Wait for the end of the process; return exit status and standard error."""
        status = await asyncio.wait_for(self.process.wait(), within_s)
        return status, self.errors.read_text()

    def clients(self) -> int:
        """Return how many connections to clients the process has open."""
        # What nobody has accepted, or somebody has closed, is of no inode.
        return sum(row[3] != _LISTENS and row[9] != "0" for row in self._connections())

    def unsent_bytes(self) -> int:
        """Return how many bytes for its clients the kernel holds."""
        return sum(int(row[4].partition(":")[0], 16) for row in self._connections())

    def _connections(self) -> Iterator[list[str]]:
        """Yield what the kernel tells of each socket that has the port of the server."""
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            row = line.split()
            if int(row[1].partition(":")[2], 16) == self.proxy.port:
                yield row


@asynccontextmanager
async def started(
    *arguments: str, cwd: Path, descriptors: tuple[int, int] | None = None
) -> AsyncIterator[Program]:
    """Run the server on a free port, with warnings as errors; it may reach loopback.

    :param descriptors: the limits to start it under, soft and hard.
    """
    limits = () if descriptors is None else (*LIMITED, *map(str, descriptors))
    errors = cwd / "errors.log"
    with errors.open("wb") as stderr:
        async with process(
            *limits,
            *(sys.executable, "-X", "dev", "-W", "error", "-m", "streamproxy", "--port", "0"),
            *("--allow-network", "127.0.0.0/8", "--log-file", "-", *arguments),
            cwd=cwd,
            env=clean_environment(),
            stdout=PIPE,
            stderr=stderr,
        ) as running:
            assert running.stdout is not None
            line = await asyncio.wait_for(running.stdout.readline(), START_TIMEOUT_S)
            assert line, errors.read_text()
            async with ClientSession() as client:
                proxy = proxy_at(line.decode(), client)
                yield Program(proxy, running, errors)
                proxy.close()
