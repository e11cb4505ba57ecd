"""Recent links stay in the browser: to play again, to delete, and never to leak a token."""

import json
from typing import Any

import pytest
from playwright.async_api import expect

from .upstream import Upstream
from .viewer import Viewer

KEY = "streamproxy.recent"


def entries(count: int) -> list[dict[str, Any]]:
    return [
        {"link": f"https://example.com/{n}.mp4?token=t{n}", "title": f"{n}.mp4", "at": 1e12 - n}
        for n in range(count)
    ]


async def keep(viewer: Viewer, stored: str) -> None:
    """Open the page of a person whose browser holds *stored*."""
    await viewer.visit()
    await viewer.page.evaluate(
        "([key, stored]) => localStorage.setItem(key, stored)", [KEY, stored]
    )
    await viewer.page.reload()


async def kept(viewer: Viewer) -> list[dict[str, Any]]:
    stored = await viewer.page.evaluate("(key) => localStorage.getItem(key)", KEY)
    found: list[dict[str, Any]] = json.loads(stored)
    return found


async def test_played_link_is_found_after_a_reload(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4?token=secret"))
    await viewer.visit()
    await expect(viewer.recent).to_have_count(1)
    await expect(viewer.recent).to_contain_text("moov-first.mp4")
    await expect(viewer.recent).to_contain_text("just now")
    await viewer.recent.get_by_role("button", name="moov-first.mp4").first.click()
    await viewer.sees_it_play()
    await expect(viewer.field).to_have_value(upstream.link("/clips/moov-first.mp4?token=secret"))


async def test_link_chosen_far_below_is_brought_into_sight(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.page.set_viewport_size({"width": 320, "height": 400})
    last = {"link": upstream.link("/clips/vp8.webm"), "title": "last.webm", "at": 1}
    await keep(viewer, json.dumps([*entries(15), last]))
    await viewer.recent.get_by_role("button", name="last.webm").first.click()
    await viewer.sees_it_play()
    await expect(viewer.video).to_be_in_viewport(ratio=1)


async def test_token_of_a_link_is_never_shown(viewer: Viewer) -> None:
    links = ["https://anna:geheim@example.com/a.mp4?token=geheim&lang=de", "https://x.example/b"]
    await keep(viewer, json.dumps([{"link": it, "title": "film", "at": 1} for it in links]))
    await expect(viewer.recent).to_have_count(2)
    await expect(viewer.recent.first).to_contain_text("…@example.com/a.mp4?token=…&lang=de")
    for held in await viewer.page.locator("#recent, #recent *").all():
        assert "geheim" not in await held.evaluate("(it) => it.cloneNode().outerHTML")


async def test_link_played_twice_is_listed_once_at_the_top(
    viewer: Viewer, upstream: Upstream
) -> None:
    await keep(viewer, json.dumps(entries(2)))
    for clip in ("vp8.webm", "moov-first.mp4", "vp8.webm"):
        await viewer.play(upstream.link(f"/clips/{clip}"))
        await expect(viewer.title).to_have_text(clip)
    titles = await viewer.recent.locator(".row-title").all_inner_texts()
    assert titles == ["vp8.webm", "moov-first.mp4", "0.mp4", "1.mp4"]
    await expect(viewer.page.locator("[aria-current]")).to_contain_text("vp8.webm")


async def test_one_link_is_deleted_and_taken_back(viewer: Viewer) -> None:
    await keep(viewer, json.dumps(entries(3)))
    await viewer.button("Remove 1.mp4 from the list").click()
    await expect(viewer.recent).to_have_count(2)
    await expect(viewer.button("Remove 2.mp4 from the list")).to_be_focused()
    await viewer.button("Undo").click()
    await expect(viewer.recent).to_have_count(3)
    await viewer.button("Remove 1.mp4 from the list").click()
    await viewer.page.reload()
    await expect(viewer.recent).to_have_count(2)
    await expect(viewer.page.get_by_text("1.mp4")).to_have_count(0)


async def test_all_links_are_cleared_and_taken_back(viewer: Viewer) -> None:
    await keep(viewer, json.dumps(entries(3)))
    await viewer.button("Clear all").click()
    await expect(viewer.recent).to_have_count(0)
    await expect(viewer.page.get_by_text("The list was cleared.")).to_be_visible()
    await expect(viewer.button("Undo")).to_be_focused()
    await viewer.page.keyboard.press("Enter")
    await expect(viewer.recent).to_have_count(3)
    await viewer.button("Clear all").click()
    await viewer.page.reload()
    await expect(viewer.recent).to_have_count(0)
    await expect(viewer.button("Clear all")).to_be_hidden()


async def test_fifty_links_are_kept(viewer: Viewer, upstream: Upstream) -> None:
    await keep(viewer, json.dumps(entries(50)))
    await expect(viewer.recent).to_have_count(50)
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await expect(viewer.title).to_be_visible()
    stored = await kept(viewer)
    assert len(stored) == 50
    assert [entry["title"] for entry in stored[:2]] == ["vp8.webm", "0.mp4"]
    await expect(viewer.recent).to_have_count(50)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "{",
        "null",
        "7",
        '{"length": 3}',
        '[null, 1, "x", {}, [], {"link": 1, "title": "a", "at": 1}]',
        '[{"link": "nonsense", "title": "a", "at": 1}]',
        '[{"link": "https://example.com/a", "title": null, "at": 1}]',
        '[{"link": "https://example.com/a", "title": "a", "at": 1e300}]',
        '[{"link": "https://example.com/a", "title": "a", "at": "1"}]',
        '[{"link": "https://example.com/a", "title": "a", "at": 1, "position": "x"}]',
        '[{"link": "https://example.com/a", "title": "a", "at": 1, "duration": {}}]',
    ],
)
async def test_garbage_in_the_storage_is_ignored(
    viewer: Viewer, upstream: Upstream, garbage: str
) -> None:
    await keep(viewer, garbage)
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await expect(viewer.title).to_be_visible()
    await expect(viewer.recent).to_have_count(1)


async def test_picture_that_is_none_is_left_out(viewer: Viewer) -> None:
    posters = ["!", "QUFB", 7]
    stored = [entries(3)[n] | {"poster": poster} for n, poster in enumerate(posters)]
    await keep(viewer, json.dumps(stored))
    await expect(viewer.recent).to_have_count(3)


async def test_page_works_where_storage_is_forbidden(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.page.add_init_script(
        """Object.defineProperty(window, "localStorage", {
            get() { throw new DOMException("no", "SecurityError"); },
        })"""
    )
    await viewer.watch(upstream.link("/clips/vp8.webm"))
    await expect(viewer.recent).to_have_count(1)


async def test_page_works_where_storage_is_full(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    await viewer.page.evaluate(
        """() => {
            for (let size = 2 ** 22; size >= 1; size = Math.floor(size / 2)) {
                try {
                    for (let n = 0; ; n++) localStorage.setItem(size + "." + n, "x".repeat(size));
                } catch {}
            }
        }"""
    )
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await viewer.sees_it_play()
    await expect(viewer.recent).to_have_count(1)
    await viewer.button("Remove vp8.webm from the list").click()
    await expect(viewer.recent).to_have_count(0)


async def test_another_tab_shows_the_change(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    other = Viewer(await viewer.page.context.new_page(), viewer.address)
    await other.visit()
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await expect(other.recent).to_have_count(1)


async def names(viewer: Viewer) -> list[str]:
    return await viewer.recent.locator(".row-title").all_inner_texts()


async def test_pinned_links_come_first_and_are_kept(viewer: Viewer, upstream: Upstream) -> None:
    await keep(viewer, json.dumps(entries(50)))
    pin = viewer.button("Pin 49.mp4")
    await expect(pin).to_have_attribute("aria-pressed", "false")
    await pin.click()
    await expect(pin).to_be_focused()
    await expect(pin).to_have_attribute("aria-pressed", "true")
    assert (await names(viewer))[:2] == ["49.mp4", "0.mp4"]
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await expect(viewer.title).to_be_visible()
    assert (await names(viewer))[:3] == ["49.mp4", "vp8.webm", "0.mp4"]
    titles = [entry["title"] for entry in await kept(viewer)]
    assert len(titles) == 50
    assert "49.mp4" in titles
    assert "48.mp4" not in titles

    await viewer.page.reload()
    assert (await names(viewer))[:2] == ["49.mp4", "vp8.webm"]
    await viewer.button("Pin 49.mp4").click()
    assert (await names(viewer))[:2] == ["vp8.webm", "0.mp4"]


async def test_pinned_links_are_cleared_and_taken_back_with_the_others(viewer: Viewer) -> None:
    await keep(viewer, json.dumps(entries(3)))
    await viewer.button("Pin 1.mp4").click()
    await viewer.button("Clear all").click()
    await expect(viewer.recent).to_have_count(0)
    await viewer.button("Undo").click()
    await expect(viewer.recent).to_have_count(3)
    assert await names(viewer) == ["1.mp4", "0.mp4", "2.mp4"]


async def test_links_are_found_by_title_and_address(viewer: Viewer) -> None:
    field = viewer.page.get_by_role("searchbox", name="Search recent links")
    await keep(viewer, json.dumps(entries(5)))
    await expect(viewer.recent).to_have_count(5)
    await expect(field).to_be_hidden()

    film = {"link": "https://films.example/x?token=geheim", "title": "Der Film", "at": 1}
    await keep(viewer, json.dumps([*entries(40), film]))
    await field.fill("der F")
    assert await names(viewer) == ["Der Film"]
    await field.fill("films.EXAMPLE")
    assert await names(viewer) == ["Der Film"]
    await field.fill("39")
    assert await names(viewer) == ["39.mp4"]
    await field.fill("geheim")
    await expect(viewer.recent).to_have_count(0)
    await expect(viewer.page.get_by_text("No recent link fits.")).to_be_visible()
    await field.fill("")
    await expect(viewer.recent).to_have_count(41)
    await expect(viewer.page.get_by_text("No recent link fits.")).to_be_hidden()


async def test_list_shows_how_far_a_link_is_watched(viewer: Viewer) -> None:
    film = {"link": "https://a.example/", "title": "a", "at": 1, "position": 754, "duration": 5400}
    await keep(viewer, json.dumps([film, *entries(1)]))
    row, unwatched = await viewer.recent.all()
    await expect(row).to_contain_text("12:34 of 1:30:00")
    await expect(unwatched).not_to_contain_text(" of ")
    width = "(row) => parseFloat(getComputedStyle(row.firstElementChild, '::before').width)"
    poster = await row.locator("canvas").bounding_box()
    assert poster is not None
    assert await row.evaluate(width) == pytest.approx(poster["width"] * 754 / 5400, abs=0.1)
    assert await unwatched.evaluate(width) == 0


async def test_list_shows_the_picture_where_a_link_was_left(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.watch(upstream.link("/clips/vp8.webm"))
    await viewer.page.keyboard.press("k")
    await viewer.until("video.paused")
    await viewer.visit()
    await viewer.until("document.querySelector('.row canvas').poster")
    read_pixels = """async (canvas) => {
        const picture = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
        picture.drawImage(canvas, 0, 0);
        return [...picture.getImageData(0, 0, canvas.width, canvas.height).data];
    }"""
    pixels = await viewer.recent.locator("canvas").evaluate(read_pixels)
    assert len(pixels) == 128 * 72 * 4
    assert len(set(pixels[::4])) > 20
    (entry,) = await kept(viewer)
    assert len(entry["poster"]) < 12_000


async def test_focus_stays_in_the_list_while_a_link_plays(
    viewer: Viewer, upstream: Upstream
) -> None:
    await keep(viewer, json.dumps(entries(2)))
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await viewer.sees_it_play()
    remove = viewer.button("Remove 0.mp4 from the list")
    await remove.focus()
    await viewer.page.get_by_text(" of 0:20").wait_for()
    await expect(remove).to_be_focused()
