"""The page fits its window, follows the system's colours and can be read."""

import re

import pytest
from playwright.async_api import Browser, ViewportSize, expect

from .conftest import WINDOW, opened_context
from .upstream import Upstream
from .viewer import Viewer

NARROW = ViewportSize(width=320, height=640)
VIEWS = ("empty", "checking", "playing", "problem")

# WCAG 2.2, success criterion 1.4.3, for each text that is seen and stands on a plain colour.
FAINT_TEXTS = """() => {
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = (color) => {
        const linear = channels(color).slice(0, 3).map((value) => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const background = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if ((channels(color)[3] ?? 1) > 0.5) return color;
        }
        return "rgb(255, 255, 255)";
    };
    const faint = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
        const pair = [getComputedStyle(element).color, background(element)].map(luminance);
        const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        if (contrast < 4.5) faint.push(`${texts.currentNode.data.trim()}: ${contrast.toFixed(2)}`);
    }
    return faint;
}"""


async def show(viewer: Viewer, upstream: Upstream, view: str) -> None:
    """Bring the page into one of its views, with a link among the recent ones."""
    await viewer.visit()
    await viewer.play(upstream.link(f"/clips/vp8.webm?{'long' * 50}"))
    await expect(viewer.title).to_be_visible()
    if view == "empty":
        await viewer.visit()
    elif view == "checking":
        await viewer.play(upstream.link("/slow/film.mp4"))
        await expect(viewer.button("Cancel")).to_be_visible()
    elif view == "playing":
        await viewer.sees_it_play()
    else:
        await viewer.play(upstream.link("/page.html"))
        await expect(viewer.problem).to_be_visible()


@pytest.mark.parametrize("view", VIEWS)
async def test_narrow_window_needs_no_sideways_scrolling(
    viewer: Viewer, upstream: Upstream, view: str
) -> None:
    await viewer.page.set_viewport_size(NARROW)
    await show(viewer, upstream, view)
    width = await viewer.page.evaluate("document.documentElement.scrollWidth")
    assert width <= NARROW["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
async def test_every_text_stands_out(
    viewer: Viewer, upstream: Upstream, view: str, scheme: str
) -> None:
    await viewer.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await show(viewer, upstream, view)
    assert await viewer.page.evaluate(FAINT_TEXTS) == []


async def test_colours_follow_the_system(viewer: Viewer) -> None:
    await viewer.visit()
    await viewer.page.emulate_media(color_scheme="light")
    light = await viewer.page.screenshot()
    await viewer.page.emulate_media(color_scheme="dark")
    assert await viewer.page.screenshot() != light


async def test_video_stays_within_the_window(viewer: Viewer, upstream: Upstream) -> None:
    await show(viewer, upstream, "playing")
    for width, height in ((320, 640), (640, 320), (1280, 720), (3840, 2160)):
        await viewer.page.set_viewport_size({"width": width, "height": height})
        box = await viewer.video.bounding_box()
        assert box is not None
        assert box["width"] <= width
        assert box["height"] <= height


async def test_targets_are_large_enough_for_a_finger(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.page.set_viewport_size(NARROW)
    await show(viewer, upstream, "playing")
    for button in await viewer.page.get_by_role("button").all():
        box = await button.bounding_box()
        assert box is not None
        # In the bar they stand side by side, and each is named: WCAG 2.2, 2.5.8.
        least = 24 if await button.evaluate("(it) => it.closest('#bar') !== null") else 44
        assert min(box["width"], box["height"]) >= least


async def test_every_control_has_a_name(viewer: Viewer, upstream: Upstream) -> None:
    await show(viewer, upstream, "playing")
    unnamed = await viewer.page.evaluate(
        """() => [...document.querySelectorAll("button, input, video, [role=group]")]
            .filter((it) => !(it.ariaLabel || it.innerText?.trim() || it.labels?.length))
            .filter((it) => it.checkVisibility())
            .map((it) => it.outerHTML)"""
    )
    assert unnamed == []


@pytest.mark.parametrize("view", VIEWS)
async def test_page_turns_round_for_who_reads_from_right_to_left(
    viewer: Viewer, upstream: Upstream, view: str
) -> None:
    await viewer.page.add_init_script(
        "addEventListener('DOMContentLoaded', () => { document.documentElement.dir = 'rtl'; })"
    )
    await show(viewer, upstream, view)
    for width in (320, 1440):
        await viewer.page.set_viewport_size({"width": width, "height": 800})
        # To the left of a page that reads so, too, is what has to be scrolled to.
        sides = await viewer.page.evaluate(
            """() => [...document.querySelectorAll("body *")]
                .filter((it) => it.checkVisibility() && !it.closest("svg, .open-row, .hero"))
                .map((it) => it.getBoundingClientRect())
                .filter((box) => box.width > 1 && (box.left < -1 || box.right > innerWidth + 1))
                .length"""
        )
        assert sides == 0
        assert await viewer.page.evaluate("document.documentElement.scrollWidth") <= width
        brand = await viewer.page.locator(".brand img").bounding_box()
        assert brand is not None
        assert brand["x"] > width / 2


@pytest.mark.parametrize("view", VIEWS)
async def test_print_shows_no_controls_and_fits_its_paper(
    viewer: Viewer, upstream: Upstream, view: str
) -> None:
    await show(viewer, upstream, view)
    await viewer.page.emulate_media(media="print")
    for control in await viewer.page.locator("button, input, video, .button").all():
        await expect(control).to_be_hidden()
    assert await viewer.page.evaluate("document.documentElement.scrollWidth") <= WINDOW["width"]
    await expect(viewer.page.get_by_role("heading").last).to_be_visible()


async def test_page_speaks_the_language_of_the_browser(
    browser: Browser, proxy: str, upstream: Upstream
) -> None:
    async with opened_context(browser, [], locale="de-DE") as context:
        page = await context.new_page()
        await page.goto(proxy)
        await expect(page.locator("html")).to_have_attribute("lang", "de")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Link einfügen. Läuft.")
        await page.get_by_label("Link zu einem Video").fill(upstream.link("/page.html"))
        await page.locator("#play").click()
        await expect(page.locator("#problem-title")).to_have_text("Dieser Link ist kein Video")
        await page.get_by_label("Link zu einem Video").fill(upstream.link("/clips/vp8.webm"))
        await page.locator("#play").click()
        # Numbers, too, are those of that language.
        await expect(page.locator("#facts")).to_contain_text(re.compile(r"\d,\d MB"))
