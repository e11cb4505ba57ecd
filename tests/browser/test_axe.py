"""axe finds no violation, on any state of the page, in any of its looks."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Route, ViewportSize, expect

from .conftest import opened_context
from .gates import guarded
from .upstream import Upstream
from .viewer import Viewer

WINDOWS = (ViewportSize(width=320, height=640), ViewportSize(width=1440, height=900))
CLIP = "/clips/vp8.webm"

Steps = Callable[[Viewer, Upstream], Awaitable[None]]


async def first(viewer: Viewer, _upstream: Upstream) -> None:
    await viewer.visit()


async def checking(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    await viewer.play(upstream.link("/slow/film.mp4"))
    await expect(viewer.button("Cancel")).to_be_visible()


async def playing(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link(CLIP))
    # Paused: its controls stay, and the picture is that of all looks.
    await viewer.video.evaluate("(video) => video.pause()")
    await expect(viewer.page.locator("#bar")).to_be_visible()


async def settings(viewer: Viewer, upstream: Upstream) -> None:
    await playing(viewer, upstream)
    await viewer.page.locator("#settings").click()
    await expect(viewer.page.locator("#menu")).to_be_visible()


async def statistics(viewer: Viewer, upstream: Upstream) -> None:
    await settings(viewer, upstream)
    await viewer.page.locator("#statistics").click()
    await expect(viewer.page.locator("#stats")).to_be_visible()


async def shortcuts(viewer: Viewer, upstream: Upstream) -> None:
    await settings(viewer, upstream)
    await viewer.page.locator("#help").click()
    await expect(viewer.page.get_by_role("dialog")).to_be_visible()


async def subtitles(viewer: Viewer, upstream: Upstream) -> None:
    await playing(viewer, upstream)
    await viewer.page.locator("#captions").click()
    await expect(viewer.page.locator("#subtitles")).to_be_visible()


async def locked(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/unmeasured/vp8.webm"))


async def resuming(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.open_at(upstream.link(CLIP), "14")
    await viewer.sees_it_play(beyond=14)
    await viewer.video.evaluate("(video) => video.pause()")
    await viewer.visit(url=upstream.link(CLIP))
    await expect(viewer.page.locator("#resume")).to_be_visible()


async def problem(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    await viewer.play(upstream.link("/page.html"))
    await expect(viewer.problem).to_be_visible()


async def unplayable(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    await viewer.play(upstream.link("/broken.mp4"))
    await expect(viewer.page.locator("#download")).to_be_visible()


async def recent(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    for number in range(7):  # from six on they can be searched
        await viewer.play(upstream.link(f"{CLIP}?{number}"))
        await expect(viewer.title).to_be_visible()
        await expect(viewer.recent).to_have_count(number + 1)
    await viewer.visit()


async def removed(viewer: Viewer, upstream: Upstream) -> None:
    await recent(viewer, upstream)
    await viewer.page.locator(".row-remove").first.click()
    await expect(viewer.button("Undo")).to_be_visible()


async def dropping(viewer: Viewer, _upstream: Upstream) -> None:
    await viewer.visit()
    await viewer.page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.setData("text/plain", "https://example.com/film.mp4");
            const drag = { dataTransfer, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent("dragenter", drag));
            // Again and again, as browsers do: else the sign is gone when axe looks.
            setInterval(() => document.body.dispatchEvent(new DragEvent("dragover", drag)), 50);
        }"""
    )
    await expect(viewer.page.locator("#drop")).to_be_visible()


async def offline(viewer: Viewer, _upstream: Upstream) -> None:
    await viewer.page.goto(f"{viewer.address}offline")


STATES: dict[str, Steps] = {
    steps.__name__: steps
    for steps in (
        *(first, checking, playing, settings, statistics, shortcuts, subtitles, locked, resuming),
        *(problem, unplayable, recent, removed, dropping, offline),
    )
}


async def sees_no_violation(page: Page) -> None:
    """Let axe look at the page as it is now, light and dark, narrow and wide."""
    found = []
    for window in WINDOWS:
        await page.set_viewport_size(window)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            results = await Axe().run(page)
            found += [
                f"{scheme}, {window['width']} px: {violation['id']}: {node['html']}: "
                f"{node['failureSummary']}"
                for violation in results.response["violations"]
                for node in violation["nodes"]
            ]
    assert found == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Open a page without movement: what fades has no colour that could be judged."""
    async with opened_context(browser, [], expected="status of 401") as context:
        page = await context.new_page()
        await page.emulate_media(reduced_motion="reduce")
        yield page


@pytest.mark.parametrize("state", STATES)
async def test_no_violation(page: Page, proxy: str, upstream: Upstream, state: str) -> None:
    await STATES[state](Viewer(page, proxy), upstream)
    await sees_no_violation(page)


async def test_no_violation_where_people_sign_in(page: Page) -> None:
    async with guarded(access_token="the-right-token", readers=page.context) as gate:
        await page.goto(gate.address)
        await sees_no_violation(page)
        await page.goto(f"{gate.address}?token=the-wrong-token")
        await expect(page.get_by_role("alert")).to_be_visible()
        await sees_no_violation(page)


async def test_no_violation_in_what_other_sites_filled_in(page: Page, upstream: Upstream) -> None:
    async with guarded(readers=page.context) as gate:
        await page.goto(gate.address)
        address = gate.route("", upstream.link(CLIP)).replace("127.0.0.1", "localhost", 1)
        await page.evaluate("(address) => { location = address; }", address)
        await expect(page.get_by_text("Another site filled in")).to_be_visible()
        await sees_no_violation(page)


async def test_no_violation_without_javascript(page: Page, upstream: Upstream) -> None:
    async def unwrapped(route: Route) -> None:
        """Show what stands in for the scripts, and run none: axe is a script itself."""
        answer = await route.fetch()
        text = re.sub(r"</?noscript>|<script .*?</script>", "", await answer.text())
        await route.fulfill(response=answer, body=text)

    async with guarded(readers=page.context) as gate:
        address = gate.route("", upstream.link(CLIP))
        await page.route(address, unwrapped)
        await page.goto(address)
        await expect(page.locator(".plain video")).to_be_visible()
        await sees_no_violation(page)


async def test_no_violation_in_what_the_owner_sees(page: Page, upstream: Upstream) -> None:
    async with guarded(readers=page.context) as gate, ClientSession() as client:
        address = gate.route("stream", upstream.link("/paced/moov-first.mp4"))
        async with client.get(address):
            await page.goto(f"{gate.address}admin")
            await expect(page.get_by_role("row")).to_have_count(2)
            await sees_no_violation(page)
