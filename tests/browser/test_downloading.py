"""Downloads: with progress into a file of one's choice, through cuts, and never a wrong byte."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientConnectionResetError, web
from playwright.async_api import Page, expect

from .conftest import served
from .gates import guarded
from .upstream import Upstream
from .viewer import Viewer

SIZE = 3_000_000
CONTENT = random.Random(1).randbytes(SIZE)  # noqa: S311 - a file, no secret
OTHER = random.Random(2).randbytes(SIZE + 1000)  # noqa: S311
# The dialog of the browser cannot be clicked by a test; the file that it gives is real.
PICKER = """window.showSaveFilePicker = async ({ suggestedName }) => {
    const folder = await navigator.storage.getDirectory();
    return folder.getFileHandle(suggestedName, { create: true });
}"""
NO_PICKER = "delete window.showSaveFilePicker"
REFUSED_PICKER = "window.showSaveFilePicker = async () => { throw new DOMException('', '%s'); }"
READ = """async (name) => {
    const folder = await navigator.storage.getDirectory();
    const file = await folder.getFileHandle(name).then((it) => it.getFile(), () => null);
    return file && Array.from(new Uint8Array(await file.arrayBuffer()), (byte) =>
        String.fromCharCode(byte)).join("");
}"""

UNTIL_GONE = """async () => {
    const folder = await navigator.storage.getDirectory();
    while ((await Array.fromAsync(folder.keys())).length > 0);
}"""


@dataclass
class Site:
    """A site with one file, and what it does when it is asked for it.

    :param cuts: how many of the next answers break off in the middle.
    :param pace_s: seconds for 50 kB where it is paced.
    :param asked: the Range and If-Range of each request for more than a look.
    """

    content: bytes = CONTENT
    fields: dict[str, str] = field(default_factory=lambda: {"ETag": '"v1"'})
    cuts: int = 0
    paced: bool = False
    pace_s: float = 0.05
    on_cut: Callable[[], None] = lambda: None
    status: int = 200
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)
    link: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.status != 200:
            raise web.HTTPForbidden
        asked = request.headers.get("Range"), request.headers.get("If-Range")
        self.asked.append(asked)
        first = request.http_range.start or 0
        last = min(request.http_range.stop or len(self.content), len(self.content)) - 1
        is_part = asked[0] is not None and asked[1] in (None, self.fields.get("ETag"))
        response = web.StreamResponse(status=206 if is_part else 200, headers=self.fields)
        if is_part:
            response.headers["Content-Range"] = f"bytes {first}-{last}/{len(self.content)}"
        else:
            first, last = 0, len(self.content) - 1
        response.content_type = "video/mp4"
        response.content_length = last + 1 - first
        with suppress(ClientConnectionResetError):
            await response.prepare(request)
            await self._send(request, response, self.content[first : last + 1])
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse, body: bytes) -> None:
        is_cut = self.cuts > 0 and len(body) > SIZE // 4
        end = len(body) // 2 if is_cut else len(body)
        for at in range(0, end, 50_000):
            await response.write(body[at : min(at + 50_000, end)])
            if self.paced:
                await asyncio.sleep(self.pace_s)
        if is_cut:
            self.cuts -= 1
            self.paced = self.cuts > 0  # what is cut no more need not take long
            self.on_cut()
            assert request.transport is not None
            request.transport.close()


@asynccontextmanager
async def downloading(page: Page, site: Site, picker: str = PICKER) -> AsyncIterator[Viewer]:
    """Open the link of *site* with a proxy that does not resume by itself."""
    app = web.Application()
    app.router.add_get("/film.mp4", site.answer)
    async with served(app) as origin, guarded(resume_attempts=0, retry_attempts=0) as gate:
        site.link = f"{origin}/film.mp4"
        await page.add_init_script(picker)
        viewer = Viewer(page, gate.address)
        await viewer.visit()
        await viewer.play(site.link)
        yield viewer
        await page.close()


async def saved(page: Page, name: str = "film.mp4") -> bytes | None:
    """Return what is in a file that was picked; None: there is no such file."""
    text = await page.evaluate(READ, name)
    return None if text is None else text.encode("latin-1")


async def start(viewer: Viewer, site: Site, *, cuts: int = 0, paced: bool = False) -> None:
    """Press the Download of the panel: what this site has is no real film."""
    await expect(viewer.problem).to_contain_text("This browser cannot play the video")
    site.asked.clear()
    site.cuts, site.paced = cuts, paced
    await viewer.page.get_by_role("link", name="Download").click()


async def is_done(viewer: Viewer, size: str = "3 MB") -> None:
    await expect(viewer.page.get_by_text(f"Saved: {size}.")).to_be_visible()


async def test_file_is_saved_whole(page: Page) -> None:
    async with downloading(page, site := Site()) as viewer:
        await start(viewer, site)
        await is_done(viewer)
        assert await saved(page) == CONTENT
        assert len(site.asked) == 1
        await viewer.button("Close").click()
        await expect(page.get_by_text("Saved: 3 MB.")).to_be_hidden()
        assert await saved(page) == CONTENT


async def test_film_that_plays_is_saved_too(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.page.add_init_script(PICKER)
    await viewer.watch(upstream.link("/clips/vp8.webm"))
    await viewer.page.get_by_role("link", name="Download").click()
    await expect(viewer.page.get_by_text("Saved: ")).to_be_visible()
    clip = await viewer.page.request.get(upstream.link("/clips/vp8.webm"))
    assert await saved(viewer.page, "vp8.webm") == await clip.body()
    assert not await viewer.about_video("paused")


async def test_progress_is_shown(page: Page) -> None:
    async with downloading(page, site := Site(pace_s=0.1)) as viewer:
        await start(viewer, site, paced=True)
        bar = page.get_by_role("progressbar", name="film.mp4")
        shown = bar.locator("xpath=following-sibling::p").first
        await expect(shown).to_have_text(
            re.compile(r"^[\d.]+ [kM]B of 3 MB · [\d.,]+ [kM]B/s · 0:0\d left$")
        )
        await viewer.until("document.querySelector('progress').value > 0.3")
        assert await bar.evaluate("(bar) => bar.value / bar.max") < 1
        site.paced = False
        await is_done(viewer)
        await expect(bar).to_be_hidden()


async def test_cut_download_goes_on_where_it_stopped(page: Page, complaints: list[str]) -> None:
    async with downloading(page, site := Site()) as viewer:
        await start(viewer, site, cuts=2, paced=True)
        await is_done(viewer)
        assert await saved(page) == CONTENT
        (first, _), *rest = site.asked
        assert first is None
        assert len(rest) == 2
        for asked, version in rest:
            assert int((asked or "")[len("bytes=") : -1]) > SIZE // 4
            assert version == '"v1"'
    complaints.clear()


async def test_cut_download_without_a_version_starts_over(
    page: Page, complaints: list[str]
) -> None:
    async with downloading(page, site := Site(fields={})) as viewer:
        await start(viewer, site, cuts=1, paced=True)
        await is_done(viewer)
        assert await saved(page) == CONTENT
        assert site.asked == [(None, None)] * 2
    complaints.clear()


async def test_weak_validator_is_no_version(page: Page, complaints: list[str]) -> None:
    async with downloading(page, site := Site(fields={"ETag": 'W/"v1"'})) as viewer:
        await start(viewer, site, cuts=1, paced=True)
        await is_done(viewer)
        assert await saved(page) == CONTENT
        assert site.asked == [(None, None)] * 2
    complaints.clear()


async def test_file_that_changed_meanwhile_starts_over(page: Page, complaints: list[str]) -> None:
    site = Site()

    def change() -> None:
        site.content, site.fields = OTHER, {"ETag": '"v2"'}

    site.on_cut = change
    async with downloading(page, site) as viewer:
        await start(viewer, site, cuts=1, paced=True)
        await is_done(viewer)
        assert await saved(page) == OTHER
        assert site.asked[1][1] == '"v1"'
    complaints.clear()


async def test_download_that_gave_up_goes_on_when_told(page: Page, complaints: list[str]) -> None:
    site = Site()
    site.on_cut = lambda: setattr(site, "status", 403)
    async with downloading(page, site) as viewer:
        await start(viewer, site, cuts=1, paced=True)
        why = "The download stopped. The site answered with status 403 instead of the file."
        await expect(page.get_by_text(why)).to_be_visible()
        assert await saved(page) == b""
        site.status = 200
        await page.locator("#downloads").get_by_role("button", name="Try again").click()
        await is_done(viewer)
        assert await saved(page) == CONTENT
        assert int((site.asked[-1][0] or "")[len("bytes=") : -1]) > SIZE // 4
    complaints.clear()


async def test_canceled_download_leaves_no_file(page: Page) -> None:
    async with downloading(page, site := Site(pace_s=0.2)) as viewer:
        await start(viewer, site, paced=True)
        await expect(page.get_by_text(" left")).to_be_visible()
        await page.locator("#downloads").get_by_role("button", name="Cancel").click()
        await expect(page.get_by_text("Canceled.")).to_be_visible()
        await viewer.button("Close").click()
        await viewer.until("document.getElementById('downloads').children.length === 0")
        await page.evaluate(UNTIL_GONE)


async def test_file_that_was_there_stays_until_the_new_one_is_whole(page: Page) -> None:
    async with downloading(page, site := Site(pace_s=0.2)) as viewer:
        await start(viewer, site)
        await is_done(viewer)
        await viewer.button("Close").click()
        site.content = OTHER
        await start(viewer, site, paced=True)
        await expect(page.get_by_text(" left")).to_be_visible()
        await page.locator("#downloads").get_by_role("button", name="Cancel").click()
        await viewer.button("Close").click()
        assert await saved(page) == CONTENT


@pytest.mark.parametrize(
    "picker", [NO_PICKER, REFUSED_PICKER % "SecurityError"], ids=["no-picker", "refused"]
)
async def test_browser_downloads_by_itself_where_pages_may_not(page: Page, picker: str) -> None:
    async with downloading(page, site := Site(), picker) as viewer:
        async with page.expect_download() as download:
            await start(viewer, site)
        got = await download.value
        assert got.suggested_filename == "film.mp4"
        assert "&download=1" in got.url
        assert (await got.path()).read_bytes() == CONTENT


async def test_dialog_that_is_closed_downloads_nothing(page: Page) -> None:
    async with downloading(page, site := Site(), REFUSED_PICKER % "AbortError") as viewer:
        await start(viewer, site)
        await viewer.until("document.activeElement.id === 'download'")
        await expect(page.locator("#downloads li")).to_have_count(0)
        assert site.asked == []
