"""A link is pasted, it plays, and the person moves in it."""

import re

import pytest
from playwright.async_api import expect

from .clips import HEIGHT, SECONDS, WIDTH
from .upstream import Upstream
from .viewer import Viewer

CLIPS = ("moov-first.mp4", "moov-last.mp4", "vp8.webm", "vp9.webm")
MIDDLE = SECONDS / 2

SAY_WHEN_START_IS_OFFERED = """addEventListener("DOMContentLoaded", () => {
    const start = document.getElementById("start");
    const look = () => { if (!start.hidden) console.info("start is offered"); };
    new MutationObserver(look).observe(start, { attributeFilter: ["hidden"] });
})"""


@pytest.mark.parametrize("clip", CLIPS)
async def test_pasted_link_plays(viewer: Viewer, upstream: Upstream, clip: str) -> None:
    await viewer.watch(upstream.link(f"/clips/{clip}"))
    assert await viewer.about_video("videoWidth") == WIDTH
    assert await viewer.about_video("videoHeight") == HEIGHT
    assert await viewer.about_video("duration") == pytest.approx(SECONDS, abs=0.5)
    await expect(viewer.title).to_have_text(clip)
    await expect(viewer.page).to_have_title(re.compile(f"^{clip} . streamproxy$"))


@pytest.mark.parametrize("clip", CLIPS)
async def test_seeks_to_the_middle(viewer: Viewer, upstream: Upstream, clip: str) -> None:
    await viewer.visit()
    await viewer.play(upstream.link(f"/clips/{clip}"))
    await viewer.until("video.readyState >= 1")
    await viewer.video.evaluate("(video, position) => { video.currentTime = position }", MIDDLE)
    await viewer.sees_it_play(beyond=MIDDLE)
    # The film runs on meanwhile; elsewhere would be near its start or its end.
    assert MIDDLE - 2 < await viewer.position() < MIDDLE + 8


async def test_seeking_asks_the_site_for_a_later_range(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.open_at(upstream.link("/clips/moov-last.mp4"), "15")
    await viewer.sees_it_play(beyond=15)
    assert max(upstream.first_positions) > 1_000_000


async def test_facts_about_the_link_are_shown(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    await viewer.play(upstream.link("/clips/moov-last.mp4"))
    await expect(viewer.title).to_be_visible()
    facts = await viewer.page.locator("#facts div").all_inner_texts()
    host = upstream.origin.removeprefix("http://")
    assert [re.sub(r"\s+", " ", fact) for fact in facts] == [
        "Type MP4",
        "Size 7.8 MB",
        "Seeking Can be sought",
        f"From {host}",
    ]
    await expect(viewer.page.get_by_text("keeps its index at the end")).to_be_visible()


async def test_index_in_front_needs_no_note(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    await viewer.play(upstream.link("/clips/moov-first.mp4"))
    await expect(viewer.title).to_be_visible()
    await expect(viewer.page.get_by_text("keeps its index at the end")).to_be_hidden()


async def test_link_that_cannot_be_sought_plays_from_the_start(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.open_at(upstream.link("/unmeasured/vp8.webm"), "10")
    await viewer.sees_it_play()
    assert await viewer.position() < MIDDLE
    facts = viewer.page.locator("#facts")
    await expect(facts).to_contain_text("Plays from the start only")
    await expect(facts).to_contain_text("Unknown")
    await expect(viewer.page.get_by_text("so the time asked for was left out")).to_be_visible()
    # Written down: it is at its start for a moment only.
    await viewer.video.evaluate(
        """(video) => {
            video.lowest = video.currentTime;
            const note = () => { video.lowest = Math.min(video.lowest, video.currentTime); };
            for (const type of ["emptied", "seeking", "playing", "timeupdate"]) {
                video.addEventListener(type, note);
            }
        }"""
    )
    await viewer.button("Start over").click()
    await viewer.until("video.lowest < 1")
    await viewer.sees_it_play()


@pytest.mark.parametrize("written", ["10", "10s", "0m10s", "0:10"])
async def test_address_opens_a_link_at_a_time(
    viewer: Viewer, upstream: Upstream, written: str
) -> None:
    link = upstream.link("/clips/moov-first.mp4?a=1&b=%2F+x")
    await viewer.open_at(link, written)
    await viewer.sees_it_play(beyond=10)
    assert 9 < await viewer.position() < 19
    await expect(viewer.field).to_have_value(link)


async def test_time_beyond_the_end_plays_from_the_start(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.open_at(upstream.link("/clips/vp8.webm"), "1h")
    await viewer.sees_it_play()
    assert await viewer.position() < MIDDLE


async def test_address_plays_by_itself_where_the_browser_lets_it(
    trusting_viewer: Viewer, upstream: Upstream
) -> None:
    await trusting_viewer.visit(url=upstream.link("/clips/moov-first.mp4"), t="10")
    await trusting_viewer.sees_it_play(beyond=10)
    await expect(trusting_viewer.start).to_be_hidden()


async def test_refused_autoplay_waits_for_the_person(viewer: Viewer, upstream: Upstream) -> None:
    # What Playwright evaluates counts as a touch of the page: here the page has to tell by itself.
    await viewer.page.add_init_script(SAY_WHEN_START_IS_OFFERED)
    async with viewer.page.expect_console_message(lambda said: said.text == "start is offered"):
        await viewer.visit(url=upstream.link("/clips/moov-first.mp4"), t="10")
    await expect(viewer.page.get_by_text("Ready. Press Play to start.")).to_be_visible()
    await viewer.until("video.paused && video.currentTime === 10")
    await viewer.start.click()
    await viewer.sees_it_play(beyond=10)
    await expect(viewer.start).to_be_hidden()


async def test_keyboard_alone_is_enough(viewer: Viewer, upstream: Upstream) -> None:
    keyboard = viewer.page.keyboard
    await viewer.visit()
    await keyboard.press("Tab")
    await expect(viewer.field).to_be_focused()
    await keyboard.type(upstream.link("/clips/moov-first.mp4"))
    await keyboard.press("Enter")
    await viewer.sees_it_play()
    await keyboard.press("Space")
    await viewer.until("video.paused")
    await keyboard.press("k")
    await viewer.until("!video.paused")
    await keyboard.press("Shift+Tab")
    await expect(viewer.page.locator("#full")).to_be_focused()
    outline = await viewer.page.locator("#full").evaluate(
        "(it) => getComputedStyle(it).outlineStyle"
    )
    assert outline == "solid"


async def test_address_bar_shares_what_plays(viewer: Viewer, upstream: Upstream) -> None:
    first, second = upstream.link("/clips/vp8.webm?x=1&y=2"), upstream.link("/clips/moov-first.mp4")
    await viewer.visit()
    await viewer.play(first)
    await expect(viewer.title).to_have_text("vp8.webm")
    await viewer.play(second)
    await expect(viewer.title).to_have_text("moov-first.mp4")

    await viewer.page.go_back()
    await expect(viewer.title).to_have_text("vp8.webm")
    await expect(viewer.field).to_have_value(first)
    await viewer.page.go_back()
    await expect(viewer.title).to_be_hidden()
    await expect(viewer.field).to_have_value("")
    await viewer.page.go_forward()
    await viewer.page.go_forward()
    await expect(viewer.title).to_have_text("moov-first.mp4")
    await viewer.sees_it_play()
    await viewer.page.reload()
    await viewer.start_if_asked()
    await viewer.sees_it_play()
    await expect(viewer.field).to_have_value(second)


async def test_same_link_again_is_one_step_in_the_history(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.open_at(upstream.link("/clips/vp8.webm"), "10")
    await viewer.sees_it_play(beyond=10)
    steps = await viewer.page.evaluate("history.length")
    await viewer.button("Play").click()
    await viewer.button("Start over").click()
    await viewer.until("!video.paused && video.currentTime < 5")
    assert "t=10" not in viewer.page.url
    assert await viewer.page.evaluate("history.length") == steps


async def test_new_link_replaces_one_that_is_still_checked(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.visit()
    async with viewer.page.expect_event("requestfailed") as canceled:
        await viewer.play(upstream.link("/slow/film.mp4"))
        await expect(
            viewer.page.get_by_text(re.compile(r"checking", re.IGNORECASE))
        ).to_be_visible()
        await viewer.play(upstream.link("/clips/moov-first.mp4"))
    assert "slow" in (await canceled.value).url
    await viewer.sees_it_play()
    await expect(viewer.title).to_have_text("moov-first.mp4")


async def test_check_can_be_canceled(viewer: Viewer, upstream: Upstream) -> None:
    link = upstream.link("/slow/film.mp4")
    await viewer.visit()
    await viewer.play(link)
    await viewer.button("Cancel").click()
    await expect(viewer.page.get_by_text("Canceled.")).to_be_visible()
    await expect(viewer.field).to_be_focused()
    await expect(viewer.field).to_have_value(link)


async def test_link_pasted_beside_the_field_lands_in_it(viewer: Viewer) -> None:
    await viewer.visit()
    await viewer.page.evaluate(
        """() => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", " https://example.com/film.mp4\\n");
            document.body.dispatchEvent(
                new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }),
            );
        }"""
    )
    await expect(viewer.field).to_have_value("https://example.com/film.mp4")
    await expect(viewer.field).to_be_focused()
