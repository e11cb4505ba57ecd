"""Without JavaScript the page is a form that plays a link, and nothing on it is dead."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from urllib.parse import quote

import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, expect

import streamproxy

from .conftest import served
from .gates import Gate, guarded, neighbouring
from .upstream import Upstream
from .viewer import WAIT_MS


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Open a page in a browser that runs no scripts."""
    context = await browser.new_context(java_script_enabled=False, locale="en-GB")
    context.set_default_timeout(WAIT_MS)
    yield await context.new_page()
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def gate() -> AsyncIterator[Gate]:
    async with guarded() as gate:
        yield gate


async def submit(page: Page, link: str) -> None:
    await page.get_by_label("Link to a video").fill(link)
    async with page.expect_navigation():
        await page.get_by_role("button", name="Play").click()


async def sees_it_play(page: Page, *, beyond: float = 0) -> None:
    """Wait until a second beyond a position has been played."""
    video = page.locator("noscript video")
    # Properties can be read, but no event is heard where scripts are off.
    await video.evaluate("(video) => { video.muted = true; video.play(); }")
    async with asyncio.timeout(WAIT_MS / 1000):
        while await video.evaluate("(video) => video.currentTime") <= beyond + 1:  # noqa: ASYNC110  # a film tells nothing of itself here
            await asyncio.sleep(0.05)


async def test_form_plays_the_link(page: Page, gate: Gate, upstream: Upstream) -> None:
    link = upstream.link("/clips/vp8.webm?a=1&b=%2F+<x>\"'")
    await page.goto(gate.address)
    await submit(page, link)
    await expect(page.get_by_label("Link to a video")).to_have_value(link)
    await sees_it_play(page)
    source = await page.locator("noscript video").get_attribute("src")
    assert source == f"stream?url={quote(link, safe='')}"
    assert (await page.locator("noscript a").get_attribute("href") or "").endswith("&download=1")


async def test_time_in_the_address_is_where_it_starts(
    page: Page, gate: Gate, upstream: Upstream
) -> None:
    await page.goto(gate.route("", upstream.link("/clips/vp8.webm")) + "&t=0:10")
    await sees_it_play(page, beyond=10)


async def test_form_plays_under_a_prefix(page: Page, upstream: Upstream) -> None:
    settings = streamproxy.Settings(allow_network=(ip_network("127.0.0.0/8"),))
    parent = web.Application()
    parent.add_subapp("/video/", streamproxy.create_app(settings))
    async with served(parent) as origin:
        await page.goto(f"{origin}/video/")
        await submit(page, upstream.link("/clips/vp8.webm"))
        assert page.url.startswith(f"{origin}/video/?url=")
        await sees_it_play(page)


async def test_link_that_another_site_filled_in_waits_for_the_person(
    page: Page, gate: Gate, upstream: Upstream
) -> None:
    link = upstream.link("/clips/vp8.webm")
    async with neighbouring(page.context) as neighbour:
        address = gate.route("", link)
        await page.goto(f"{neighbour.elsewhere}/empty")
        await page.evaluate("(address) => { location = address; }", address)
        await expect(page.get_by_label("Link to a video")).to_have_value(link)
        await expect(page.locator("noscript video")).to_have_count(0)
        await expect(page.locator("noscript p").first).to_contain_text("Another site filled in")
        assert upstream.first_positions == []
        async with page.expect_navigation():
            await page.get_by_role("button", name="Play").click()
        await sees_it_play(page)


async def test_what_is_no_link_is_said_by_the_browser(page: Page, gate: Gate) -> None:
    await page.goto(gate.address)
    await page.get_by_label("Link to a video").fill("film")
    await page.get_by_role("button", name="Play").click()
    # No answer can be awaited: the form is not sent.
    assert await page.locator("#link:invalid").count() == 1
    assert page.url == gate.address


async def test_nothing_that_needs_a_script_is_seen(
    page: Page, gate: Gate, upstream: Upstream
) -> None:
    await page.goto(gate.route("", upstream.link("/clips/vp8.webm")))
    names = [await button.inner_text() for button in await page.get_by_role("button").all()]
    assert names == ["Play"]
    await expect(page.get_by_role("region")).to_have_count(0)
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.locator("noscript video")).to_be_visible()
