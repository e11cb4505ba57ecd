"""`python -m streamproxy` as a process of its own."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from subprocesses import clean_environment, finish, process

START_TIMEOUT_S = 60


def begun(*arguments: str, cwd: Path, **environment: str) -> AbstractAsyncContextManager[Process]:
    """Start the program in *cwd*, with nothing of its settings in the environment."""
    return process(
        *(sys.executable, "-W", "error", "-m", "streamproxy", *arguments),
        cwd=cwd,
        env=clean_environment(**environment),
        stdout=PIPE,
        stderr=PIPE,
    )


async def outcome(started: Process) -> tuple[int, str, str]:
    """Wait for the end; return exit status, standard output and standard error."""
    out, err = await finish(started)
    assert started.returncode is not None
    return started.returncode, out, err


async def run(*arguments: str, cwd: Path, **environment: str) -> tuple[int, str, str]:
    """Run the program to its end."""
    async with begun(*arguments, cwd=cwd, **environment) as started:
        return await outcome(started)


@asynccontextmanager
async def running(
    *arguments: str, cwd: Path, **environment: str
) -> AsyncIterator[tuple[Process, str]]:
    """Run the server on a free port; yield it with the address that it prints."""
    async with begun("--port", "0", *arguments, cwd=cwd, **environment) as started:
        assert started.stdout is not None
        line = await asyncio.wait_for(started.stdout.readline(), START_TIMEOUT_S)
        address = re.search(r"http://\S+/", line.decode())
        assert address is not None, (line, await finish(started))
        yield started, address[0]
