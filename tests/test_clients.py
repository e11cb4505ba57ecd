"""Programs that people really use, against real files, through a real server."""

import asyncio
import os
import re
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest
from aiohttp import web
from proxies import Proxy
from subprocesses import process

SAMPLE = Path(__file__).parents[1] / "static" / "sample.mp4"
SECONDS = 60


async def run(program: str, *arguments: str) -> str:
    """Run a program to its end and return what it printed; skip where it is missing."""
    path = shutil.which(program)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing")
        pytest.skip(f"{program} is not installed")
    async with process(path, *arguments, stdout=PIPE, stderr=STDOUT) as running:
        out, _ = await asyncio.wait_for(running.communicate(), 60)
    assert running.returncode == 0, out.decode()
    return out.decode()


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sample, its index first and last."""
    folder = tmp_path_factory.mktemp("films")
    shutil.copy(SAMPLE, folder / "first.mp4")
    with av.open(SAMPLE) as source, av.open(folder / "last.mp4", "w") as target:
        streams = {
            stream.index: target.add_stream_from_template(stream) for stream in source.streams
        }
        for packet in source.demux():
            if packet.dts is not None:  # the demuxer ends with an empty packet a stream
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    assert (folder / "last.mp4").read_bytes().index(b"moov") > 100_000
    return folder


@pytest.fixture
async def site(films: Path) -> AsyncIterator[str]:
    """Serve the films; return the origin."""
    app = web.Application()
    app.router.add_static("/", films)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    yield f"http://127.0.0.1:{server.port}"
    await runner.cleanup()


@pytest.mark.parametrize("name", ["first.mp4", "last.mp4"])
class TestFilms:
    async def test_ffprobe_reads_the_length(self, proxy: Proxy, site: str, name: str) -> None:
        url = proxy.url("/stream", f"{site}/{name}")
        arguments = ("-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", url)
        assert abs(float(await run("ffprobe", *arguments)) - SECONDS) < 0.5

    async def test_mpv_plays_from_the_middle(self, proxy: Proxy, site: str, name: str) -> None:
        url = proxy.url("/stream", f"{site}/{name}")
        arguments = ("--no-config", "--vo=null", "--ao=null", "--untimed", "--start=30")
        out = await run("mpv", *arguments, "--end=33", "--term-status-msg=at=${=time-pos}", url)
        positions = [float(position) for position in re.findall(r"at=([0-9.]+)", out)]
        assert min(positions) > 28
        assert max(positions) > 32

    async def test_curl_resumes(
        self, proxy: Proxy, site: str, name: str, films: Path, tmp_path: Path
    ) -> None:
        url, target = proxy.url("/stream", f"{site}/{name}"), tmp_path / name
        content = (films / name).read_bytes()
        target.write_bytes(content[:123_456])
        await run("curl", "-fsS", "-C", "-", "-o", str(target), url)
        assert target.read_bytes() == content


async def test_aria2_downloads_with_eight_connections(
    proxy: Proxy, site: str, films: Path, tmp_path: Path
) -> None:
    content = os.urandom(24 * 2**20)
    (films / "long.mp4").write_bytes(content)
    url = proxy.url("/stream", f"{site}/long.mp4")
    arguments = ("-q", "-x", "8", "-s", "8", "-k", "1M", "-d", str(tmp_path), "-o", "long.mp4")
    await run("aria2c", *arguments, url)
    assert (tmp_path / "long.mp4").read_bytes() == content
