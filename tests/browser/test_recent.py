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
    await viewer.visit()
    await viewer.play(upstream.link("/clips/moov-first.mp4?token=secret"))
    await viewer.sees_it_play()
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


async def test_query_of_a_link_is_never_shown(viewer: Viewer) -> None:
    await keep(viewer, json.dumps(entries(3)))
    await expect(viewer.recent).to_have_count(3)
    assert "token" not in await viewer.page.locator("#recent").inner_html()


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


async def test_fifty_links_are_kept_and_twenty_shown(viewer: Viewer, upstream: Upstream) -> None:
    await keep(viewer, json.dumps(entries(50)))
    await expect(viewer.recent).to_have_count(20)
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await expect(viewer.title).to_be_visible()
    stored = await kept(viewer)
    assert len(stored) == 50
    assert [entry["title"] for entry in stored[:2]] == ["vp8.webm", "0.mp4"]
    await viewer.button("Show 30 more").click()
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
    ],
)
async def test_garbage_in_the_storage_is_ignored(
    viewer: Viewer, upstream: Upstream, garbage: str
) -> None:
    await keep(viewer, garbage)
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await expect(viewer.title).to_be_visible()
    await expect(viewer.recent).to_have_count(1)


async def test_page_works_where_storage_is_forbidden(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.page.add_init_script(
        """Object.defineProperty(window, "localStorage", {
            get() { throw new DOMException("no", "SecurityError"); },
        })"""
    )
    await viewer.visit()
    await viewer.play(upstream.link("/clips/vp8.webm"))
    await viewer.sees_it_play()
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
