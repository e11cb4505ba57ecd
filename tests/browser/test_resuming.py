"""The film goes on when the site does not: killed and restarted, or tired of a paused viewer."""

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import av
import pytest
from playwright.async_api import Page, Request, expect
from redis_servers import free_port

from .clips import SECONDS
from .viewer import Viewer

DOWN_S = 1.0
BLOCK = 64 * 1024
# 800 kB/s: twice what the clip needs, so that the site dies while it sends.
PACE_S = BLOCK / 800_000
LONG_TIMES = 4
# The sound of a clip is a little longer than its pictures.
TURN_S = SECONDS + 1
WAIT_S = 40


class MortalSite:
    """A site with one film, which dies, or hangs up when it is told to.

    :param deaths: the positions of the film at which it dies; it comes back after DOWN_S.
    :param pace_s: seconds for a block.
    """

    def __init__(self, film: Path, *, deaths: tuple[int, ...] = (), pace_s: float = 0) -> None:
        self.film = film.read_bytes()
        self.deaths = list(deaths)
        self.pace_s = pace_s
        self.resumed_at: list[int] = []
        self.has_died = asyncio.Event()
        self.port = free_port()  # which stays free while the site is dead
        self._server: asyncio.Server | None = None
        self._writers: set[StreamWriter] = set()
        self._reviving: asyncio.Task[None] | None = None

    @property
    def link(self) -> str:
        return f"http://127.0.0.1:{self.port}/film.mp4"

    async def live(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def die(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def hang_up(self) -> None:
        """Cut whoever is being served; who asks again is served at once."""
        self.pace_s = 0
        for writer in self._writers:
            writer.transport.abort()

    async def end(self) -> None:
        if self._reviving is not None:
            await self._reviving
        self.die()

    async def _revive(self) -> None:
        await asyncio.sleep(DOWN_S)
        await self.live()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not await self._answer(head.decode(), writer):
                    break
        self._writers.discard(writer)
        writer.close()

    async def _answer(self, head: str, writer: StreamWriter) -> bool:
        """Send what is asked; return whether the connection stays."""
        asked = re.search(r"\r\nRange: bytes=(\d+)-(\d*)", head)
        size = len(self.film)
        first_pos = int(asked[1]) if asked else 0
        last_pos = int(asked[2]) if asked and asked[2] else size - 1
        if "\r\nIf-Range: " in head:
            self.resumed_at.append(first_pos)
        fields = [
            f"HTTP/1.1 {'206 Partial Content' if asked else '200 OK'}",
            *(
                "Content-Type: video/mp4",
                'ETag: "v1"',
                f"Content-Length: {last_pos - first_pos + 1}",
            ),
        ]
        if asked:
            fields.append(f"Content-Range: bytes {first_pos}-{last_pos}/{size}")
        writer.write("\r\n".join([*fields, "\r\n"]).encode())
        for at in range(first_pos, last_pos + 1, BLOCK):
            if self.deaths and at >= self.deaths[0]:
                self.deaths.pop(0)
                self.die()
                self.has_died.set()
                self._reviving = asyncio.create_task(self._revive())
                return False
            writer.write(self.film[at : min(at + BLOCK, last_pos + 1)])
            await writer.drain()
            await asyncio.sleep(self.pace_s)
        return True


@asynccontextmanager
async def living(site: MortalSite) -> AsyncIterator[MortalSite]:
    await site.live()
    try:
        yield site
    finally:
        await site.end()


@pytest.fixture
def stream_requests(page: Page) -> list[str]:
    """Collect what the browser asks the proxy for: it must not notice that anything broke."""
    requests: list[str] = []

    def note(request: Request) -> None:
        if "/stream?" in request.url:
            requests.append(request.headers.get("range", ""))

    page.on("request", note)
    return requests


@pytest.fixture(scope="session")
def long_film(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film that neither a browser nor the buffers on the way take as a whole."""
    target = tmp_path_factory.mktemp("long") / "film.mp4"
    with av.open(target, "w", options={"movflags": "faststart"}) as long:
        outputs = None
        for turn in range(LONG_TIMES):
            with av.open(media / "moov-first.mp4") as clip:
                outputs = outputs or [long.add_stream_from_template(it) for it in clip.streams]
                for packet in clip.demux():
                    # The demuxer ends with an empty packet for each stream.
                    if packet.dts is None or packet.pts is None:
                        continue
                    shift = round(turn * TURN_S / packet.time_base)
                    packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
                    packet.stream = outputs[packet.stream.index]
                    long.mux(packet)
    return target


async def test_film_plays_to_its_end_though_the_site_dies_three_times(
    viewer: Viewer, media: Path, stream_requests: list[str]
) -> None:
    deaths = (2_000_000, 4_000_000, 6_000_000)
    site = MortalSite(media / "moov-first.mp4", deaths=deaths, pace_s=PACE_S)
    async with living(site):
        await viewer.visit()
        await viewer.play(site.link)
        await asyncio.wait_for(site.has_died.wait(), WAIT_S)
        asked = len(stream_requests)
        await viewer.until(f"video.currentTime > {SECONDS / 2}")
        # The site sends faster than the film plays: it has died for the last time, or will soon.
        await viewer.video.evaluate("(video) => { video.playbackRate = 4 }")
        await viewer.until("video.ended")
        assert await viewer.about_video("error") is None
        assert await viewer.position() == pytest.approx(SECONDS, abs=0.5)
        await expect(viewer.problem).to_be_hidden()
        assert site.deaths == []
        assert len(site.resumed_at) == len(deaths)
        assert len(stream_requests) == asked


async def test_paused_film_goes_on_after_the_site_hung_up(
    viewer: Viewer, long_film: Path, stream_requests: list[str]
) -> None:
    async with living(MortalSite(long_film, pace_s=PACE_S)) as site:
        await viewer.watch(site.link)
        await viewer.page.keyboard.press("k")
        await viewer.until("video.paused")
        asked, resumed = len(stream_requests), len(site.resumed_at)
        site.hang_up()
        paused_at = await viewer.position()
        # What is buffered on the way would last for long at the usual pace.
        await viewer.video.evaluate("(video) => { video.playbackRate = 8 }")
        await viewer.page.keyboard.press("k")
        await viewer.sees_it_play(beyond=paused_at)
        await viewer.until("video.ended")
        assert await viewer.about_video("error") is None
        assert await viewer.position() == pytest.approx(LONG_TIMES * TURN_S, abs=2)
        await expect(viewer.problem).to_be_hidden()
        assert len(site.resumed_at) > resumed
        assert len(stream_requests) == asked
