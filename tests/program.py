"""`python -m streamproxy` as a process of its own."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamproxy


async def run(*arguments: str, cwd: Path, **environment: str) -> Process:
    """Start the program in *cwd*, with nothing of its settings in the environment."""
    clean = {name: value for name, value in os.environ.items() if "STREAMPROXY" not in name}
    clean["PYTHONPATH"] = str(Path(streamproxy.__file__).parents[1])  # also uninstalled
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "streamproxy"),
        *arguments,
        cwd=cwd,
        env=clean | environment,
        stdout=PIPE,
        stderr=PIPE,
    )


async def outcome(process: Process) -> tuple[int, str, str]:
    """Wait for the end; return exit status, standard output and standard error."""
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def running(
    *arguments: str, cwd: Path, **environment: str
) -> AsyncIterator[tuple[Process, str]]:
    """Run the server on a free port; yield it with the address that it prints."""
    process = await run("--port", "0", *arguments, cwd=cwd, **environment)
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        address = re.search(r"http://\S+/", line)
        assert address is not None, (line, await process.communicate())
        yield process, address[0]
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
