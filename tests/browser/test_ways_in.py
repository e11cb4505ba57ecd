"""How the page is reached: by its names, from other sites, and in their frames."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from .attacks import script_of
from .conftest import launched, opened_context
from .gates import Gate, guarded, neighbouring
from .upstream import Upstream
from .viewer import Viewer

REBOUND = "rebound.example"
FROM_ANOTHER_SITE = "Another site filled in this link. Nothing is fetched until you press Play."

_FOLLOW = """(address) => {
    const anchor = document.createElement("a");
    anchor.href = address;
    document.body.append(anchor);
    anchor.click();
}"""
_FRAME = """(address) => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.onload = () => resolve();
    frame.src = address;
    document.body.append(frame);
})"""


@pytest.mark.parametrize(
    ("host", "name"),
    [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "localhost"), ("::1", "[::1]")],
)
async def test_page_is_known_by_the_names_of_loopback(
    page: Page, upstream: Upstream, host: str, name: str
) -> None:
    async with guarded(host, readers=page.context) as gate:
        port = gate.address.rpartition(":")[2]
        viewer = Viewer(page, f"http://{name}:{port}")
        await viewer.watch(upstream.link("/clips/vp8.webm"))


@asynccontextmanager
async def rebound_page(chromium: str) -> AsyncIterator[Page]:
    """Open a page in a browser to which a foreign name is that of this machine."""
    flags = (
        f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
        # Chromium has a defence of its own, which other browsers lack.
        "--disable-features=LocalNetworkAccessChecks",
    )
    async with (
        launched(chromium, *flags) as browser,
        opened_context(browser, [], expected="status of 421") as context,
    ):
        yield await context.new_page()


async def test_name_that_was_made_to_lead_here_gets_nothing(
    chromium: str, upstream: Upstream
) -> None:
    link = upstream.link("/clips/vp8.webm")
    async with guarded() as gate, rebound_page(chromium) as page:
        answer = await page.goto(gate.route("", link).replace("127.0.0.1", REBOUND, 1))
        assert answer is not None
        assert answer.status == 421
        assert (await answer.json())["code"] == "misdirected_request"
        assert await page.locator("script").count() == 0

        # What came of that name before it led here is of one origin with what comes now.
        before = gate.address.replace("127.0.0.1", REBOUND, 1) + "before"
        await page.route(before, lambda route: route.fulfill(content_type="text/html", body="."))
        await page.goto(before)
        read = "async (address) => (await (await fetch(address)).json()).code"
        address = gate.route("stream", link).replace("127.0.0.1", REBOUND, 1)
        assert await page.evaluate(read, address) == "misdirected_request"
        assert {answer.status for answer in gate.answers()} == {421}
        assert upstream.first_positions == []


async def test_name_that_the_owner_gives_is_known(chromium: str, upstream: Upstream) -> None:
    async with guarded(server_name=REBOUND) as gate, rebound_page(chromium) as page:
        viewer = Viewer(page, gate.address.replace("127.0.0.1", REBOUND, 1))
        await viewer.watch(upstream.link("/clips/vp8.webm"))


def asked(gate: Gate) -> list[str]:
    """Return what was asked for about links."""
    return [answer.path for answer in gate.answers("url=") if answer.path != "/"]


@pytest.mark.parametrize("whose", ["another site", "another port"])
async def test_link_on_another_site_only_fills_in_the_link(
    page: Page, upstream: Upstream, whose: str
) -> None:
    link = upstream.link("/clips/moov-first.mp4")
    async with guarded(readers=page.context) as gate, neighbouring(page.context) as neighbour:
        site = neighbour.elsewhere if whose == "another site" else neighbour.origin
        viewer = Viewer(page, gate.address)
        await page.goto(f"{site}/empty")
        async with page.expect_navigation(url=f"{gate.address}**"):
            await page.evaluate(_FOLLOW, f"{gate.route('', link)}&t=10")
        await expect(page.get_by_text(FROM_ANOTHER_SITE)).to_be_visible()
        await expect(viewer.field).to_have_value(link)
        assert asked(gate) == []
        assert upstream.first_positions == []

        await viewer.button("Play").click()
        await viewer.sees_it_play(beyond=10)
        await expect(page.get_by_text(FROM_ANOTHER_SITE)).to_be_hidden()


async def test_page_that_was_fetched_ahead_waits_too(page: Page, upstream: Upstream) -> None:
    async with guarded(readers=page.context) as gate, neighbouring(page.context) as neighbour:
        address = gate.route("", upstream.link("/clips/vp8.webm"))
        await page.goto(f"{neighbour.elsewhere}/empty")
        await page.evaluate(script_of("speculative_prefetch"), [address, neighbour.elsewhere])
        await gate.wait_for_answer("url=")
        async with page.expect_navigation(url=f"{gate.address}**"):
            await page.evaluate(_FOLLOW, address)
        await expect(page.get_by_text(FROM_ANOTHER_SITE)).to_be_visible()
        assert asked(gate) == []
        assert upstream.first_positions == []


async def test_address_that_is_typed_plays_at_once(page: Page, upstream: Upstream) -> None:
    link = upstream.link("/clips/vp8.webm")
    async with guarded(readers=page.context) as gate:
        viewer = Viewer(page, gate.address)
        await viewer.open_at(link, "5")
        await viewer.sees_it_play(beyond=5)
        await expect(page.get_by_text(FROM_ANOTHER_SITE)).to_be_hidden()


async def test_site_that_keeps_a_hold_of_the_window_cannot_press_play(
    page: Page, upstream: Upstream
) -> None:
    async with guarded(readers=page.context) as gate, neighbouring(page.context) as neighbour:
        address = gate.route("", upstream.link("/clips/vp8.webm"))
        await page.goto(f"{neighbour.elsewhere}/empty")
        async with page.context.expect_page() as opened:
            await page.evaluate("(address) => { held = open(address); }", address)
        window = await opened.value
        await expect(window.get_by_text(FROM_ANOTHER_SITE)).to_be_visible()
        # An address that differs by its fragment is gone to without a new page.
        await page.evaluate("(address) => { held.location = `${address}#again`; }", address)
        await window.wait_for_url("**#again")
        await window.go_back()
        await expect(window.get_by_text(FROM_ANOTHER_SITE)).to_be_visible()
        assert asked(gate) == []
        assert upstream.first_positions == []


@pytest.mark.parametrize(("named", "is_shown"), [("", False), ("other", False), ("this", True)])
async def test_page_is_framed_by_whom_the_owner_names(
    browser: Browser, upstream: Upstream, named: str, is_shown: bool
) -> None:
    refusals = r"frame-ancestors|status of 403"
    async with opened_context(browser, [], expected=refusals) as context:
        await sees_a_frame(context, upstream, named, is_shown=is_shown)


async def sees_a_frame(
    context: BrowserContext, upstream: Upstream, named: str, *, is_shown: bool
) -> None:
    page = await context.new_page()
    async with neighbouring(context) as neighbour:
        ancestor = {"this": neighbour.elsewhere, "other": neighbour.origin}.get(named, "")
        async with guarded(readers=context, frame_ancestor=ancestor) as gate:
            await page.goto(f"{neighbour.elsewhere}/empty")
            await page.evaluate(_FRAME, gate.route("", upstream.link("/clips/vp8.webm")))
            frame = page.frame_locator("iframe")
            await expect(frame.get_by_label("Link to a video")).to_have_count(int(is_shown))
            if is_shown:
                await frame.get_by_role("button", name="Play").click()
                await expect(frame.locator("#title")).to_have_text("vp8.webm")
            else:
                assert asked(gate) == []
                assert upstream.first_positions == []
