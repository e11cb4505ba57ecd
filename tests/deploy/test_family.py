"""Several processes answer as one for what runs in them, and for what they have counted."""

import json
import os
import signal
import stat
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError
from halves import HALF, Halves, begin
from prometheus_client.parser import text_string_to_metric_families
from servers import Server, eventually, gunicorn, supervised
from upstreams import CONTENT, Honest, raw_upstream

from streamproxy.family import family_folder, found_family, gathered
from streamproxy.relay.peers import Peers

PROCESSES = 3
STREAMS = 8
# What a process logs of another one that does not answer it within a second.
LEFT_OUT = "does not say what runs there"


@pytest.fixture(params=["program", "gunicorn", "gunicorn --preload"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    """Start three processes."""
    if request.param != "program":
        starting = gunicorn("-w", str(PROCESSES), *request.param.split()[1:], folder=tmp_path)
    else:
        starting = supervised("--workers", str(PROCESSES), folder=tmp_path)
    async with starting as server:
        assert await eventually(lambda: all_answer(server))
        yield server
        server.process.terminate()
        await server.end()


async def ask(server: Server, path: str = "", method: str = "GET") -> tuple[int, dict[str, Any]]:
    url = server.proxy.url(f"/api/sessions{path}")
    async with server.proxy.client.request(method, url) as got:
        return got.status, {} if got.status == 204 else json.loads(await got.read())


async def number_that_answers(server: Server) -> int:
    status, answer = await ask(server)
    assert status == 200
    return int(answer["processes"])


async def all_answer(server: Server) -> bool:
    return len(server.workers()) == await number_that_answers(server) == PROCESSES


async def ask_all(
    server: Server, path: str = "", method: str = "GET", *, status: int = 200
) -> dict[str, Any]:
    """Ask, and again where the log says that a process was too busy to be heard."""
    while True:
        left_out = server.errors.count(LEFT_OUT)
        got, answer = await ask(server, path, method)
        if got == status and answer.get("processes", PROCESSES) == PROCESSES:
            return answer

        async def says_so(before: int = left_out) -> bool:
            return server.errors.count(LEFT_OUT) > before

        assert await eventually(says_so, 5), (got, answer)


async def test_each_process_tells_the_streams_of_all(server: Server) -> None:
    halves = Halves()
    async with raw_upstream(halves) as upstream:
        streams = [await begin(server.proxy, upstream.link()) for _ in range(STREAMS)]
        ids = {got.headers["X-Request-Id"] for got in streams}
        for _ in range(2 * PROCESSES):  # whichever answers
            answer = await ask_all(server)
            assert (answer["streams"], answer["processes"]) == (STREAMS, PROCESSES)
            assert {one["id"] for one in answer["sessions"]} == ids
        for got in streams:
            one = await ask_all(server, f"/{got.headers['X-Request-Id']}")
            assert one["host"] == "127.0.0.1"

        *others, ended = streams
        await ask_all(server, f"/{ended.headers['X-Request-Id']}", "DELETE", status=204)
        with pytest.raises(ClientError):
            await ended.read()
        halves.go_on.set()
        assert [await got.read() for got in others] == [CONTENT[HALF:]] * len(others)


async def test_process_that_hangs_or_is_killed_is_left_out(server: Server) -> None:
    hanging = server.workers()[0]
    os.kill(hanging, signal.SIGSTOP)

    async def is_left_out() -> bool:
        return await number_that_answers(server) == PROCESSES - 1

    assert await eventually(is_left_out)
    os.kill(hanging, signal.SIGKILL)
    assert await server.has_workers(PROCESSES, without=[hanging])

    assert await eventually(lambda: all_answer(server))


@pytest.mark.parametrize("server", ["program", "gunicorn"], indirect=True)
async def test_each_process_counts_for_all(server: Server) -> None:
    async with raw_upstream(Honest()) as upstream:
        for _ in range(STREAMS):
            assert await (await server.proxy.stream(upstream.link())).read() == CONTENT

    async def all_are_counted() -> bool:
        async with server.proxy.client.get(server.proxy.url("/metrics")) as got:
            families = text_string_to_metric_families(await got.text())
            found = {
                sample.labels["code"]: sample.value
                for family in families
                for sample in family.samples
                if sample.name == "streamproxy_requests_total"
                and sample.labels["route"] == "stream"
            }
            return found == {"200": STREAMS}

    assert await eventually(all_are_counted)


class TestFolder:
    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # so that it is as before afterwards
        monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
        return tmp_path

    def test_is_our_users_alone_and_goes_at_the_end(self) -> None:
        with gathered():
            folder = family_folder(os.getpid())
            assert folder is not None
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(folder)
        assert not folder.exists()
        assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ

    def test_one_that_others_could_have_filled_is_not_believed(
        self, elsewhere: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Attack: who knows the process id makes the folder first, and lies about streams."""
        folder = elsewhere / f"streamproxy-{os.geteuid()}-{os.getpid()}"
        folder.mkdir()
        folder.chmod(0o777)
        found_family(os.getpid())
        assert family_folder(os.getpid()) is None
        assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ
        assert "not ours alone" in caplog.text

    def test_link_to_somewhere_else_is_not_followed(self, elsewhere: Path) -> None:
        (elsewhere / "target").mkdir(mode=0o700)
        (elsewhere / f"streamproxy-{os.geteuid()}-{os.getpid()}").symlink_to(elsewhere / "target")
        found_family(os.getpid())
        assert family_folder(os.getpid()) is None

    def test_what_killed_parents_left_is_removed(self, elsewhere: Path) -> None:
        left = elsewhere / f"streamproxy-{os.geteuid()}-4194305"  # above the largest process id
        left.mkdir()
        other = elsewhere / f"streamproxy-{os.geteuid()}-notes"
        other.mkdir()
        found_family(os.getpid())
        assert not left.exists()
        assert other.exists()

    def test_folder_that_cannot_be_made_is_said(
        self, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(elsewhere / "missing"))
        found_family(os.getpid())
        assert family_folder(os.getpid()) is None
        assert "each worker knows its own streams alone" in caplog.text

    async def test_path_too_long_for_a_socket_is_said_and_stops_nothing(
        self, elsewhere: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = elsewhere / ("long" * 30)
        folder.mkdir()
        peers = Peers(folder, lambda question: question)
        assert not await peers.open()
        await peers.close()
        assert "each worker knows its own streams alone" in caplog.text
