"""The parent of workers that do what the test says, where the program's own would do so rarely."""

import asyncio
import os
import re
import resource
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from servers import eventually
from subprocesses import clean_environment, process

# A worker takes the name that stands in "settings", and goes on when there is a file go-<name>.
# At SIGUSR1 the parent may have no more of what the limit is of, and at SIGUSR2 it may again.
PROGRAM = """
import logging, os, resource, signal, sys, time
from pathlib import Path
from streamproxy.notify import ALIVE, READY, Notifier
from streamproxy.workers import Supervisor

def work(parent):
    name = Path("settings").read_text()
    Path(f"{name}-{os.getpid()}").touch()
    while not Path(f"go-{name}").exists():
        parent.tell(ALIVE)
        time.sleep(0.02)
    if name == "bad":
        return 2
    parent.tell(READY)
    while True:
        try:
            parent.connection.recv(16)  # it is to leave, or the parent has gone
            return 0
        except BlockingIOError:
            parent.tell(ALIVE)
            time.sleep(0.1)

number, stuck_after_s, limit, user = map(int, sys.argv[1:])
if user != os.geteuid():
    os.setuid(user)
before = resource.getrlimit(limit)
signal.signal(signal.SIGUSR1, lambda *_: resource.setrlimit(limit, (1, before[1])))
signal.signal(signal.SIGUSR2, lambda *_: resource.setrlimit(limit, before))
logging.basicConfig(level="INFO", format="%(message)s")
ready = lambda: print("ready", flush=True)
sys.exit(
    Supervisor(
        number, work, Notifier(), on_ready=ready, grace_s=1, stuck_after_s=stuck_after_s
    ).run()
)
"""
NOBODY = 61234  # no limit of processes holds for root


class Parent:
    """A parent that runs, in a folder of its own."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process = process
        self.pid = process.pid
        self.folder = folder

    @property
    def errors(self) -> str:
        return (self.folder / "errors").read_text()

    def workers(self) -> set[int]:
        """Return the processes that it has started and that still run."""
        return set(map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()))

    def named(self, name: str) -> set[int]:
        """Return the workers that have found a name in the settings."""
        return {int(path.name.rpartition("-")[2]) for path in self.folder.glob(f"{name}-*")}

    def descriptors(self) -> int:
        """Return how many it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    async def has_descriptors(self, number: int) -> bool:
        """Wait until it has closed what it needed for a moment."""

        async def holds() -> bool:
            return self.descriptors() == number

        return await eventually(holds)

    def let_go(self, name: str) -> None:
        (self.folder / f"go-{name}").touch()

    async def has(self, workers: set[int]) -> bool:
        """Wait until just these run."""

        async def holds() -> bool:
            return self.workers() == workers

        return await eventually(holds)

    async def has_new(self, number: int, gone: set[int]) -> bool:
        """Wait until a number of workers run, and none of those that are gone."""

        async def holds() -> bool:
            return len(self.workers()) == number and not gone & self.workers()

        return await eventually(holds)

    async def says(self, words: str, times: int = 1) -> bool:
        async def holds() -> bool:
            return self.errors.count(words) >= times

        return await eventually(holds)

    async def reload(self, name: str, number: int) -> set[int]:
        """Let it start new workers, which wait; return them."""
        (self.folder / "settings").write_text(name)
        self.process.send_signal(signal.SIGHUP)

        async def have_begun() -> bool:
            return len(self.named(name)) == number

        assert await eventually(have_begun)
        return self.named(name)

    async def end(self) -> None:
        self.process.terminate()
        assert await asyncio.wait_for(self.process.wait(), 30) == 0, self.errors


def prepare(folder: Path) -> None:
    """Let the first workers be ready at once."""
    folder.chmod(0o777)  # the user may be another one
    (folder / "settings").write_text("first")
    (folder / "go-first").touch()


@asynccontextmanager
async def supervising(
    number: int,
    folder: Path,
    *,
    stuck_after_s: int = 30,
    limit: int = resource.RLIMIT_NOFILE,
    user: int | None = None,
) -> AsyncIterator[Parent]:
    """Run a parent until the end of the context, from when its workers are ready."""
    prepare(folder)
    numbers = (number, stuck_after_s, limit, os.geteuid() if user is None else user)
    with (folder / "errors").open("wb") as errors:
        async with process(
            *(sys.executable, "-c", PROGRAM, *map(str, numbers)),
            cwd=folder,
            env=clean_environment(),
            stdout=PIPE,
            stderr=errors,
        ) as running:
            parent = Parent(running, folder)
            assert running.stdout is not None
            line = await asyncio.wait_for(running.stdout.readline(), 60)
            assert line == b"ready\n", parent.errors
            yield parent


class TestReloadDuringAReload:
    async def test_end_of_the_first_ones_workers_does_not_keep_the_old(
        self, tmp_path: Path
    ) -> None:
        async with supervising(2, tmp_path) as parent:
            await parent.reload("bad", 2)
            good = await parent.reload("good", 2)
            parent.let_go("bad")
            assert await parent.says("ended with status 2", 2)
            parent.let_go("good")
            assert await parent.has(good)
            await parent.end()

    async def test_failure_of_the_second_leaves_the_old_alone(self, tmp_path: Path) -> None:
        async with supervising(2, tmp_path) as parent:
            old = parent.workers()
            await parent.reload("good", 2)
            await parent.reload("bad", 2)
            parent.let_go("bad")
            assert await parent.says("Reloading failed")
            assert await parent.has(old)
            third = await parent.reload("third", 2)
            parent.let_go("third")
            assert await parent.has(third)
            await parent.end()


async def test_workers_that_die_together_are_one_failure(tmp_path: Path) -> None:
    async with supervising(6, tmp_path) as parent:
        for _ in range(2):
            victims = parent.workers()
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            assert await parent.has_new(6, victims)
        await parent.end()
        waits = re.findall(r"The next worker starts in ([\d.]+) s", parent.errors)
    # On a busy machine the first ones may not have been so young.
    assert "0.5" in waits
    assert set(waits) <= {"0.5", "1.0"}


async def test_pause_of_the_parent_itself_kills_nobody(tmp_path: Path) -> None:
    """As with docker pause, or Ctrl-Z; the workers go on a little later than the parent."""
    async with supervising(2, tmp_path, stuck_after_s=6) as parent:
        workers = parent.workers()
        os.killpg(parent.pid, signal.SIGSTOP)
        await asyncio.sleep(7.5)
        os.kill(parent.pid, signal.SIGCONT)
        await asyncio.sleep(1)  # it looks twice
        os.killpg(parent.pid, signal.SIGCONT)
        await parent.end()
        assert "hangs" not in parent.errors
        assert parent.named("first") == workers


@pytest.mark.parametrize(
    ("limit", "user"),
    [
        pytest.param(resource.RLIMIT_NOFILE, None, id="descriptors"),
        pytest.param(resource.RLIMIT_NPROC, NOBODY if os.geteuid() == 0 else None, id="processes"),
    ],
)
async def test_worker_that_cannot_start_is_tried_again(
    tmp_path: Path, limit: int, user: int | None
) -> None:
    async with supervising(2, tmp_path, limit=limit, user=user) as parent:
        used = parent.descriptors()
        one, other = parent.workers()
        os.kill(parent.pid, signal.SIGUSR1)
        os.kill(one, signal.SIGKILL)
        assert await parent.says("No worker can start", 2)
        assert parent.workers() == {other}
        os.kill(parent.pid, signal.SIGUSR2)
        assert await parent.has_new(2, {one})
        assert await parent.has_descriptors(used)

        os.kill(parent.pid, signal.SIGUSR1)
        os.kill(other, signal.SIGKILL)
        assert await parent.says("No worker can start", 3)
        await parent.end()  # signals are heard
