"""A streamproxy in a process of its own, and what it holds: memory, descriptors, streams."""

import asyncio
import json
import re
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

_START_TIMEOUT_S = 20
_STOP_TIMEOUT_S = 15
# What a program says that has lost something, or forgotten something when it ended.
_COMPLAINTS = re.compile(r".*(?:Traceback|Unexpected|was destroyed|never retrieved|unclosed).*")


class NotStarted(Exception):
    """The server does not listen."""


@dataclass
class Observed:
    """A running server.

    :param errors: the file that its standard error goes to.
    """

    process: Process
    port: int
    errors: Path

    def rss_kib(self) -> int:
        """Return the resident memory, in KiB. Source: proc(5), /proc/PID/status."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) if found else 0

    def descriptors(self) -> int:
        """Return how many descriptors are open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    async def streams(self) -> int:
        """Return how many streams run, as health says it, on a connection that ends with that."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return int(json.loads(answer.partition(b"\r\n\r\n")[2])["streams"])

    async def stop(self) -> tuple[int | None, list[str]]:
        """Return the exit status, None where it does not end, and what it complained about."""
        self.process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                status = await self.process.wait()
        except TimeoutError:
            return None, []
        return status, _COMPLAINTS.findall(self.errors.read_text())


@asynccontextmanager
async def observed(*arguments: str) -> AsyncIterator[Observed]:
    """Run a server on a free port, which may reach loopback, and log to a file.

    :raises NotStarted: it prints no address.
    """
    with tempfile.TemporaryDirectory(prefix="streamproxy-") as folder:
        errors = Path(folder) / "errors.log"
        with errors.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "streamproxy", "--port", "0", "--log-file", "-"),
                *("--allow-network", "127.0.0.0/8", *arguments),
                cwd=REPOSITORY,
                stdout=PIPE,
                stderr=stderr,
            )
        try:
            if process.stdout is None:
                raise NotStarted
            async with asyncio.timeout(_START_TIMEOUT_S):
                address = re.search(rb"http://127\.0\.0\.1:(\d+)/", await process.stdout.readline())
            if address is None:
                raise NotStarted(errors.read_text())
            yield Observed(process, int(address[1]), errors)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
