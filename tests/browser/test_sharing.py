"""What plays is shared: its page, with or without the time."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from .upstream import Upstream
from .viewer import Viewer

SAID_MS = 3000
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
# What a phone has: a sheet to which a page hands a link. It stands for that sheet alone.
SHEET = """navigator.share = async (what) => { window.handed = what; };
const { matchMedia: real } = window;
window.matchMedia = (query) => query === "(pointer: coarse)" ? { matches: true } : real(query)"""


async def plays(viewer: Viewer, link: str) -> None:
    """Let the link play up to a position, and pause."""
    await viewer.open_at(link, "12")
    await viewer.sees_it_play(beyond=12)
    await viewer.page.keyboard.press("k")
    await viewer.until("video.paused")


def asks(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query)


async def test_link_to_what_plays_is_copied(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    clock, link = viewer.page.clock, upstream.link("/clips/vp8.webm?a=1&b=%2F+x")
    await clock.install()
    await plays(viewer, link)
    await clock.pause_at(time.time() + 60)  # what is said for a moment stays until it is seen
    await viewer.button("Copy link").click()
    await expect(viewer.button("Link copied")).to_be_visible()
    copied = await viewer.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(viewer.address)
    assert asks(copied) == {"url": [link]}
    await expect(viewer.page.get_by_label("Link to this page")).to_be_hidden()
    await clock.fast_forward(SAID_MS)
    await expect(viewer.button("Copy link")).to_be_visible()

    position = int(await viewer.position())
    await viewer.page.get_by_label(f"at 0:{position}").check()
    await viewer.button("Copy link").click()
    await expect(viewer.button("Link copied")).to_be_visible()
    copied = await viewer.page.evaluate("navigator.clipboard.readText()")
    assert asks(copied) == {"url": [link], "t": [str(position)]}

    await clock.resume()
    await viewer.page.goto(copied)
    await viewer.start_if_asked()
    await viewer.sees_it_play(beyond=position)


async def test_link_is_shown_where_there_is_no_clipboard(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.page.add_init_script(NO_CLIPBOARD)
    link = upstream.link("/clips/vp8.webm")
    await plays(viewer, link)
    await viewer.button("Copy link").click()
    field = viewer.page.get_by_label("Link to this page with the video")
    await expect(field).to_be_focused()
    await expect(field).not_to_be_editable()
    assert asks(await field.input_value()) == {"url": [link]}
    assert await viewer.page.evaluate("getSelection().toString()") == await field.input_value()


async def test_link_is_handed_on_by_a_phone(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.page.add_init_script(SHEET)
    await plays(viewer, upstream.link("/clips/vp8.webm"))
    await viewer.button("Share link").click()
    await viewer.until("window.handed")
    handed = await viewer.page.evaluate("window.handed")
    assert handed["title"].startswith("vp8.webm")
    assert asks(handed["url"]) == {"url": [upstream.link("/clips/vp8.webm")]}


@pytest.mark.parametrize("error", ["AbortError", "NotAllowedError"])
async def test_link_that_was_not_handed_on_is_shown_unless_canceled(
    viewer: Viewer, upstream: Upstream, error: str
) -> None:
    refusal = f"navigator.share = async () => {{ throw new DOMException('no', '{error}'); }}"
    await viewer.page.add_init_script(f"{SHEET};{refusal}")
    await plays(viewer, upstream.link("/clips/vp8.webm"))
    await viewer.button("Share link").click()
    field = viewer.page.get_by_label("Link to this page with the video")
    await expect(field).to_be_visible(visible=error != "AbortError")


async def test_time_is_not_offered_where_it_would_be_left_out(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.watch(upstream.link("/unmeasured/vp8.webm"))
    await expect(viewer.button("Copy link")).to_be_visible()
    await expect(viewer.page.locator("#share-time")).to_be_hidden()
