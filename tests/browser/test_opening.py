"""A link is dropped, and one that was watched before goes on where it was left."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from .clips import SECONDS
from .upstream import Upstream
from .viewer import Viewer

KEY = "streamproxy.recent"


PLACE = (400, 500)


def text(dropped: str, kind: str = "text/plain") -> dict[str, Any]:
    return {"items": [{"mimeType": kind, "data": dropped}], "dragOperationsMask": 1}


def uri_list(dropped: str) -> dict[str, Any]:
    return text(dropped, "text/uri-list")


async def drag(
    viewer: Viewer, data: dict[str, Any], *steps: str, at: tuple[int, int] = PLACE
) -> None:
    """Drag something from outside the browser over the page."""
    session = await viewer.page.context.new_cdp_session(viewer.page)
    for step in steps:
        event = {"type": step, "x": at[0], "y": at[1], "data": data}
        await session.send("Input.dispatchDragEvent", event)
    await session.detach()


async def drop(viewer: Viewer, data: dict[str, Any], *, at: tuple[int, int] = PLACE) -> None:
    await drag(viewer, data, "dragEnter", "dragOver", "drop", at=at)


async def test_dropped_link_plays(viewer: Viewer, upstream: Upstream) -> None:
    link = upstream.link("/clips/vp8.webm?a=%2F")
    await viewer.visit()
    await drop(viewer, uri_list(f"# a film\r\n{link}\r\nhttps://example.com/other"))
    await viewer.sees_it_play()
    await expect(viewer.field).to_have_value(link)


@pytest.mark.parametrize("around", ["{}", " {}\n", "Look at this: {} (20 s)", "First\n{}\nlast"])
async def test_dropped_text_with_a_link_plays(
    viewer: Viewer, upstream: Upstream, around: str
) -> None:
    link = upstream.link("/clips/vp8.webm")
    await viewer.visit()
    await drop(viewer, text(around.format(link)))
    await viewer.sees_it_play()
    await expect(viewer.field).to_have_value(link)


async def test_link_dropped_on_the_field_plays_too(viewer: Viewer, upstream: Upstream) -> None:
    link = upstream.link("/clips/vp8.webm")
    await viewer.visit()
    box = await viewer.field.bounding_box()
    assert box is not None
    await drop(viewer, uri_list(link), at=(int(box["x"]) + 20, int(box["y"]) + 20))
    await viewer.sees_it_play()
    await expect(viewer.field).to_have_value(link)


async def test_page_shows_that_a_link_can_be_dropped(viewer: Viewer) -> None:
    sign = viewer.page.get_by_text("Drop the link here")
    clock = viewer.page.clock
    await clock.install()
    await viewer.visit()
    await expect(sign).to_be_hidden()
    # A browser tells again and again of what is dragged, and the sign lasts that long: here, once.
    await clock.pause_at(time.time() + 60)
    film = text("https://example.com/film.mp4")
    await drag(viewer, film, "dragEnter", "dragOver")
    await expect(sign).to_be_visible()
    await drag(viewer, film, "dragCancel")
    await clock.resume()
    await expect(sign).to_be_hidden()


async def test_dropped_film_is_not_played(viewer: Viewer, media: Path) -> None:
    await viewer.visit()
    await drop(viewer, {"items": [], "files": [str(media / "vp8.webm")], "dragOperationsMask": 1})
    await expect(
        viewer.page.get_by_text("Files of this device are not played here")
    ).to_be_visible()
    await expect(viewer.field).to_have_value("")


async def test_word_moved_within_the_field_stays_there(viewer: Viewer) -> None:
    await viewer.visit()
    await viewer.field.fill("film")
    await viewer.field.select_text()
    box = await viewer.field.bounding_box()
    assert box is not None
    mouse = viewer.page.mouse
    await mouse.move(box["x"] + 25, box["y"] + box["height"] / 2)
    await mouse.down()
    await mouse.move(box["x"] + 200, box["y"] + box["height"] / 2, steps=5)
    await expect(viewer.page.locator("#drop")).to_be_hidden()
    await mouse.up()
    await expect(viewer.field).to_have_value("film")
    await expect(viewer.problem).to_be_hidden()


async def watch(viewer: Viewer, link: str, position: float, duration: float = SECONDS) -> None:
    """Open the page of a person who watched a link up to a position."""
    entry = {"link": link, "title": "film", "at": 1e12, "position": position, "duration": duration}
    await viewer.visit()
    await viewer.page.evaluate(
        "([key, stored]) => localStorage.setItem(key, stored)", [KEY, json.dumps([entry])]
    )
    await viewer.visit()


async def position_of(viewer: Viewer, at: int = 0) -> float:
    """Return the position that is kept of a link."""
    script = "([key, at]) => JSON.parse(localStorage.getItem(key))[at].position ?? -1"
    return float(await viewer.page.evaluate(script, [KEY, at]))


async def test_link_goes_on_where_it_was_left(viewer: Viewer, upstream: Upstream) -> None:
    link = upstream.link("/clips/moov-first.mp4")
    await viewer.open_at(link, "11")
    await viewer.sees_it_play(beyond=11)
    await viewer.page.keyboard.press("k")
    await viewer.until("video.paused")
    left_at = await viewer.position()
    assert await position_of(viewer) == pytest.approx(left_at, abs=0.2)

    await viewer.visit()
    await viewer.recent.get_by_role("button", name="moov-first.mp4").first.click()
    label = f"Resume 0:{int(left_at):02}"
    await expect(viewer.button(label)).to_be_focused()
    await viewer.until(f"video.paused && Math.abs(video.currentTime - {left_at}) < 0.2")
    await expect(viewer.page.get_by_text("Loading the video…")).to_be_hidden()
    await viewer.button(label).click()
    await viewer.sees_it_play(beyond=left_at)
    await expect(viewer.button("Start over")).to_be_hidden()


async def test_link_starts_over(viewer: Viewer, upstream: Upstream) -> None:
    link = upstream.link("/clips/vp8.webm")
    await watch(viewer, link, 12)
    await viewer.play(link)
    await viewer.button("Start over").click()
    await viewer.until("!video.paused && video.currentTime < 5")
    await viewer.sees_it_play()
    await expect(viewer.page.locator("#resume")).to_be_hidden()


async def test_offer_is_taken_by_a_shortcut(viewer: Viewer, upstream: Upstream) -> None:
    await watch(viewer, upstream.link("/clips/vp8.webm"), 12)
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await expect(viewer.button("Resume 0:12")).to_be_visible()
    await viewer.page.keyboard.press("k")
    await viewer.sees_it_play(beyond=12)
    await expect(viewer.page.locator("#resume")).to_be_hidden()


@pytest.mark.parametrize("position", [0, 9.9, SECONDS * 0.951, SECONDS, 1e9])
async def test_first_seconds_and_the_end_are_no_place_to_go_on(
    viewer: Viewer, upstream: Upstream, position: float
) -> None:
    await watch(viewer, upstream.link("/clips/vp8.webm"), position)
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await viewer.sees_it_play()
    await expect(viewer.page.locator("#resume")).to_be_hidden()
    assert await viewer.position() < 8


@pytest.mark.parametrize(("time", "position"), [("3", 3), ("0", 0)])
async def test_time_in_the_address_wins(
    viewer: Viewer, upstream: Upstream, time: str, position: float
) -> None:
    link = upstream.link("/clips/vp8.webm")
    await watch(viewer, link, 12)
    await viewer.open_at(link, time)
    await viewer.sees_it_play(beyond=position)
    assert await viewer.position() < position + 6
    await expect(viewer.page.locator("#resume")).to_be_hidden()


async def test_link_that_cannot_be_sought_starts_over_unasked(
    viewer: Viewer, upstream: Upstream
) -> None:
    link = upstream.link("/unmeasured/vp8.webm")
    await watch(viewer, link, 12)
    await viewer.play(link)
    await viewer.sees_it_play()
    assert await viewer.position() < 8
    await expect(viewer.page.locator("#resume")).to_be_hidden()


async def test_place_is_kept_while_it_plays(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    await viewer.play(upstream.link("/clips/vp8.webm"))
    # At its end the film pauses, and then the place is kept anyway.
    kept = f"JSON.parse(localStorage.getItem('{KEY}'))[0].position"
    await viewer.until(f"!video.paused && {kept} > 4")
    assert await position_of(viewer) < await viewer.position()


async def test_place_is_kept_when_the_page_is_left(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.open_at(upstream.link("/clips/vp8.webm"), "12")
    await viewer.sees_it_play(beyond=12)
    await viewer.visit()
    assert 13 <= await position_of(viewer) < SECONDS


async def test_place_is_kept_when_another_link_is_opened(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.open_at(upstream.link("/clips/vp8.webm"), "12")
    await viewer.sees_it_play(beyond=12)
    await viewer.play(upstream.link("/clips/moov-first.mp4"))
    await expect(viewer.title).to_have_text("moov-first.mp4")
    await viewer.sees_it_play()
    assert 13 <= await position_of(viewer, 1) < SECONDS


async def test_question_that_is_not_answered_changes_nothing(
    viewer: Viewer, upstream: Upstream
) -> None:
    await watch(viewer, upstream.link("/clips/vp8.webm"), 12.5)
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await expect(viewer.button("Resume 0:12")).to_be_visible()
    await viewer.visit()
    assert await position_of(viewer) == 12.5
