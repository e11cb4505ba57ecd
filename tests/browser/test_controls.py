"""The page's own controls: what they show, what they do, when they rest, what is remembered."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, expect

from .clips import SECONDS
from .upstream import Upstream
from .viewer import Viewer

Act = Callable[[], Awaitable[None]]

# How long the controls stay awake.
REST_MS = 3000
MIDDLE = SECONDS / 2


async def pause(viewer: Viewer) -> None:
    await viewer.video.evaluate("(video) => video.pause()")
    await viewer.until("video.paused && !video.seeking")


def control(viewer: Viewer, name: str) -> Locator:
    return viewer.page.locator("#bar").get_by_role("button", name=name)


async def box_of(it: Locator) -> Any:
    box = await it.bounding_box()
    assert box is not None
    return box


async def wake(viewer: Viewer) -> None:
    """Move the pointer over the picture, as nobody can who has a finger only."""
    box = await box_of(viewer.video)
    await viewer.page.mouse.move(box["x"] + 30, box["y"] + 30)
    await viewer.page.mouse.move(box["x"] + 40, box["y"] + 40)


KEPT = "JSON.parse(localStorage.getItem('streamproxy.preferences'))"
RESTS = "document.getElementById('screen').classList.contains('is-resting')"


async def test_own_controls_take_the_place_of_the_browsers(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    assert await viewer.about_video("controls") is False
    await wake(viewer)
    await control(viewer, "Pause").click()
    await viewer.until("video.paused")
    await control(viewer, "Play").click()
    await viewer.until("!video.paused")
    await expect(control(viewer, "Pause")).to_be_visible()


async def test_without_javascript_the_browsers_controls_stay(browser: Browser, proxy: str) -> None:
    context = await browser.new_context(java_script_enabled=False)
    try:
        page = await context.new_page()
        await page.goto(proxy)
        assert await page.locator("#video").get_attribute("controls") == ""
        await expect(page.locator("#bar")).to_be_hidden()
    finally:
        await context.close()


async def test_seek_bar_moves_by_pointer(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await wake(viewer)
    box = await box_of(viewer.page.locator("#seek"))
    await viewer.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await viewer.sees_it_play(beyond=MIDDLE - 1)
    # The film runs on meanwhile; elsewhere would be near its start or its end.
    assert MIDDLE - 2 < await viewer.position() < MIDDLE + 8


async def test_dragging_the_seek_bar_asks_for_nothing_on_the_way(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await pause(viewer)
    box = await box_of(viewer.page.locator("#seek"))
    y = box["y"] + box["height"] / 2
    await viewer.video.evaluate(
        "(video) => { video.seeks = 0; video.addEventListener('seeking', () => video.seeks++) }"
    )
    await viewer.page.mouse.move(box["x"] + box["width"] / 10, y)
    await viewer.page.mouse.down()
    for tenth in (3, 5, 7):
        await viewer.page.mouse.move(box["x"] + box["width"] * tenth / 10, y)
    await expect(viewer.page.locator("#now")).to_have_text("0:14")
    assert await viewer.about_video("seeks") == 0
    await viewer.page.mouse.up()
    await viewer.until(
        "video.seeks === 1 && !video.seeking && Math.abs(video.currentTime - 14) < 1"
    )


async def test_seek_bar_moves_by_keyboard(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await pause(viewer)
    start = await viewer.position()
    seek = viewer.page.get_by_role("slider", name="Position")
    await seek.focus()
    await viewer.page.keyboard.press("ArrowRight")
    assert await viewer.position() == pytest.approx(start + 5, abs=0.1)
    await viewer.page.keyboard.press("ArrowUp")
    assert start + 5 < await viewer.position() < start + 7
    await viewer.page.keyboard.press("Home")
    await viewer.until("video.currentTime === 0")
    await expect(seek).to_have_attribute("aria-valuetext", "0:00 of 0:20")


async def test_time_under_the_pointer_is_shown(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await pause(viewer)
    await expect(viewer.page.locator("#tip")).to_be_hidden()
    box = await box_of(viewer.page.locator("#seek"))
    await viewer.page.mouse.move(box["x"] + box["width"] * 0.76, box["y"] + 10)
    await expect(viewer.page.locator("#tip")).to_have_text("0:15")
    await viewer.page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 100)
    await expect(viewer.page.locator("#tip")).to_be_hidden()


async def test_buffered_part_is_shown(viewer: Viewer, upstream: Upstream) -> None:
    upstream.pace_s *= 2
    await viewer.watch(upstream.link("/paced/moov-first.mp4"))
    shown = r"""(() => {
        const { backgroundImage } = document.getElementById("track").style;
        const [, end] = /var\(--held\) [\d.]+% ([\d.]+)%/.exec(backgroundImage);
        return Math.abs(end - 100 * video.buffered.end(0) / video.duration) < 2;
    })()"""
    await viewer.until(f"video.buffered.end(0) < video.duration - 5 && {shown}")
    upstream.pace_s = 0
    await viewer.until(f"video.buffered.end(0) > video.duration - 1 && {shown}")


async def test_bar_of_a_link_that_cannot_be_sought_is_locked_with_a_reason(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.watch(upstream.link("/unmeasured/vp8.webm"))
    await pause(viewer)
    await expect(viewer.page.locator("#seek")).to_be_disabled()
    await expect(viewer.page.locator("#locked")).to_contain_text("Plays from the start only")
    before = await viewer.position()
    await viewer.page.keyboard.press("l")
    await viewer.was_shown("Plays from the start only")
    assert await viewer.position() == before
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await viewer.sees_it_play()
    await expect(viewer.page.locator("#locked")).to_be_hidden()
    await expect(viewer.page.locator("#seek")).to_be_enabled()


async def test_clock_shows_position_and_length(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await pause(viewer)
    await viewer.page.keyboard.press("5")
    await expect(viewer.page.locator("#clock")).to_have_text("0:10 / 0:20")


async def test_volume_and_mute(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await pause(viewer)
    volume = viewer.page.get_by_role("slider", name="Volume")
    await volume.fill("0.4")
    assert await viewer.about_video("volume") == 0.4
    await expect(volume).to_have_attribute("aria-valuetext", "40%")
    mute = control(viewer, "Mute")
    await mute.click()
    assert await viewer.about_video("muted") is True
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await expect(volume).to_have_value("0")
    await mute.click()
    assert await viewer.about_video("muted") is False
    await expect(volume).to_have_value("0.4")
    await volume.fill("0")
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await mute.click()
    await viewer.until("video.volume === 0.5 && !video.muted")


async def test_speed_menu(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await pause(viewer)
    await control(viewer, "Speed").click()
    speeds = viewer.page.get_by_role("radio")
    assert await speeds.count() == 8
    await viewer.page.get_by_role("radio", name="1.5\u00d7").check()
    await viewer.until("video.playbackRate === 1.5 && video.preservesPitch")
    await expect(viewer.page.locator("#speed")).to_have_text("1.5\u00d7")
    await viewer.page.keyboard.press("ArrowRight")
    await viewer.until("video.playbackRate === 1.75")
    await viewer.page.keyboard.press("Escape")
    await expect(speeds.first).to_be_hidden()
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await viewer.sees_it_play()
    assert await viewer.about_video("playbackRate") == 1.75


async def test_preferences_outlive_the_page(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    for key in ("ArrowDown", "ArrowDown", "m", ">", "t"):
        await viewer.page.keyboard.press(key)
    await viewer.until(f"{KEPT}?.muted && {KEPT}.speed == 1.25 && video.playbackRate === 1.25")
    await viewer.page.reload()
    await viewer.until(
        "video.muted && Math.abs(video.volume - 0.9) < 0.01 && video.playbackRate === 1.25"
    )
    await expect(viewer.page.locator("body[data-theater]")).to_have_count(1)
    await viewer.start_if_asked()
    await viewer.sees_it_play()
    assert await viewer.about_video("playbackRate") == 1.25
    await expect(viewer.page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await expect(viewer.page.locator("#speed")).to_have_text("1.25\u00d7")


@pytest.mark.parametrize(
    "kept", ["{", "null", '"text"', '{"volume": 7, "speed": "99", "muted": 3}']
)
async def test_kept_nonsense_is_no_harm(viewer: Viewer, upstream: Upstream, kept: str) -> None:
    await viewer.visit()
    await viewer.page.evaluate(
        "(kept) => localStorage.setItem('streamproxy.preferences', kept)", kept
    )
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    assert await viewer.about_video("playbackRate") == 1
    assert await viewer.about_video("volume") == 1
    await viewer.page.keyboard.press(">")
    await viewer.until("video.playbackRate === 1.25")


async def test_controls_work_where_nothing_may_be_kept(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.page.add_init_script(
        """Object.defineProperty(window, "localStorage", {
            get() { throw new DOMException("", "SecurityError"); },
        })"""
    )
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await viewer.page.keyboard.press("m")
    await viewer.until("video.muted")


async def test_theater_takes_the_width_of_the_window(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await wake(viewer)
    narrow = await box_of(viewer.page.locator("#screen"))
    await control(viewer, "Theater").click()
    wide = await box_of(viewer.page.locator("#screen"))
    assert wide["width"] > narrow["width"] + 200
    await expect(control(viewer, "Theater")).to_have_attribute("aria-pressed", "true")
    await control(viewer, "Theater").click()
    assert await box_of(viewer.page.locator("#screen")) == narrow


async def test_full_screen_keeps_the_controls(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await wake(viewer)
    await control(viewer, "Full screen").click()
    await viewer.until("document.fullscreenElement?.contains(document.getElementById('bar'))")
    await expect(control(viewer, "Full screen")).to_have_attribute("aria-pressed", "true")
    await wake(viewer)
    window = viewer.page.viewport_size
    assert window is not None
    assert (await box_of(viewer.video))["height"] == window["height"]
    await control(viewer, "Pause").click()
    await viewer.until("video.paused")
    await expect(viewer.title).to_be_hidden()
    await control(viewer, "Full screen").click()
    await viewer.until("document.fullscreenElement === null")
    await expect(viewer.title).to_be_visible()


async def test_problem_is_seen_in_full_screen_too(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await viewer.page.keyboard.press("f")
    await viewer.until("document.fullscreenElement !== null")
    await viewer.field.evaluate("(it, link) => { it.value = link }", upstream.link("/page.html"))
    await viewer.page.evaluate("document.getElementById('open').requestSubmit()")
    await expect(viewer.problem).to_be_visible()
    assert await viewer.problem.evaluate("(it) => document.fullscreenElement.contains(it)")


async def test_picture_in_picture(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await wake(viewer)
    await control(viewer, "Picture in picture").click()
    await viewer.until("document.pictureInPictureElement === video")
    await expect(viewer.page.locator("#pip")).to_have_attribute("aria-pressed", "true")
    await viewer.page.keyboard.press("i")
    await viewer.until("document.pictureInPictureElement === null")
    await expect(viewer.page.locator("#pip")).to_have_attribute("aria-pressed", "false")


async def test_what_the_browser_cannot_do_is_not_offered(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.page.add_init_script(
        """for (const [type, name] of [
            [Document, "pictureInPictureEnabled"], [Document, "fullscreenEnabled"],
            [HTMLVideoElement, "webkitSupportsFullscreen"],
        ]) Object.defineProperty(type.prototype, name, { get: () => false });"""
    )
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await pause(viewer)
    await expect(control(viewer, "Theater")).to_be_visible()
    await expect(viewer.page.locator("#pip")).to_be_hidden()
    await expect(viewer.page.locator("#full")).to_be_hidden()


async def test_keys_of_what_the_browser_cannot_do_do_nothing(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.page.add_init_script(
        """delete HTMLVideoElement.prototype.requestPictureInPicture;
        delete HTMLVideoElement.prototype.webkitEnterFullscreen;
        Object.defineProperty(Document.prototype, "fullscreenEnabled", { get: () => false });"""
    )
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    for key in "if":
        await viewer.page.keyboard.press(key)
    await viewer.page.keyboard.press("m")
    await viewer.until("video.muted")


async def test_what_is_remembered_is_not_said_again(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    for key in ("ArrowDown", ">"):
        await viewer.page.keyboard.press(key)
    await viewer.page.reload()
    await viewer.start_if_asked()
    await viewer.sees_it_play()
    assert await viewer.about_video("playbackRate") == 1.25
    assert await viewer.page.evaluate("flashes") == []


async def test_controls_rest_while_it_plays_and_nobody_moves(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    before = await viewer.page.evaluate("performance.now()")
    await wake(viewer)
    await viewer.until(RESTS)
    assert await viewer.page.evaluate("performance.now()") - before > REST_MS * 0.9
    bar = viewer.page.locator("#bar")
    await expect(bar).to_have_css("opacity", "0")
    await wake(viewer)
    await viewer.until(f"!{RESTS}")
    await expect(bar).to_have_css("opacity", "1")


async def test_controls_never_rest_while_they_are_needed(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.page.clock.install()
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    press = viewer.page.keyboard.press
    needed: tuple[tuple[str, Act, Act], ...] = (
        ("paused", lambda: press("k"), lambda: press("k")),
        ("a menu", control(viewer, "Speed").click, lambda: press("Escape")),
        ("focus", lambda: press("Tab"), viewer.title.focus),
    )
    for why, begin, end in needed:
        await wake(viewer)
        await begin()
        await viewer.page.clock.fast_forward(REST_MS + 500)
        assert not await viewer.page.evaluate(f"{RESTS}"), why
        await end()
    await viewer.page.keyboard.press("0")
    await viewer.page.clock.fast_forward(REST_MS + 500)
    await viewer.until(RESTS)


async def test_keyboard_reaches_and_wakes_resting_controls(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await viewer.until(RESTS)
    await viewer.video.focus()
    await viewer.page.keyboard.press("Tab")
    await expect(viewer.page.locator("#seek")).to_be_focused()
    await expect(viewer.page.locator("#bar")).to_have_css("opacity", "1")


async def test_clicked_button_leaves_space_to_the_player(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await wake(viewer)
    await control(viewer, "Mute").click()
    await viewer.page.keyboard.press("Space")
    await viewer.until("video.paused && video.muted")


async def test_click_on_the_picture_pauses_and_a_double_click_fills_the_screen(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await viewer.video.click(position={"x": 100, "y": 100})
    await viewer.until("video.paused")
    await viewer.video.click(position={"x": 100, "y": 100})
    await viewer.until("!video.paused")
    await viewer.video.dblclick(position={"x": 100, "y": 100})
    await viewer.until("document.fullscreenElement !== null && !video.paused")


async def test_sound_alone_keeps_its_controls(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.page.clock.install()
    await viewer.watch(upstream.link("/clips/sound.webm"))
    await viewer.page.clock.fast_forward(REST_MS + 500)
    assert not await viewer.page.evaluate(RESTS)
    await expect(control(viewer, "Pause")).to_be_visible()
    await expect(viewer.page.locator("#pip")).to_be_hidden()
    assert (await box_of(viewer.page.locator("#screen")))["height"] < 200


async def test_film_that_ended_plays_again(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await viewer.page.keyboard.press("End")
    await viewer.until("video.ended")
    await control(viewer, "Play").click()
    await viewer.until("!video.ended && video.currentTime < 10")
    await viewer.sees_it_play()
