"""A real redis-server for the tests, on a free port."""

import asyncio
import os
import shutil
import socket
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count

import pytest
from subprocesses import finish, process

# Below those that the system gives to whoever wants any: nobody else takes one of these in the
# time between. Each process of pytest-xdist (gw0, gw1, ...) has a thousand, and begins somewhere
# in it: another run on this machine may have the same ones.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = (16_000 + 1000 * _WORKER + number % 1000 for number in count(os.getpid()))


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    for port in _PORTS:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError  # counting has no end


class RedisServer:
    """A redis-server that keeps nothing on disk; it can be stopped and started again."""

    def __init__(self, *options: str, password: str = "") -> None:
        self.port = free_port()
        self._options = options
        self._password = password
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """The URL as the setting rate_store takes it."""
        user = f":{self._password}@" if self._password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("there is no redis-server on this machine")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self._options]
        if self._password:
            options += ["--requirepass", self._password]
        running = await self._stack.enter_async_context(process(program, *options, stdout=PIPE))
        assert running.stdout is not None
        async with asyncio.timeout(60):
            while b"Ready to accept connections" not in (line := await running.stdout.readline()):
                assert line, "redis-server has ended"

    async def stop(self) -> None:
        """Stop it, at once."""
        await self._stack.aclose()

    async def ask(self, *command: str) -> list[str]:
        """Return the lines that redis-cli prints for a command."""
        login = ["--no-auth-warning", "-a", self._password] if self._password else []
        arguments = ("-p", str(self.port), *login, *command)
        async with process("redis-cli", *arguments, stdout=PIPE) as running:
            out, _ = await finish(running)
        return out.splitlines()


@asynccontextmanager
async def redis_server(*options: str, password: str = "") -> AsyncIterator[RedisServer]:
    """Run a redis-server, with further options of its own."""
    server = RedisServer(*options, password=password)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
