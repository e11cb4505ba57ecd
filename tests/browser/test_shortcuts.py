"""The keyboard steers the player, and leaves alone what is not meant for it."""

import re

import pytest
from playwright.async_api import expect

from .clips import SECONDS
from .upstream import Upstream
from .viewer import Viewer

FRAME_S = 1 / 25


async def pause(viewer: Viewer, upstream: Upstream, clip: str = "moov-first.mp4") -> None:
    """Play a clip and stop at 5 s."""
    await viewer.watch(upstream.link(f"/clips/{clip}"))
    await viewer.video.evaluate("(video) => { video.pause(); video.currentTime = 5; }")
    await viewer.until("video.paused && !video.seeking")


@pytest.mark.parametrize(
    ("key", "position", "shown"),
    [
        ("l", 15, "+10 s"),
        ("j", 0, "\u221210 s"),
        ("ArrowRight", 10, "+5 s"),
        ("ArrowLeft", 0, "\u22125 s"),
        ("Home", 0, "0:00"),
        ("End", SECONDS, "0:20"),
        ("0", 0, "0:00"),
        ("3", 0.3 * SECONDS, "0:06"),
        ("9", 0.9 * SECONDS, "0:18"),
    ],
)
async def test_key_moves(
    viewer: Viewer, upstream: Upstream, key: str, position: float, shown: str
) -> None:
    await pause(viewer, upstream)
    await viewer.page.keyboard.press(key)
    await viewer.was_shown(shown)
    assert await viewer.position() == pytest.approx(position, abs=0.1)
    await expect(viewer.page.locator("#flash")).to_have_text("")


@pytest.mark.parametrize(
    ("keys", "condition", "shown"),
    [
        (["k"], "!video.paused", "Play"),
        (["Space"], "!video.paused", "Play"),
        (["Space", "k"], "video.paused", "Pause"),
        (["ArrowDown", "ArrowDown"], "Math.abs(video.volume - 0.9) < 0.001", "Volume 90%"),
        (["ArrowDown", "ArrowUp"], "video.volume === 1", "Volume 100%"),
        (["m"], "video.muted", "Volume 0%"),
        (["m", "m"], "!video.muted", "Volume 100%"),
        (["m", "ArrowDown"], "!video.muted && Math.abs(video.volume - 0.95) < 0.001", "Volume 95%"),
        (["Shift+>"], "video.playbackRate === 1.25", "1.25\u00d7"),
        (["Shift+<"], "video.playbackRate === 0.75", "0.75\u00d7"),
        ([">"] * 6, "video.playbackRate === 2", "2\u00d7"),
        (["<"] * 6, "video.playbackRate === 0.25", "0.25\u00d7"),
    ],
)
async def test_key_is_obeyed_and_shown(
    viewer: Viewer, upstream: Upstream, keys: list[str], condition: str, shown: str
) -> None:
    await pause(viewer, upstream)
    for key in keys:
        await viewer.page.keyboard.press(key)
    await viewer.was_shown(shown)
    await viewer.until(condition)


async def test_letters_work_with_caps_lock_as_well(viewer: Viewer, upstream: Upstream) -> None:
    await pause(viewer, upstream)
    await viewer.page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'M', bubbles: true }))"
    )
    await viewer.until("video.muted")


async def test_modes_have_keys(viewer: Viewer, upstream: Upstream) -> None:
    await pause(viewer, upstream)
    press = viewer.page.keyboard.press
    await press("t")
    await expect(viewer.page.locator("body[data-theater]")).to_have_count(1)
    await press("t")
    await expect(viewer.page.locator("body[data-theater]")).to_have_count(0)
    await press("s")
    await expect(viewer.page.locator("#stats")).to_be_visible()
    await press("s")
    await expect(viewer.page.locator("#stats")).to_be_hidden()
    await press("f")
    await viewer.until("document.fullscreenElement !== null")
    await press("f")
    await viewer.until("document.fullscreenElement === null")


@pytest.mark.parametrize("clip", ["moov-first.mp4", "vp8.webm"])
async def test_frames_are_stepped_through_while_paused(
    viewer: Viewer, upstream: Upstream, clip: str
) -> None:
    await pause(viewer, upstream, clip)
    await viewer.video.evaluate(
        """(video) => {
            const look = (_, { mediaTime }) => {
                video.shown = mediaTime;
                video.requestVideoFrameCallback(look);
            };
            look(0, { mediaTime: -1 });
            video.currentTime = 6.01;
        }"""
    )
    await viewer.until("Math.abs(video.shown - 6) < 0.03")
    for key, frames in ((".", 1), (".", 2), (".", 3), (",", 2), (",", 1), (",", 0), (",", -1)):
        await viewer.page.keyboard.press(key)
        await viewer.until(f"Math.abs(video.shown - {6 + frames * FRAME_S}) < 0.01")
    await viewer.page.keyboard.press("k")
    await viewer.until("!video.paused && video.currentTime > 6.2")
    before = await viewer.position()
    await viewer.page.keyboard.press(",")
    assert await viewer.position() >= before


async def test_subtitles_have_keys(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.page.add_init_script(
        """{
            window.told = [];
            const { dispatchEvent } = EventTarget.prototype;
            EventTarget.prototype.dispatchEvent = function (event) {
                if (event.type.startsWith("caption")) told.push([event.type, event.detail]);
                return dispatchEvent.call(this, event);
            };
        }"""
    )
    await pause(viewer, upstream)
    for key in "cgh":
        await viewer.page.keyboard.press(key)
    assert await viewer.page.evaluate("told") == [
        ["captions", None],
        ["captionoffset", -1],
        ["captionoffset", 1],
    ]


async def test_list_of_shortcuts_opens_and_switches_them_off(
    viewer: Viewer, upstream: Upstream
) -> None:
    await pause(viewer, upstream)
    press = viewer.page.keyboard.press
    dialog = viewer.page.get_by_role("dialog", name="Keyboard shortcuts")
    await press("Shift+?")
    await expect(dialog).to_be_visible()
    await expect(dialog).to_contain_text("Picture in picture")
    await press("m")
    assert not await viewer.about_video("muted")
    await press("Escape")
    await expect(dialog).to_be_hidden()
    await press("?")
    await dialog.get_by_role("checkbox", name="Use these shortcuts").uncheck()
    await dialog.get_by_role("button", name="Close").click()
    await expect(dialog).to_be_hidden()
    for key in ("m", "?"):
        await press(key)
    assert not await viewer.about_video("muted")
    await expect(dialog).to_be_hidden()

    await viewer.page.reload()
    await viewer.start_if_asked()
    await viewer.sees_it_play()
    await press("m")
    assert not await viewer.about_video("muted")
    await viewer.page.locator("#settings").click()
    await viewer.page.locator("#help").click()
    await dialog.get_by_role("checkbox").check()
    await press("Escape")
    await press("m")
    await viewer.until("video.muted")


async def test_every_shortcut_is_listed(viewer: Viewer) -> None:
    await viewer.visit()
    await viewer.page.keyboard.press("?")
    listed = await viewer.page.locator("#shortcuts kbd").all_inner_texts()
    assert {key.lower() for key in listed} == {
        *("space", "k", "j", "l", "←", "→", "↑", "↓", "m", "f", "c", "t", "i", "s", "g", "h"),
        *("0", "\u2013", "9", "home", "end", "<", ">", ",", ".", "?"),
    }


@pytest.mark.parametrize("modifier", ["Control", "Alt", "Meta", "Shift"])
async def test_keys_with_a_modifier_are_left_alone(
    viewer: Viewer, upstream: Upstream, modifier: str
) -> None:
    await pause(viewer, upstream)
    prevented = await viewer.page.evaluate(
        """(modifier) => ["m", "l", " ", "k", "c"].map((key) => !document.body.dispatchEvent(
            new KeyboardEvent("keydown", {
                key, bubbles: true, cancelable: true, [modifier]: true,
            }),
        ))""",
        {"Control": "ctrlKey", "Alt": "altKey", "Meta": "metaKey", "Shift": "shiftKey"}[modifier],
    )
    assert not any(prevented)
    assert await viewer.position() == 5
    assert not await viewer.about_video("muted")


async def test_writing_in_a_field_steers_nothing(viewer: Viewer, upstream: Upstream) -> None:
    await pause(viewer, upstream)
    await viewer.field.fill("")
    await viewer.page.keyboard.type("jklmftis 5,.<>?")
    await expect(viewer.field).to_have_value("jklmftis 5,.<>?")
    assert await viewer.position() == 5
    assert not await viewer.about_video("muted")
    await expect(viewer.page.locator("#stats")).to_be_hidden()


async def test_focused_button_keeps_its_own_keys_only(viewer: Viewer, upstream: Upstream) -> None:
    await pause(viewer, upstream)
    press = viewer.page.keyboard.press
    await viewer.page.locator("#mute").focus()
    await press("Space")
    await viewer.until("video.muted")
    await press("Enter")
    await viewer.until("!video.muted")
    assert await viewer.about_video("paused")
    await press("l")
    assert await viewer.position() == 15
    await viewer.page.locator("#volume").focus()
    await press("ArrowLeft")
    await viewer.until("video.volume < 1")
    assert await viewer.position() == 15
    await press("j")
    assert await viewer.position() == 5


async def test_held_key_toggles_once(viewer: Viewer, upstream: Upstream) -> None:
    await pause(viewer, upstream)
    for _ in range(4):
        await viewer.page.keyboard.down("m")
    await viewer.page.keyboard.up("m")
    assert await viewer.about_video("muted")
    for _ in range(2):
        await viewer.page.keyboard.down("ArrowRight")
    assert await viewer.position() == 15


async def test_shortcuts_wait_for_a_video(viewer: Viewer) -> None:
    await viewer.visit()
    await viewer.page.keyboard.press("t")
    await viewer.page.keyboard.press("m")
    await expect(viewer.page.locator("body[data-theater]")).to_have_count(0)
    assert not await viewer.about_video("muted")


async def test_controls_name_their_keys(viewer: Viewer, upstream: Upstream) -> None:
    await pause(viewer, upstream)
    named = viewer.page.locator("#bar [data-key]")
    assert await named.count() >= 5
    for button in await named.all():
        key = await button.get_attribute("data-key") or ""
        await expect(button).to_have_attribute("title", re.compile(rf"\({re.escape(key)}\)$"))
