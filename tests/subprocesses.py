"""Processes of the tests: whatever becomes of a test, nothing of them is left."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import streamproxy

Output = int | IO[bytes] | None
END_TIMEOUT_S = 60


def clean_environment(**environment: str) -> dict[str, str]:
    """Return this environment without settings of the proxy, but with those given."""
    clean = {name: value for name, value in os.environ.items() if "STREAMPROXY" not in name}
    # Also where it is not installed.
    return clean | {"PYTHONPATH": str(Path(streamproxy.__file__).parents[1])} | environment


@asynccontextmanager
async def process(
    *command: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: Output = None,
    stderr: Output = None,
    pass_fds: Sequence[int] = (),
) -> AsyncIterator[Process]:
    """Run a program; with the context it ends, and all that it has started."""
    running = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=env,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    try:
        yield running
    finally:
        # Its children have its pipes as well, and may outlive it.
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        await finish(running)


async def finish(running: Process) -> tuple[str, str]:
    """Wait for the end and close the pipes; return what was left of standard output and error."""
    out, err = await asyncio.wait_for(running.communicate(), END_TIMEOUT_S)
    return (out or b"").decode(), (err or b"").decode()
