"""A finger on the picture shows the controls at once, and moves by double taps."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from .upstream import Upstream
from .viewer import WAIT_MS, Viewer

RESTS = "document.getElementById('screen').classList.contains('is-resting')"


@pytest_asyncio.fixture(loop_scope="session")
async def holder(browser: Browser, proxy: str) -> AsyncIterator[Viewer]:
    """Return a person who holds a phone."""
    context = await browser.new_context(
        viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True, locale="en-GB"
    )
    context.set_default_timeout(WAIT_MS)
    yield Viewer(await context.new_page(), proxy)
    await context.close()


async def play(holder: Viewer, upstream: Upstream) -> None:
    await holder.visit()
    await holder.field.fill(upstream.link("/clips/moov-first.mp4"))
    await holder.page.locator("#play").tap()
    await holder.sees_it_play()
    # In the order of their listeners: the page has seen to a tap when it is noted here.
    await holder.video.evaluate(
        f"""(video) => {{
            video.tapped = [];
            video.addEventListener("click", () => video.tapped.push({RESTS}));
        }}"""
    )


async def tap(holder: Viewer, *shares: float, apart_s: float = 0.1) -> None:
    """Tap on the picture, at these shares of its width, above the controls.

    The events say when they happened, and are sent at once: a busy machine makes no tap late.
    """
    box = await holder.video.bounding_box()
    assert box is not None
    before = len(await holder.about_video("tapped"))
    now = time.time()
    events: list[dict[str, Any]] = []
    for number, share in enumerate(shares):
        at, place = now + number * apart_s, {"x": box["x"] + box["width"] * share}
        touch = {"type": "touchStart", "touchPoints": [place | {"y": box["y"] + 40}]}
        events += (
            touch | {"timestamp": at},
            {"type": "touchEnd", "touchPoints": [], "timestamp": at + 0.02},
        )
    session = await holder.page.context.new_cdp_session(holder.page)
    await asyncio.gather(*(session.send("Input.dispatchTouchEvent", it) for it in events))
    await session.detach()
    await holder.until(f"video.tapped.length === {before + len(shares)}")


async def test_tap_shows_and_hides_the_controls_at_once(holder: Viewer, upstream: Upstream) -> None:
    await play(holder, upstream)
    await holder.until(RESTS)
    await tap(holder, 0.5, 0.5, apart_s=0.5)
    # Within the very event: nothing waits to see whether a second tap follows.
    assert await holder.about_video("tapped") == [False, True]
    assert not await holder.about_video("paused")


async def test_tap_leaves_the_controls_of_a_paused_film(holder: Viewer, upstream: Upstream) -> None:
    await play(holder, upstream)
    await tap(holder, 0.5)
    await holder.video.evaluate("(video) => video.pause()")
    await tap(holder, 0.5, 0.5)
    assert not await holder.page.evaluate(RESTS)
    assert await holder.about_video("paused")


async def test_double_tap_at_a_side_moves(holder: Viewer, upstream: Upstream) -> None:
    await play(holder, upstream)
    await holder.video.evaluate("(video) => { video.pause(); video.currentTime = 5; }")
    await holder.until("video.paused && !video.seeking")
    await tap(holder, 0.9, 0.9)
    await holder.was_shown("+10 s")
    await holder.until("video.currentTime === 15")
    await tap(holder, 0.1, 0.1)
    await holder.until("video.currentTime === 5")


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.1, 0.9)])
async def test_other_taps_do_not_move(
    holder: Viewer, upstream: Upstream, shares: tuple[float, float]
) -> None:
    await play(holder, upstream)
    await holder.video.evaluate("(video) => { video.pause(); video.currentTime = 5; }")
    await holder.until("video.paused && !video.seeking")
    await tap(holder, *shares)
    assert await holder.position() == 5
    assert await holder.page.evaluate("document.fullscreenElement") is None


async def test_two_slow_taps_do_not_move(holder: Viewer, upstream: Upstream) -> None:
    await play(holder, upstream)
    await holder.video.evaluate("(video) => { video.pause(); video.currentTime = 5; }")
    await holder.until("video.paused && !video.seeking")
    await tap(holder, 0.9, 0.9, apart_s=0.4)
    assert await holder.position() == 5


async def test_resting_controls_are_not_hit_by_a_finger(holder: Viewer, upstream: Upstream) -> None:
    await play(holder, upstream)
    await holder.until(RESTS)
    box = await holder.page.locator("#mute").bounding_box()
    assert box is not None
    await holder.page.touchscreen.tap(box["x"] + 10, box["y"] + 10)
    await holder.until(f"!{RESTS}")
    # Paused, so that they do not rest again before the second tap, however late it comes.
    await holder.video.evaluate("(video) => video.pause()")
    await holder.until(f"video.paused && !{RESTS}")
    await holder.page.touchscreen.tap(box["x"] + 10, box["y"] + 10)
    # The second tap is the only one that changes it.
    await holder.until("video.muted")
    await expect(holder.page.locator("#mute")).to_have_attribute("aria-pressed", "true")


async def test_controls_fit_a_narrow_phone(holder: Viewer, upstream: Upstream) -> None:
    await holder.page.set_viewport_size({"width": 320, "height": 640})
    await play(holder, upstream)
    await holder.video.evaluate("(video) => video.pause()")
    tops = set()
    for button in await holder.page.locator("#bar > button:visible").all():
        box = await button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        tops.add(round(box["y"]))
    assert len(tops) == 1


async def test_volume_is_left_to_the_buttons_of_the_device(
    holder: Viewer, upstream: Upstream
) -> None:
    await holder.page.set_viewport_size({"width": 800, "height": 390})
    await play(holder, upstream)
    await holder.video.evaluate("(video) => video.pause()")
    await expect(holder.page.locator("#mute")).to_be_visible()
    await expect(holder.page.locator("#theater")).to_be_visible()
    await expect(holder.page.locator("#volume")).to_be_hidden()
