"""What systemd and the program tell one another, over real sockets; and the unit file."""

import asyncio
import os
import re
import select
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector
from congestion import algorithm, choose
from halves import Halves, begin
from program import begun, outcome
from redis_servers import free_port
from servers import ROOT, eventually, missing, program, supervised
from subprocesses import clean_environment, finish, process
from upstreams import raw_upstream

UNIT = ROOT / "deploy" / "streamproxy.service"


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """Listen for states, as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0", 1))
        listening.setblocking(False)
        yield listening


async def states_until(listening: socket.socket, wanted: str) -> list[str]:
    """Return all states that are told, up to the first that begins with *wanted*."""
    told: list[str] = []
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        while not any(state.startswith(wanted) for state in told):
            told += (await loop.sock_recv(listening, 4096)).decode().split("\n")
    return told


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("is_abstract", [False, True], ids=["path", "abstract"])
async def test_states_are_told(tmp_path: Path, workers: str, is_abstract: bool) -> None:
    address = f"@streamproxy-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with manager(address) as listening:
        options = ("--workers", workers, "--shutdown-grace", "60")
        # A parent looks twice a second whether it is time for a sign of life.
        allowed_s = int(workers)
        environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": f"{allowed_s}000000"}
        async with (
            raw_upstream(Halves()) as upstream,
            supervised(*options, folder=tmp_path, **environment) as server,
        ):
            assert "READY=1" in await states_until(listening, "READY=1")
            loop = asyncio.get_running_loop()
            came_at = []
            for _ in range(4):
                await states_until(listening, "WATCHDOG=1")
                came_at.append(loop.time())
            gaps = sorted(later - earlier for earlier, later in pairwise(came_at))
            # Twice within the time that was asked for, or so; a busy machine may delay one of them.
            assert gaps[1] < 0.85 * allowed_s
            await begin(server.proxy, upstream.link())
            one = "STATUS=1 streams" if workers == "1" else "STATUS=2 workers, 1 streams"
            await states_until(listening, one)
            server.process.terminate()
            told = await states_until(listening, "STOPPING=1")
            told += await states_until(listening, "EXTEND_TIMEOUT_USEC=") if len(told) == 1 else []
            (extended,) = (state for state in told if state.startswith("EXTEND_TIMEOUT_USEC="))
            assert int(extended.partition("=")[2]) > 60_000_000
            # It comes to its end slowly, and is alive all the same.
            if workers == "1":
                await states_until(listening, "WATCHDOG=1")
            server.process.terminate()
            await server.end()


def is_stopped(pid: int) -> bool:
    return "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()


async def test_stuck_program_gives_no_sign_of_life(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address) as listening:
        environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "500000"}
        async with supervised(folder=tmp_path, **environment) as server:
            await states_until(listening, "WATCHDOG=1")
            server.process.send_signal(signal.SIGSTOP)

            async def has_stopped() -> bool:
                return is_stopped(server.process.pid)

            assert await eventually(has_stopped)
            while select.select([listening], [], [], 0)[0]:  # what was told before
                listening.recv(4096)
            loop = asyncio.get_running_loop()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(loop.sock_recv(listening, 4096), 1.5)
            server.process.send_signal(signal.SIGCONT)
            await states_until(listening, "WATCHDOG=1")


async def test_manager_that_does_not_listen_keeps_nobody_from_serving(tmp_path: Path) -> None:
    async with supervised(folder=tmp_path, NOTIFY_SOCKET=str(tmp_path / "nobody")) as server:
        server.process.terminate()
        await server.end()


# What systemd does before it starts a program: descriptors from 3 on, and for which process.
LAUNCH = """
import os, sys
for number, given in enumerate(sys.argv[1].split(",")):
    os.dup2(int(given), 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(number + 1)}
os.execv(sys.executable, [sys.executable, "-W", "error", "-m", "streamproxy", *sys.argv[2:]])
"""


@asynccontextmanager
async def activated(
    *sockets: socket.socket, options: tuple[str, ...] = (), folder: Path
) -> AsyncIterator[Process]:
    """Start the program with sockets that listen already."""
    numbers = [sock.fileno() for sock in sockets]
    async with process(
        *(sys.executable, "-c", LAUNCH, ",".join(map(str, numbers)), *options),
        cwd=folder,
        env=clean_environment(),
        pass_fds=numbers,
        stdout=PIPE,
        stderr=PIPE,
    ) as running:
        yield running
        if running.returncode is None:
            running.terminate()
            _, err = await finish(running)
            assert "Traceback" not in err
            assert running.returncode == 0


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_sockets_are_taken_over(tmp_path: Path, workers: str) -> None:
    """One of each kind; who connects before the program serves has to wait, and no more."""
    path = str(tmp_path / "proxy.sock")
    with (
        socket.create_server(("127.0.0.1", 0)) as over_ip,
        socket.socket(socket.AF_UNIX) as over_unix,
    ):
        over_unix.bind(path)
        over_unix.listen()
        async with (
            ClientSession() as client,
            ClientSession(connector=UnixConnector(path)) as local_client,
            activated(
                over_ip, over_unix, options=("--workers", workers), folder=tmp_path
            ) as running,
        ):
            url = f"http://127.0.0.1:{over_ip.getsockname()[1]}"
            async with client.get(f"{url}/health") as got:
                assert got.status == 200
            async with local_client.get("http://localhost/") as got:
                assert got.status == 200
            assert running.stdout is not None
            assert f"open {url}/" in (await running.stdout.readline()).decode()


async def test_socket_on_loopback_is_no_longer_paced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        choose(listening, "bbr")
        async with ClientSession() as client, activated(listening, folder=tmp_path):
            async with client.get(f"http://127.0.0.1:{listening.getsockname()[1]}/health") as got:
                assert got.status == 200
            assert algorithm(listening) == "reno"


async def test_descriptors_of_another_process_are_left_alone(tmp_path: Path) -> None:
    port = str(free_port())
    given = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    async with begun("--port", port, cwd=tmp_path, **given) as running:
        assert running.stdout is not None
        line = await asyncio.wait_for(running.stdout.readline(), 60)
    assert f":{port}/" in line.decode()


async def test_descriptor_that_does_not_listen_is_refused(tmp_path: Path) -> None:
    with socket.socket() as silent:
        async with activated(silent, folder=tmp_path) as running:
            status, _, err = await outcome(running)
    assert status == 2
    assert err == "streamproxy: LISTEN_FDS: descriptor 3 is no listening stream socket\n"


async def test_log_for_the_journal_has_severities_and_no_time(tmp_path: Path) -> None:
    options = ("--log-format", "journal", "--log-file", "-", "--access-token", "short")
    async with supervised(*options, folder=tmp_path) as server:
        server.process.terminate()
        lines = (await server.end()).splitlines()
    assert (
        lines[0]
        == "<4>streamproxy.access.lock: access_token: shorter than 16 characters: easy to guess"
    )
    assert re.match(r"<6>streamproxy\.middlewares\.log_access: GET /health ", lines[1])


class TestUnit:
    def test_is_understood_by_systemd(self, tmp_path: Path) -> None:
        unit = tmp_path / UNIT.name
        text = UNIT.read_text()
        # The program is not installed there where the tests run.
        unit.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", text))
        done = subprocess.run(
            [program("systemd-analyze"), "verify", "--man=no", str(unit)],
            capture_output=True,
            text=True,
            check=False,
        )
        about_it = [line for line in done.stderr.splitlines() if UNIT.name in line]
        assert about_it == []

    def test_is_hardened(self) -> None:
        done = subprocess.run(
            [program("systemd-analyze"), "security", "--offline=true", "--no-pager", str(UNIT)],
            capture_output=True,
            text=True,
            check=False,
        )
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        if exposure is None:
            missing(f"systemd-analyze security --offline: {done.stderr}")
        assert exposure is not None
        assert float(exposure[1]) < 2.0
