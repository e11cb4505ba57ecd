"""What fails is said: what, why, and what to do."""

import asyncio
import re

import pytest
from error_codes import codes
from playwright.async_api import Browser, Route, expect

from streamproxy import Settings

from .upstream import Upstream, expired, stuck, willing
from .viewer import Viewer

LONG_MS = 300_000


async def test_web_page_is_no_video(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    await viewer.play(upstream.link("/page.html"))
    await expect(viewer.problem.get_by_role("heading")).to_have_text("This link is not a video")
    await expect(viewer.problem).to_contain_text("Code: not_media")
    await expect(viewer.button("Try again")).to_be_visible()
    await expect(viewer.video).to_be_hidden()
    await expect(viewer.recent).to_have_count(0)


async def test_refusal_of_the_site_is_named(viewer: Viewer, upstream: Upstream) -> None:
    await viewer.visit()
    await viewer.play(upstream.link("/forbidden/film.mp4"))
    await expect(viewer.problem.get_by_role("heading")).to_have_text(
        "The site refuses to give the file"
    )
    await expect(viewer.problem).to_contain_text("Code: upstream_status · The site answered 403")
    # A link just written stays at hand to be corrected.
    await expect(viewer.button("Play")).to_be_visible()


async def test_other_scheme_is_refused(viewer: Viewer) -> None:
    await viewer.visit()
    await viewer.play("ftp://example.com/film.mp4")
    await expect(viewer.problem).to_contain_text("Only http and https links can be played")


async def test_trying_again_plays_what_works_again(viewer: Viewer, upstream: Upstream) -> None:
    upstream.mood = expired
    await viewer.visit(url=upstream.link("/clips/moov-first.mp4"), t="10")
    await expect(viewer.problem).to_contain_text("The site answered 403")
    upstream.mood = willing
    await viewer.button("Retry from here (0:10)").click()
    await viewer.sees_it_play(beyond=10)


async def test_every_code_has_a_title_of_its_own(viewer: Viewer) -> None:
    await viewer.visit()
    titles = await viewer.page.evaluate(
        """async (codes) => {
            const { problemWords } = await import("./static/js/strings.js");
            return codes.map((code) => problemWords(code).title);
        }""",
        [*codes(), "code_of_a_later_version", "constructor"],
    )
    *known, unknown, inherited = titles
    assert len({*known, unknown}) == len(known) + 1
    assert inherited == unknown


async def test_verdict_is_shown_in_full(viewer: Viewer) -> None:
    async def answer(route: Route) -> None:
        verdict = {"valid": False, "code": "read_timeout", "error": "It <b>slept</b>."}
        more = {"hint": "Wake it.", "upstream_status": None, "retryable": True}
        await route.fulfill(json=verdict | more)

    await viewer.page.route("**/api/validate?*", answer)
    await viewer.visit()
    await viewer.play("https://example.com/film.mp4")
    for said in ("The site stopped answering", "It <b>slept</b>.", "Wake it.", "read_timeout"):
        await expect(viewer.problem).to_contain_text(said)
    await expect(viewer.button("Try again")).to_contain_class("primary")


@pytest.mark.parametrize(
    "body", ["<!doctype html>Sign in", "", "null", "[]", '{"status": "ok"}', '{"valid": "yes"}']
)
async def test_answer_that_is_no_verdict_is_said(
    viewer: Viewer, complaints: list[str], body: str
) -> None:
    await viewer.page.route("**/api/validate?*", lambda route: route.fulfill(status=502, body=body))
    await viewer.visit()
    await viewer.play("https://example.com/film.mp4")
    await expect(viewer.problem).to_contain_text("Something else answered for the proxy")
    await expect(viewer.problem).to_contain_text("The proxy answered 502")
    complaints.clear()


async def test_proxy_out_of_reach_is_said(viewer: Viewer, complaints: list[str]) -> None:
    await viewer.visit()
    await viewer.page.context.set_offline(offline=True)
    await viewer.play("https://example.com/film.mp4")
    await expect(viewer.problem).to_contain_text("The proxy does not answer")
    await expect(viewer.button("Try again")).to_be_visible()
    # What copies them cannot come any more.
    await expect(viewer.button("Copy details")).to_be_hidden()
    complaints.clear()


async def test_proxy_that_hangs_is_not_waited_for_for_ever(viewer: Viewer) -> None:
    settings = Settings()
    limits_s = settings.connect_timeout + settings.read_timeout
    asked: asyncio.Queue[Route] = asyncio.Queue()
    await viewer.page.clock.install()
    await viewer.page.route("**/api/validate?*", asked.put)  # never answered
    await viewer.visit()
    await viewer.play("https://example.com/film.mp4")
    await asked.get()
    # Longer than the server itself takes to say why.
    await viewer.page.clock.fast_forward(int(2_000 * limits_s))
    await expect(viewer.page.locator("#status")).to_contain_text("Still checking")
    await viewer.page.clock.fast_forward(LONG_MS)
    await expect(viewer.problem).to_contain_text("The proxy does not answer")


async def test_file_that_browsers_cannot_play_can_be_downloaded(
    viewer: Viewer, upstream: Upstream
) -> None:
    # Where a page cannot open the dialog to save, the browser downloads by itself.
    await viewer.page.add_init_script("delete window.showSaveFilePicker")
    await viewer.visit()
    await viewer.play(upstream.link("/broken.mp4"))
    await expect(viewer.problem).to_contain_text("This browser cannot play the video")
    async with viewer.page.expect_download() as download:
        await viewer.page.get_by_role("link", name="Download").click()
    assert (await download.value).suggested_filename == "broken.mp4"


async def test_link_that_expires_while_it_plays_goes_on_later(
    viewer: Viewer, upstream: Upstream, complaints: list[str]
) -> None:
    upstream.pace_s *= 2  # the place that is sought must not be held yet
    await viewer.watch(upstream.link("/paced/moov-first.mp4"))
    upstream.mood = expired
    await viewer.video.evaluate("(video) => { video.currentTime = 15 }")
    await expect(viewer.problem).to_contain_text("The site answered 403")
    upstream.mood = willing
    await viewer.button("Retry from here (0:15)").click()
    await viewer.sees_it_play(beyond=15)
    complaints.clear()


async def test_interruption_of_a_link_that_works_is_told_apart(
    viewer: Viewer, upstream: Upstream, complaints: list[str]
) -> None:
    upstream.pace_s *= 2  # the place that is sought must not be held yet
    await viewer.watch(upstream.link("/paced/moov-first.mp4"))
    upstream.mood = stuck
    await viewer.video.evaluate("(video) => { video.currentTime = 15 }")
    await expect(viewer.problem).to_contain_text("The video was interrupted")
    await expect(viewer.button("Retry from here (0:15)")).to_be_visible()
    complaints.clear()


async def test_film_that_breaks_off_for_good_is_said(
    viewer: Viewer, upstream: Upstream, complaints: list[str]
) -> None:
    """A picture was on the screen: Chromium lets nobody read it any more after a refusal."""
    upstream.pace_s *= 2  # it must not be held as a whole yet
    await viewer.watch(upstream.link("/paced/moov-first.mp4"))
    upstream.mood, upstream.breaks_off = expired, True
    await expect(viewer.problem).to_contain_text("The site answered 403")
    upstream.mood, upstream.breaks_off = willing, False
    await viewer.page.get_by_role("button", name="Retry from here").click()
    await viewer.sees_it_play(beyond=1)
    assert not [it for it in complaints if "SecurityError" in it]
    complaints.clear()


@pytest.mark.parametrize("pasted", ["", "   "])
async def test_empty_field_asks_for_a_link(viewer: Viewer, pasted: str) -> None:
    await viewer.visit()
    await viewer.play(pasted)
    await expect(viewer.page.get_by_text("Paste the link of a video first.")).to_be_visible()
    await expect(viewer.field).to_be_focused()
    await expect(viewer.field).to_have_attribute("aria-invalid", "true")


async def test_problem_of_another_link_does_not_stay_beside_an_empty_field(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.visit()
    await viewer.play(upstream.link("/page.html"))
    await expect(viewer.problem).to_be_visible()
    await viewer.play("")
    await expect(viewer.page.get_by_text("Paste the link of a video first.")).to_be_visible()
    await expect(viewer.problem).to_be_hidden()
    await expect(viewer.field).to_be_focused()


async def test_details_are_copied_without_the_secrets_of_the_link(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await viewer.visit()
    async with viewer.page.expect_response("**/api/validate?*") as answered:
        await viewer.play(upstream.link("/forbidden/film.mp4?token=geheim"))
    request_id = (await answered.value).headers["x-request-id"]
    await expect(viewer.problem).to_contain_text(f"Request: {request_id}")
    await viewer.button("Copy details").click()
    await expect(viewer.button("Copied")).to_be_visible()
    copied = await viewer.page.evaluate("navigator.clipboard.readText()")
    host = upstream.origin.removeprefix("http://")
    for part in ("upstream_status", "403", request_id, "Chrome/", f"{host}/…/film.mp4"):
        assert part in copied
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", copied, re.MULTILINE)
    assert "geheim" not in copied
    assert "forbidden/" not in copied


async def test_details_can_be_selected_where_there_is_no_clipboard(
    viewer: Viewer, upstream: Upstream
) -> None:
    # As on pages that come by plain HTTP from another machine.
    await viewer.page.add_init_script("delete Navigator.prototype.clipboard")
    await viewer.visit()
    await viewer.play(upstream.link("/forbidden/film.mp4"))
    await viewer.button("Copy details").click()
    field = viewer.problem.get_by_role("textbox", name="Copy this text")
    await expect(field).to_be_focused()
    assert "upstream_status" in await field.input_value()
    assert await viewer.page.evaluate("getSelection().toString()") == await field.input_value()


async def test_german_page_explains_in_german_and_keeps_the_words_of_the_proxy(
    browser: Browser, proxy: str, upstream: Upstream
) -> None:
    context = await browser.new_context(locale="de-DE")
    try:
        viewer = Viewer(await context.new_page(), proxy)
        await viewer.visit(url=upstream.link("/forbidden/film.mp4"))
        problem = viewer.problem
        await expect(problem).to_contain_text("Die Website gibt die Datei nicht heraus")
        await expect(problem).to_contain_text("mit einem Fehler statt mit der Datei.")
        await expect(problem).to_contain_text("einen frischen kopieren.")
        english = problem.locator("[lang=en]")
        await expect(english).to_contain_text("The site answered with status 403 instead of")
    finally:
        await context.close()


async def test_english_page_says_the_words_of_the_proxy_once(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.visit(url=upstream.link("/forbidden/film.mp4"))
    words = "The site answered with status 403 instead of the file."
    await expect(viewer.problem.get_by_text(words)).to_have_count(1)
