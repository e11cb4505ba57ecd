"""`python -m streamproxy --workers`: several processes on one socket, and who watches them."""

import asyncio
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from aiohttp import ClientError
from halves import HALF, Halves, begin
from program import run
from proxies import code_of
from servers import NotStarted, Server, eventually, other_address, supervised
from upstreams import CONTENT, Honest, raw_upstream

from streamproxy.family import family_folder

# Longer than a test waits for anything.
LONG_GRACE = ("--shutdown-grace", "120")


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that has ended may wait for its parent to notice."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


async def starts_to_drain(server: Server) -> bool:
    """Tell whether no worker takes connections any more, soon."""

    async def refuses() -> bool:
        try:
            async with server.proxy.client.get(server.proxy.url("/health")) as got:
                return got.status == 503
        except ClientError:
            return True

    return await eventually(refuses, 20)


async def test_all_workers_serve(tmp_path: Path) -> None:
    async with (
        raw_upstream(Honest()) as upstream,
        supervised("--workers", "3", folder=tmp_path) as server,
    ):
        assert await server.has_workers(3)
        for worker in server.workers():  # one after the other serves alone
            others = [pid for pid in server.workers() if pid != worker]
            for pid in others:
                os.kill(pid, signal.SIGSTOP)
            got = await server.proxy.stream(upstream.link())
            assert await got.read() == CONTENT
            for pid in others:
                os.kill(pid, signal.SIGCONT)
        server.process.terminate()
        await server.end()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone has it")
async def test_no_number_is_one_for_each_processor_that_may_be_used(tmp_path: Path) -> None:
    """As in a container that was given some of them."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})  # what is started has the same
    try:
        async with supervised("--workers", "0", folder=tmp_path) as server:
            assert server.workers() == []  # one process serves by itself
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_running_streams_finish(tmp_path: Path, number: signal.Signals) -> None:
    """Also where each process gets the signal, as from a terminal."""
    halves = Halves()
    async with (
        raw_upstream(halves) as upstream,
        supervised("--workers", "2", *LONG_GRACE, folder=tmp_path) as server,
    ):
        streams = [await begin(server.proxy, upstream.link()) for _ in range(4)]
        for pid in (server.process.pid, *server.workers()):
            os.kill(pid, number)
        assert await starts_to_drain(server)
        halves.go_on.set()
        assert [await got.read() for got in streams] == [CONTENT[HALF:]] * 4
        await server.end()


async def test_second_signal_ends_at_once(tmp_path: Path) -> None:
    async with (
        raw_upstream(Halves()) as upstream,
        supervised("--workers", "2", "--shutdown-grace", "60", folder=tmp_path) as server,
    ):
        got = await begin(server.proxy, upstream.link())
        server.process.terminate()
        assert await starts_to_drain(server)
        server.process.terminate()
        async with asyncio.timeout(20):  # a silent site would be given up after 30 s
            with pytest.raises(ClientError):
                await got.read()
            await server.end()


async def test_killed_worker_comes_back_and_the_others_go_on(tmp_path: Path) -> None:
    halves = Halves()
    async with (
        raw_upstream(halves) as upstream,
        supervised("--workers", "2", *LONG_GRACE, folder=tmp_path) as server,
    ):
        idle = server.workers()[0]
        os.kill(idle, signal.SIGSTOP)  # so that the other one has the stream
        got = await begin(server.proxy, upstream.link())
        os.kill(idle, signal.SIGKILL)
        assert await server.has_workers(2, without=[idle])
        halves.go_on.set()
        assert await got.read() == CONTENT[HALF:]
        server.process.terminate()
        assert f"Worker {idle} ended by signal 9" in await server.end()


async def test_worker_that_dies_young_is_replaced_later_each_time(tmp_path: Path) -> None:
    began = time.monotonic()
    replaced_at = []
    async with supervised("--workers", "2", folder=tmp_path) as server:
        for _ in range(3):
            victim = server.workers()[-1]
            os.kill(victim, signal.SIGKILL)
            assert await server.has_workers(2, without=[victim])
            replaced_at.append(time.monotonic())
        server.process.terminate()
        said = await server.end()
    waits = re.findall(r"The next worker starts in ([\d.]+) s", said)
    expected = ["0.5", "1.0", "2.0"]
    # On a busy machine the first one may have taken so long to start that it was not young.
    was_young = replaced_at[0] - began < 5
    assert waits == expected or (not was_young and waits == expected[:2])


async def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    async with supervised("--workers", "2", folder=tmp_path) as server:
        workers = server.workers()
        server.process.kill()

        async def are_gone() -> bool:
            return not any(is_running(pid) for pid in workers)

        assert await eventually(are_gone)


class TestReload:
    async def test_reads_the_files_anew_and_lets_old_streams_finish(self, tmp_path: Path) -> None:
        acl = tmp_path / "acl.toml"
        acl.write_text('[default]\nallow_host = ["127.0.0.1"]\n')
        halves = Halves()
        options = ("--workers", "2", "--acl-file", "acl.toml", *LONG_GRACE)
        async with (
            raw_upstream(halves) as upstream,
            supervised(*options, folder=tmp_path) as server,
        ):
            old = server.workers()
            got = await begin(server.proxy, upstream.link())
            acl.write_text('[default]\nallow_host = ["films.example"]\n')
            server.process.send_signal(signal.SIGHUP)

            async def one_old_is_left() -> bool:
                return len(set(server.workers()) & set(old)) == 1

            assert await eventually(one_old_is_left)
            for _ in range(20):  # the old worker that is left takes none of them
                assert await code_of(server.proxy, upstream.link()) == (403, "blocked_target")
            halves.go_on.set()
            assert await got.read() == CONTENT[HALF:]
            assert await server.has_workers(2, without=old)
            server.process.terminate()
            await server.end()

    async def test_refuses_nobody(self, tmp_path: Path) -> None:
        is_over = asyncio.Event()
        async with (
            raw_upstream(Honest(), keep_alive=True) as upstream,
            supervised("--workers", "2", folder=tmp_path) as server,
        ):

            async def ask() -> set[int]:
                seen = set[int]()
                while not is_over.is_set():
                    got = await server.proxy.stream(upstream.link(), "0-9")
                    seen.add(got.status)
                    await got.read()
                return seen

            asking = [asyncio.create_task(ask()) for _ in range(8)]
            for _ in range(4):
                old = server.workers()
                server.process.send_signal(signal.SIGHUP)
                assert await server.has_workers(2, without=old)
            is_over.set()
            assert await asyncio.gather(*asking) == [{206}] * 8

    async def test_with_a_mistake_changes_nothing(self, tmp_path: Path) -> None:
        acl = tmp_path / "acl.toml"
        acl.write_text("[default]\n")
        options = ("--workers", "2", "--acl-file", "acl.toml")
        async with supervised(*options, folder=tmp_path) as server:
            old = server.workers()
            acl.write_text("[default]\nmax_streams = -1\n")
            server.process.send_signal(signal.SIGHUP)

            async def says_so() -> bool:
                return "Reloading failed: the old workers stay" in server.errors

            assert await eventually(says_so)
            assert await server.has_workers(2)
            assert sorted(server.workers()) == sorted(old)
            server.process.terminate()
            assert "default.max_streams: -1" in await server.end()


async def test_folder_that_was_tidied_away_is_made_anew(tmp_path: Path) -> None:
    async with supervised("--workers", "2", folder=tmp_path) as server:
        old = server.workers()
        folder = family_folder(server.process.pid)
        assert folder is not None
        shutil.rmtree(folder)
        server.process.send_signal(signal.SIGHUP)
        assert await server.has_workers(2, without=old)

        async def both_are_known() -> bool:  # one that takes a second to answer is left out
            async with server.proxy.client.get(server.proxy.url("/api/sessions")) as got:
                return bool((await got.json())["processes"] == 2)

        assert await eventually(both_are_known)
        async with server.proxy.client.get(server.proxy.url("/metrics")) as got:
            assert got.status == 200
        server.process.terminate()
        await server.end()


async def test_log_of_all_is_whole_lines_in_one_file(tmp_path: Path) -> None:
    async with (
        raw_upstream(Honest()) as upstream,
        supervised("--workers", "3", folder=tmp_path) as server,
    ):

        async def ask(number: int) -> None:
            link = upstream.link(f"/{'x' * 900}-{number}.mp4")
            got = await server.proxy.stream(link, "0-9")
            assert await got.read() == CONTENT[:10]

        for first in range(0, 300, 50):
            await asyncio.gather(*map(ask, range(first, first + 50)))
        server.process.terminate()
        said = await server.end()
    stamp = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - streamproxy\.")
    for text in (said, (tmp_path / "stream.log").read_text()):
        lines = [line for line in text.splitlines() if "GET /health" not in line]
        assert all(stamp.match(line) and len(stamp.findall(line)) == 1 for line in lines)
        links = re.findall(r"Stream request for: \S+-(\d+)\.mp4$", text, re.MULTILINE)
        assert sorted(map(int, links)) == list(range(300))


async def test_token_that_was_made_holds_for_all(tmp_path: Path) -> None:
    options = ("--workers", "3", "--host", "0.0.0.0")
    async with supervised(*options, folder=tmp_path) as server:
        token = server.announced.partition("token=")[2].strip()
        headers = {"Authorization": f"Bearer {token}"}
        statuses = set()
        for _ in range(20):
            url = f"http://{other_address()}:{server.proxy.port}/api/validate"
            async with server.proxy.client.get(url, headers=headers) as got:
                statuses.add(got.status)
    assert statuses == {400}  # not 401: there is no link in it


async def test_demo_is_served_by_each(tmp_path: Path) -> None:
    async with supervised("--workers", "2", "--demo", folder=tmp_path) as server:
        async with server.proxy.client.get(server.proxy.url("/")) as page:
            link = re.search(r"http://127\.0\.0\.1:\d+/sample\.mp4", await page.text())
        assert link is not None
        for worker in server.workers():
            os.kill(worker, signal.SIGSTOP)
            got = await server.proxy.stream(link[0], "4-11")
            assert await got.read() == b"ftypisom"
            os.kill(worker, signal.SIGCONT)
        server.process.terminate()
        await server.end()


async def test_mistake_at_the_start_ends_all(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match=r"^streamproxy: users_file: 'none': No such file") as told:
        async with supervised("--workers", "2", "--users-file", "none", folder=tmp_path):
            pass
    assert str(told.value).count("\n") == 1


async def test_health_command_tells_by_its_status(tmp_path: Path) -> None:
    async def ask(*arguments: str, **environment: str) -> int:
        status, _, _ = await run("health", *arguments, cwd=tmp_path, **environment)
        return status

    async with (
        raw_upstream(Halves()) as upstream,
        supervised("--shutdown-grace", "60", folder=tmp_path) as server,
    ):
        port = str(server.proxy.port)
        environment = {"STREAMPROXY_PORT": port, "STREAMPROXY_HOST": "0.0.0.0"}
        assert await ask(**environment, http_proxy="http://127.0.0.1:1") == 0
        assert await ask(f"http://127.0.0.1:{port}/") == 0
        # A connection that is kept: while it drains it takes no new ones.
        await begin(server.proxy, upstream.link())
        server.process.terminate()
        assert await starts_to_drain(server)
        assert await ask(f"http://127.0.0.1:{port}") == 1
        server.process.terminate()
        await server.end()
    assert await ask(f"http://127.0.0.1:{port}") == 1
    assert await ask("no address") == 1
    assert await ask(STREAMPROXY_PORT="x") == 2


async def test_stuck_worker_is_replaced(tmp_path: Path) -> None:
    async with supervised("--workers", "2", folder=tmp_path) as server:
        stuck = server.workers()[0]
        os.kill(stuck, signal.SIGSTOP)
        began = time.monotonic()

        async def is_gone() -> bool:
            return stuck not in server.workers()

        assert await eventually(is_gone, 120)
        assert time.monotonic() - began > 25
        assert await server.has_workers(2, without=[stuck])
        assert f"Worker {stuck} hangs" in server.errors
