"""The device learns what plays, commands it, and keeps its screen on meanwhile."""

import pytest
from playwright.async_api import expect

from .upstream import Upstream
from .viewer import Viewer

# The browser keeps what it is told to itself: here it writes it down as well.
RECORD = """{
    window.told = { states: [], actions: {}, locks: [] };
    const session = MediaSession.prototype;
    const { setPositionState, setActionHandler } = session;
    session.setPositionState = function (state) {
        told.states.push(state ?? null);
        return setPositionState.call(this, state);
    };
    session.setActionHandler = function (name, handler) {
        told.actions[name] = handler;
        return setActionHandler.call(this, name, handler);
    };
    const { request } = WakeLock.prototype;
    WakeLock.prototype.request = async function (type) {
        const lock = await request.call(this, type);
        told.locks.push(lock);
        return lock;
    };
}"""


async def test_device_learns_title_and_position(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.page.add_init_script(RECORD)
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    assert await viewer.page.evaluate("navigator.mediaSession.metadata.title") == "moov-first.mp4"
    await viewer.page.evaluate("told.actions.pause({})")
    await viewer.until("video.paused")
    await viewer.page.evaluate("told.actions.seekto({ seekTime: 5 })")
    await viewer.until("video.currentTime === 5 && !video.seeking")
    await viewer.page.evaluate("told.actions.seekforward({})")
    await viewer.until("video.currentTime === 15 && !video.seeking")
    await viewer.page.evaluate("told.actions.seekbackward({ seekOffset: 3 })")
    await viewer.until("video.currentTime === 12 && told.states.at(-1).position === 12")
    assert (await viewer.page.evaluate("told.states.at(-1).duration")) == pytest.approx(20, abs=0.5)
    await viewer.page.evaluate("told.actions.play({})")
    await viewer.until("!video.paused")
    await viewer.play(upstream.link("/page.html"))
    await expect(viewer.problem).to_be_visible()
    assert await viewer.page.evaluate("navigator.mediaSession.metadata") is None


async def test_device_does_not_offer_to_move_in_what_cannot_be_sought(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.page.add_init_script(RECORD)
    await viewer.watch(upstream.link("/unmeasured/vp8.webm"))
    offered = "Object.entries(told.actions).filter(([, handler]) => handler).map(([name]) => name)"
    assert await viewer.page.evaluate(offered) == ["play", "pause"]


async def test_screen_stays_on_only_while_it_plays(
    trusting_viewer: Viewer, upstream: Upstream
) -> None:
    viewer = trusting_viewer  # a Chromium that has a screen to keep on
    await viewer.page.add_init_script(RECORD)
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await viewer.until("told.locks.filter((lock) => !lock.released).length === 1")
    await viewer.page.keyboard.press("k")
    await viewer.until("video.paused && told.locks.every((lock) => lock.released)")
    await viewer.page.keyboard.press("k")
    await viewer.until("told.locks.filter((lock) => !lock.released).length === 1")
