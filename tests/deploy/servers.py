"""Real programs around the proxy: gunicorn, nginx, and the workers of the program itself."""

import asyncio
import os
import re
import shutil
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, TCPConnector
from proxies import Proxy
from redis_servers import free_port
from subprocesses import clean_environment, process

from streamproxy.family import family_folder

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60
# So much of Python's own reports as no server may end with.
BAD_SIGNS = ("Traceback", "Logging error", "Warning", "never awaited", "was destroyed")
# prometheus-client closes its files by ending.
_UNCLOSED_COUNTS = re.compile(
    r"Exception ignored in: <_io.FileIO name='[^']*\.db'.*\nResourceWarning: unclosed file .*\n"
)


def missing(what: str) -> None:
    """Skip a test for want of a program; where all must be there, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"there is no {what} on this machine")
    pytest.skip(f"there is no {what} on this machine")


def program(name: str) -> str:
    """Return the path of a program, which Debian may keep from everybody's PATH."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        missing(name)
    assert path is not None
    return path


def other_address() -> str:
    """Return an address of this machine that is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine is in no network")
        address: str = probe.getsockname()[0]
        return address


async def eventually(holds: Callable[[], Awaitable[bool]], within_s: float = 30) -> bool:
    """Look again and again, until something holds or the time is over."""
    try:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110  # it is seen from outside only
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


class NotStarted(Exception):
    """A server has ended, or does not answer."""


async def _until_answers(server: "Server") -> None:
    async def has_ended_or_answers() -> bool:
        proxy = server.proxy
        try:
            async with proxy.client.get(proxy.url("/health")) as got:
                return got.status == 200
        except (ClientError, OSError):
            return server.process.returncode is not None

    is_decided = await eventually(has_ended_or_answers, START_TIMEOUT_S)
    if not is_decided or server.process.returncode is not None:
        raise NotStarted(server.errors)


class Server:
    """A running server of several processes, and a client that connects anew each time."""

    def __init__(self, process: Process, proxy: Proxy, folder: Path) -> None:
        self.process = process
        self.proxy = proxy
        self.folder = folder
        self.announced = ""  # what the program prints when all of it is ready

    def written(self) -> str:
        """Return all that stands in its files."""
        return "".join(path.read_text() for path in self.folder.iterdir())

    @property
    def errors(self) -> str:
        """What it has said on standard error until now."""
        return _UNCLOSED_COUNTS.sub("", (self.folder / "errors").read_text())

    def workers(self) -> list[int]:
        """Return the processes that it has started and that still run."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    async def has_workers(
        self, number: int, *, without: Sequence[int] = (), within_s: float = START_TIMEOUT_S
    ) -> bool:
        """Wait until just *number* workers run, and none of those named."""

        async def holds() -> bool:
            workers = self.workers()
            return len(workers) == number and not set(without) & set(workers)

        return await eventually(holds, within_s)

    async def end(self, within_s: float = 30) -> str:
        """Wait for the orderly end; return what it said."""
        status = await asyncio.wait_for(self.process.wait(), within_s)
        assert status == 0, self.errors
        for sign in BAD_SIGNS:
            assert sign not in self.errors, self.errors
        return self.errors


@asynccontextmanager
async def started(
    command: Sequence[str], port: int, folder: Path, **environment: str
) -> AsyncIterator[Server]:
    """Run a server until the end of the context, from when it answers."""
    env = clean_environment(**environment)
    connector = TCPConnector(force_close=True)
    with (folder / "errors").open("wb") as errors:
        async with (
            process(*command, cwd=folder, env=env, stdout=PIPE, stderr=errors) as running,
            ClientSession(auto_decompress=False, connector=connector) as client,
        ):
            server = Server(running, Proxy(port, client), folder)
            try:
                await _until_answers(server)
                yield server
            finally:
                server.proxy.close()


@asynccontextmanager
async def gunicorn(
    *options: str,
    folder: Path,
    host: str = "127.0.0.1",
    app: str = "streamproxy:create_app()",
    **environment: str,
) -> AsyncIterator[Server]:
    """Run gunicorn as the README gives the command; it may reach loopback."""
    if find_spec("gunicorn") is None:
        missing("gunicorn")
    port = free_port()
    command = (
        *(sys.executable, "-m", "gunicorn", "-k", "aiohttp.GunicornWebWorker"),
        *("-b", f"{host}:{port}", "--no-control-socket", *options, app),
    )
    environment = {"STREAMPROXY_ALLOW_NETWORK": "127.0.0.0/8"} | environment
    number = int(options[options.index("-w") + 1]) if "-w" in options else 1
    async with started(command, port, folder, **environment) as server:

        async def all_have_begun() -> bool:
            met = family_folder(server.process.pid)
            return met is not None and len([*met.glob("*.sock")]) == number

        # A worker that has just been forked loses signals: it has the arbiter's handlers.
        assert await eventually(all_have_begun, START_TIMEOUT_S), server.errors
        yield server


@asynccontextmanager
async def supervised(*options: str, folder: Path, **environment: str) -> AsyncIterator[Server]:
    """Run the program with several workers; it may reach loopback."""
    port = free_port()
    command = (
        *(sys.executable, "-W", "error", "-m", "streamproxy", "--port", str(port)),
        *("--allow-network", "127.0.0.0/8", *options),
    )
    async with started(command, port, folder, **environment) as server:
        assert server.process.stdout is not None
        line = await asyncio.wait_for(server.process.stdout.readline(), START_TIMEOUT_S)
        server.announced = line.decode()
        yield server
