"""A video that stands still is noticed, explained, and retried once from where it stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientConnectionResetError, web
from playwright.async_api import Request, Route, expect

from .conftest import served
from .viewer import Viewer

# Bytes: four seconds of the clip.
ENOUGH = 1_500_000
STALL_MS = 9_000
SLOW_CHECK_MS = 5_000
NOTE_WHAT_IS_SAID = """() => {
    const status = document.getElementById("status");
    window.said = [];
    const note = () => said.push(status.textContent);
    new MutationObserver(note).observe(status, { childList: true });
}"""


class Sleepy:
    """A site that falls asleep in the middle of a film, for the next *naps* requests.

    Once ``woken`` is set it sends the rest.
    """

    def __init__(self, clip: bytes) -> None:
        self._clip = clip
        self.woken = asyncio.Event()
        self.naps = 0
        self.refuses = False

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/film.mp4", self._film)
        app.on_shutdown.append(self._on_shutdown)
        return app

    async def _film(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            raise web.HTTPGone
        first_pos, stop = request.http_range.start or 0, request.http_range.stop
        part = self._clip[first_pos:stop]
        response = web.StreamResponse(status=206)
        response.content_type, response.content_length = "video/mp4", len(part)
        last_pos = first_pos + len(part) - 1
        response.headers["Content-Range"] = f"bytes {first_pos}-{last_pos}/{len(self._clip)}"
        await response.prepare(request)
        with suppress(ClientConnectionResetError):
            if self.naps and last_pos > ENOUGH:
                sent = max(ENOUGH - first_pos, 0)
                await response.write(part[:sent])
                self.naps -= 1
                await self.woken.wait()
                part = part[sent:]
            await response.write(part)
        return response

    async def _on_shutdown(self, _app: web.Application) -> None:
        self.woken.set()


@pytest_asyncio.fixture(loop_scope="session")
async def sleepy(media: Path) -> AsyncIterator[Sleepy]:
    yield Sleepy((media / "moov-first.mp4").read_bytes())


@pytest.fixture
def checks(viewer: Viewer) -> list[str]:
    """Collect the questions to /api/validate."""
    found: list[str] = []

    def note(request: Request) -> None:
        if "/api/validate" in request.url:
            found.append(request.url)

    viewer.page.on("request", note)
    return found


async def play_until_it_stalls(viewer: Viewer, origin: str) -> float:
    """Play until no more comes; the hands of the page's clock are ours from then on."""
    await viewer.page.clock.install()
    await viewer.watch(f"{origin}/film.mp4")
    await viewer.until("video.readyState < 3 && !video.seeking")
    return await viewer.position()


async def test_stall_is_asked_about_and_retried_where_it_stopped(
    viewer: Viewer, sleepy: Sleepy, checks: list[str]
) -> None:
    sleepy.naps = 1
    async with served(sleepy.app()) as origin:
        await viewer.visit()
        await viewer.page.evaluate(NOTE_WHAT_IS_SAID)
        await viewer.play(f"{origin}/film.mp4")
        await viewer.until("video.currentTime > 1 && video.readyState < 3")
        stopped = await viewer.position()
        await viewer.sees_it_play(beyond=stopped)  # by itself
        await expect(viewer.problem).to_be_hidden()
        assert len(checks) == 2
        said = await viewer.page.evaluate("said")
        assert "The video stands still. Asking the site why…" in said
        assert "Trying once more from here…" in said
        await viewer.page.goto("about:blank")


async def test_second_stall_at_the_same_place_is_said(
    viewer: Viewer, sleepy: Sleepy, checks: list[str]
) -> None:
    sleepy.naps = 1_000
    async with served(sleepy.app()) as origin:
        stopped = await play_until_it_stalls(viewer, origin)
        async with viewer.page.expect_request("**/stream?*"):
            await viewer.page.clock.fast_forward(STALL_MS)
        assert len(checks) == 2
        await viewer.until(f"video.currentTime > {stopped} - 1 && video.readyState < 3")
        await expect(viewer.problem).to_be_hidden()
        await viewer.page.clock.run_for(2_000)
        await viewer.page.clock.fast_forward(STALL_MS)
        await expect(viewer.problem.get_by_role("heading")).to_have_text("The video stands still")
        sleepy.naps = 0
        await viewer.page.get_by_role("button", name="Retry from here").click()
        await viewer.sees_it_play(beyond=stopped)
        await viewer.page.goto("about:blank")


async def test_what_the_site_says_to_it_is_shown(viewer: Viewer, sleepy: Sleepy) -> None:
    sleepy.naps = 1_000
    async with served(sleepy.app()) as origin:
        await play_until_it_stalls(viewer, origin)
        sleepy.refuses = True
        await viewer.page.clock.fast_forward(STALL_MS)
        await expect(viewer.problem.get_by_role("heading")).to_have_text("The file is gone")
        await expect(viewer.problem).to_contain_text(
            "Code: upstream_status · The site answered 410"
        )
        await viewer.page.goto("about:blank")


async def test_pause_is_no_stall(viewer: Viewer, sleepy: Sleepy, checks: list[str]) -> None:
    sleepy.naps = 1_000
    async with served(sleepy.app()) as origin:
        await play_until_it_stalls(viewer, origin)
        await viewer.video.evaluate("(video) => video.pause()")
        for _ in range(3):
            await viewer.page.clock.fast_forward(STALL_MS)
        assert len(checks) == 1
        await expect(viewer.problem).to_be_hidden()
        await viewer.page.goto("about:blank")


async def test_film_that_goes_on_during_the_question_is_not_said_to_be_checked(
    viewer: Viewer, sleepy: Sleepy
) -> None:
    asked: asyncio.Queue[Route] = asyncio.Queue()
    status = viewer.page.locator("#status")
    sleepy.naps = 1
    async with served(sleepy.app()) as origin:
        stopped = await play_until_it_stalls(viewer, origin)
        await viewer.page.route("**/api/validate?*", asked.put)
        await viewer.page.clock.fast_forward(STALL_MS)
        question = await asked.get()
        sleepy.woken.set()
        await viewer.sees_it_play(beyond=stopped)
        await viewer.page.clock.fast_forward(SLOW_CHECK_MS)
        await expect(status).to_have_text("Still checking: the site takes its time…")
        await question.continue_()
        await expect(viewer.title).to_be_visible()
        await expect(status).to_be_empty()
        await viewer.page.goto("about:blank")


async def test_focus_goes_to_the_player_and_from_there_to_the_problem(
    viewer: Viewer, sleepy: Sleepy
) -> None:
    asked: asyncio.Queue[Route] = asyncio.Queue()
    sleepy.naps = 1_000
    async with served(sleepy.app()) as origin:
        stopped = await play_until_it_stalls(viewer, origin)
        await expect(viewer.title).to_be_focused()
        await viewer.page.route("**/api/validate?*", asked.put)
        await viewer.page.clock.fast_forward(STALL_MS)
        question = await asked.get()
        await expect(viewer.title).to_be_hidden()
        await expect(viewer.video).to_be_focused()
        await question.continue_()
        await expect(viewer.title).to_be_visible()
        await viewer.until(f"video.currentTime > {stopped} - 1 && video.readyState < 3")
        await expect(viewer.video).to_be_focused()
        await viewer.page.clock.run_for(2_000)
        await viewer.page.clock.fast_forward(STALL_MS)
        await (await asked.get()).continue_()
        await expect(viewer.problem.get_by_role("heading")).to_be_focused()
        await viewer.page.goto("about:blank")
