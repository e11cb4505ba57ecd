"""The page can be installed, says so where its server is out of reach, and keeps nobody's data."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright, expect

import streamproxy

from .conftest import CHROMIUM_FLAGS, opened_context, served
from .gates import Gate, guarded, neighbouring
from .upstream import Upstream
from .viewer import WAIT_MS, Viewer

TOKEN = "the-right-token"
FROM_ANOTHER_SITE = "Another site filled in this link. Nothing is fetched until you press Play."
# Until the worker of the page that is open is at work, which it is from the next page on.
READY = "navigator.serviceWorker.ready.then((registration) => registration.scope)"
KEPT = """async () => {
    const kept = {};
    for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const { url } of await cache.keys()) {
            kept[url] = await (await cache.match(url)).text();
        }
    }
    return kept;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Open a page in a browser that may say that there is no connection."""
    expected = "ERR_(INTERNET_DISCONNECTED|CONNECTION_REFUSED)|status of (401|404|415)"
    async with opened_context(browser, [], expected=expected) as context:
        yield await context.new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def gate() -> AsyncIterator[Gate]:
    async with guarded() as gate:
        yield gate


async def install(page: Page, address: str) -> None:
    """Visit the page and wait for its worker."""
    await page.goto(address)
    assert await page.evaluate(READY) == address


async def sees_that_it_is_offline(page: Page) -> None:
    await expect(page.get_by_role("heading")).to_have_text("You are offline")
    # With its style: the button is as tall as a finger needs it.
    box = await page.get_by_role("link", name="Try again").bounding_box()
    assert box is not None
    assert box["height"] >= 44


async def test_browser_finds_nothing_that_keeps_the_page_from_being_installed(
    chromium: str, gate: Gate, tmp_path: Path
) -> None:
    async with async_playwright() as playwright:
        # In the fresh profile of other tests nothing can be installed.
        context = await playwright.chromium.launch_persistent_context(
            tmp_path, executable_path=chromium, args=[*CHROMIUM_FLAGS]
        )
        page = context.pages[0]
        await page.goto(gate.address)
        session = await context.new_cdp_session(page)
        found = await session.send("Page.getInstallabilityErrors")
        manifest = await session.send("Page.getAppManifest")
        await context.close()
    assert found["installabilityErrors"] == []
    assert manifest["errors"] == []
    assert manifest["manifest"]["startUrl"] == gate.address
    assert manifest["manifest"]["scope"] == gate.address


async def test_without_a_connection_the_page_says_so_and_goes_on_with_one(
    page: Page, gate: Gate, upstream: Upstream
) -> None:
    viewer = Viewer(page, gate.address)
    await install(page, gate.address)
    await viewer.open_at(upstream.link("/clips/vp8.webm"), "5")
    await viewer.sees_it_play(beyond=5)
    await page.context.set_offline(True)
    await page.reload()
    await sees_that_it_is_offline(page)
    await page.context.set_offline(False)
    await page.get_by_role("link", name="Try again").click()
    await viewer.start_if_asked()
    await viewer.sees_it_play(beyond=5)


async def test_server_that_is_gone_is_said_too(page: Page) -> None:
    async with guarded() as gate:
        await install(page, gate.address)
    await page.reload()
    await sees_that_it_is_offline(page)


async def test_worker_answers_for_nothing_but_the_page(
    page: Page, gate: Gate, upstream: Upstream
) -> None:
    await install(page, gate.address)
    passed: list[str] = []
    page.on("response", lambda got: passed.append(got.url) if got.from_service_worker else None)
    viewer = Viewer(page, gate.address)
    link = upstream.link("/clips/moov-first.mp4")
    await viewer.open_at(link, "10")
    await viewer.sees_it_play(beyond=10)
    assert await page.evaluate("navigator.serviceWorker.controller !== null")
    kept = ("/static/css/base.css", "/static/icon.svg")
    own = [url for url in passed if not url.endswith(kept)]
    assert [url.partition("?")[0] for url in own] == [gate.address]


async def test_film_that_is_opened_directly_is_asked_for_once(
    page: Page, gate: Gate, upstream: Upstream
) -> None:
    await install(page, gate.address)
    await page.goto(gate.route("stream", upstream.link("/page.html")))
    assert [answer.status for answer in gate.answers() if answer.path == "/stream"] == [415]


async def test_server_hears_from_where_a_link_led_to_the_page_all_the_same(
    page: Page, gate: Gate, upstream: Upstream
) -> None:
    await install(page, gate.address)
    async with neighbouring(page.context) as neighbour:
        await page.goto(f"{neighbour.elsewhere}/empty")
        address = gate.route("", upstream.link("/clips/vp8.webm"))
        await page.evaluate("(address) => { location = address; }", address)
        await expect(page.get_by_text(FROM_ANOTHER_SITE)).to_be_visible()
        assert await page.evaluate("navigator.serviceWorker.controller !== null")
    assert upstream.first_positions == []


async def test_nothing_of_anybody_is_kept(page: Page, upstream: Upstream) -> None:
    async with guarded(access_token=TOKEN) as gate:
        viewer = Viewer(page, gate.address)
        await viewer.visit(token=TOKEN)
        await page.evaluate(READY)
        await viewer.visit(url=upstream.link("/clips/vp8.webm"))
        await expect(viewer.title).to_be_visible()
        kept = await page.evaluate(KEPT)
        paths = {url.removeprefix(gate.address) for url in kept}
        assert paths == {"offline", "static/css/base.css", "static/icon.svg"}
        assert not any("owner" in text or upstream.origin in text for text in kept.values())
        await viewer.button("Sign out").click()
        await expect(page.get_by_label("Token")).to_be_visible()


async def test_what_an_older_version_kept_is_dropped(page: Page, gate: Gate) -> None:
    # That page has no script, and so no worker yet.
    await page.goto(f"{gate.address}offline")
    await page.evaluate(
        "Promise.all(['/ 0.0.1', '/video/ 0.0.1'].map((name) => caches.open(name)))"
    )
    await install(page, gate.address)
    name = f"/ {streamproxy.__version__}"
    await page.evaluate(
        """async () => { while ((await caches.keys()).includes("/ 0.0.1")) {
            await new Promise((resolve) => setTimeout(resolve, 50)); } }"""
    )
    assert sorted(await page.evaluate("caches.keys()")) == sorted([name, "/video/ 0.0.1"])


async def test_page_under_a_prefix_is_installed_there(page: Page) -> None:
    settings = streamproxy.Settings(allow_network=(ip_network("127.0.0.0/8"),))
    parent = web.Application()
    parent.add_subapp("/video/", streamproxy.create_app(settings))
    async with served(parent) as origin:
        await install(page, f"{origin}/video/")
        session = await page.context.new_cdp_session(page)
        manifest: dict[str, Any] = await session.send("Page.getAppManifest")
        assert manifest["manifest"]["startUrl"] == f"{origin}/video/"
        await page.context.set_offline(True)
        await page.reload()
        await sees_that_it_is_offline(page)


async def test_browser_in_which_no_worker_may_run_plays_all_the_same(
    browser: Browser, gate: Gate, upstream: Upstream
) -> None:
    context = await browser.new_context(locale="en-GB", service_workers="block")
    context.set_default_timeout(WAIT_MS)
    try:
        viewer = Viewer(await context.new_page(), gate.address)
        await viewer.watch(upstream.link("/clips/vp8.webm"))
    finally:
        await context.close()


@pytest.mark.parametrize("language", ["en", "de"])
async def test_offline_page_is_in_the_language_of_the_reader(
    browser: Browser, gate: Gate, language: str
) -> None:
    async with opened_context(browser, [], locale=language) as context:
        page = await context.new_page()
        await install(page, gate.address)
        await page.context.set_offline(True)
        await page.reload()
        heading = {"en": "You are offline", "de": "Keine Verbindung"}[language]
        await expect(page.get_by_role("heading")).to_have_text(heading)
