"""Whoever shows who they are gets in, stays in, and can leave."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Response, ViewportSize, expect

from streamproxy.access.passwords import hash_password

from .conftest import opened_context
from .gates import Gate, guarded
from .test_look import FAINT_TEXTS
from .upstream import Upstream
from .viewer import Viewer

TOKEN = "the-right-token"
PASSWORD = "opensesame"
NARROW = ViewportSize(width=320, height=640)
WRONG_TOKEN = "This is not the right token."
ATTEMPTS = 40  # far more than are free
LONG_S = 8  # in which a browser signs in, however busy the machine is


@pytest_asyncio.fixture(loop_scope="session")
async def gate() -> AsyncIterator[Gate]:
    """Start a streamproxy that asks for a token."""
    async with guarded(access_token=TOKEN) as gate:
        yield gate


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Open a page in a browser that may call a refusal an error, and nothing else.

    But for an icon or a worker that it asks for when the server of the test has ended.
    """
    expected = "status of (401|429)|ERR_CONNECTION_REFUSED|fetching the script"
    async with opened_context(browser, [], expected=expected) as context:
        yield await context.new_page()


@pytest.fixture(scope="module")
def users_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("users") / "users"
    path.write_text(f"anna:{hash_password(PASSWORD)}\n")
    return str(path)


@pytest.fixture
def guest(page: Page, gate: Gate) -> Viewer:
    """Return a person who knows the token, before the page is opened."""
    return Viewer(page, gate.address)


async def sign_in(page: Page, secret: str, name: str | None = None) -> Response:
    """Fill in the form and send it; give the answer to it."""
    if name is not None:
        await page.get_by_label("Name").fill(name)
    await page.locator("#secret").fill(secret)
    async with page.expect_response(lambda got: got.request.method == "POST") as answer:
        await page.get_by_role("button", name="Sign in").click()
    return await answer.value


async def test_page_asks_who_is_there_and_then_plays_what_was_asked_for(
    guest: Viewer, upstream: Upstream
) -> None:
    page, link = guest.page, upstream.link("/clips/moov-first.mp4?a=1&b=%2F+x")
    await guest.visit(url=link, t="10")
    assert await page.locator("script").count() == 0
    await expect(page.get_by_label("Token")).to_be_focused()
    await expect(page.get_by_role("alert")).to_have_count(0)

    assert (await sign_in(page, "a-wrong-token")).status == 401
    await expect(page.get_by_role("alert")).to_have_text(WRONG_TOKEN)
    await expect(page.get_by_label("Token")).to_have_accessible_description(WRONG_TOKEN)
    await expect(page.get_by_label("Token")).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_label("Token")).to_have_value("")
    assert upstream.first_positions == []

    assert (await sign_in(page, TOKEN)).status == 303
    await guest.start_if_asked()
    await guest.sees_it_play(beyond=10)
    await expect(guest.field).to_have_value(link)
    await guest.video.evaluate("(video) => { video.currentTime = 15 }")
    await guest.sees_it_play(beyond=15)


async def test_session_is_out_of_reach_for_scripts_and_other_sites(guest: Viewer) -> None:
    await guest.visit()
    await sign_in(guest.page, TOKEN)
    await expect(guest.field).to_be_visible()
    [cookie] = await guest.page.context.cookies()
    assert cookie.get("httpOnly") is True
    assert cookie.get("sameSite") == "Lax"
    assert cookie.get("domain") == "127.0.0.1"
    assert TOKEN not in cookie.get("value", "")
    assert await guest.page.evaluate("document.cookie") == ""


async def test_token_in_the_address_is_exchanged_and_leaves_no_trace(
    guest: Viewer, upstream: Upstream
) -> None:
    await guest.visit(token=TOKEN, url=upstream.link("/clips/vp8.webm"), t="5")
    await guest.start_if_asked()
    await guest.sees_it_play(beyond=5)
    assert TOKEN not in guest.page.url
    assert await guest.page.evaluate("history.length") <= 2  # a blank page, and this one
    await guest.visit()
    await expect(guest.field).to_be_visible()


async def test_wrong_token_in_the_address_is_said(guest: Viewer) -> None:
    await guest.visit(token="a-wrong-token")
    await expect(guest.page.get_by_role("alert")).to_have_text(WRONG_TOKEN)


async def test_whoever_signs_out_is_out(guest: Viewer, gate: Gate, upstream: Upstream) -> None:
    await guest.visit(token=TOKEN)
    await guest.button("Sign out").click()
    await expect(guest.page.get_by_label("Token")).to_be_visible()
    assert await guest.page.context.cookies() == []
    film = gate.route("stream", upstream.link("/clips/vp8.webm"))
    assert (await guest.page.context.request.get(film)).status == 401
    assert upstream.first_positions == []


async def test_session_that_ends_while_a_film_plays_goes_on_after_signing_in(
    guest: Viewer, upstream: Upstream
) -> None:
    upstream.pace_s *= 2  # the place that is sought must not be held yet
    await guest.visit(token=TOKEN)
    await guest.play(upstream.link("/paced/moov-first.mp4"))
    await guest.sees_it_play()
    await guest.page.context.clear_cookies()
    await guest.video.evaluate("(video) => { video.currentTime = 15 }")
    await expect(guest.problem.get_by_role("heading")).to_have_text("Please sign in")
    await guest.button("Sign in").click()
    await expect(guest.page.get_by_label("Token")).to_be_focused()
    await sign_in(guest.page, TOKEN)
    await guest.start_if_asked()
    await guest.sees_it_play(beyond=15)


@pytest.mark.parametrize("name", ["anna", ""])
async def test_form_takes_a_name_with_a_password_or_a_token_alone(
    page: Page, users_file: str, name: str
) -> None:
    async with guarded(access_token=TOKEN, users_file=users_file) as gate:
        await page.goto(gate.address)
        assert (await sign_in(page, "a-wrong-word", name)).status == 401
        await expect(page.get_by_role("alert")).to_contain_text("do not belong together")
        await sign_in(page, PASSWORD if name else TOKEN, name)
        await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        await expect(page.locator("footer")).to_contain_text(f"Signed in as {name}")


async def test_browser_does_not_ask_over_the_form(page: Page, users_file: str) -> None:
    async with guarded(users_file=users_file) as gate:
        opened = await page.goto(gate.address)
        assert opened is not None
        await expect(page.get_by_label("Name")).to_be_focused()
        refused = await sign_in(page, "a-wrong-word", "anna")
        for answer in (opened, refused):
            challenge = await answer.header_value("WWW-Authenticate") or ""
            assert "basic" not in challenge.lower()
        await sign_in(page, PASSWORD, "anna")
        await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def test_many_wrong_attempts_are_slowed_and_said(guest: Viewer) -> None:
    await guest.visit()
    wait_s = 0
    for _ in range(ATTEMPTS):
        answer = await sign_in(guest.page, "a-wrong-token")
        if answer.status != 401:
            assert answer.status == 429
            wait_s = int(await answer.header_value("Retry-After") or "")
            if wait_s >= LONG_S:
                break
            await asyncio.sleep(wait_s)
    await expect(guest.page.get_by_role("alert")).to_have_text(
        f"Too many wrong attempts. Wait {wait_s} s, then try again."
    )
    # Not even the right one helps now: else guessing could go on.
    assert (await sign_in(guest.page, TOKEN)).status == 429


async def test_where_only_signed_links_count_nobody_is_asked(page: Page) -> None:
    async with guarded(signing_key="a-key-of-this-test-alone") as gate:
        await page.goto(gate.address)
        await expect(page.get_by_role("heading")).to_have_text("Signed links only")
        await expect(page.get_by_role("textbox")).to_have_count(0)


async def test_keyboard_alone_gets_in_and_out(guest: Viewer) -> None:
    keyboard = guest.page.keyboard
    await guest.visit()
    await expect(guest.page.get_by_label("Token")).to_be_focused()
    await keyboard.type(TOKEN)
    await keyboard.press("Enter")
    await expect(guest.field).to_be_visible()
    await guest.button("Sign out").focus()
    await keyboard.press("Enter")
    await expect(guest.page.get_by_label("Token")).to_be_focused()


async def test_signing_in_and_out_needs_no_javascript(browser: Browser, gate: Gate) -> None:
    context = await browser.new_context(java_script_enabled=False)
    try:
        page = await context.new_page()
        await page.goto(gate.address)
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await page.get_by_label("Token").fill(TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Token")).to_be_visible()
    finally:
        await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_form_fits_a_narrow_window_and_can_be_read(
    page: Page, users_file: str, scheme: str
) -> None:
    async with guarded(access_token=TOKEN, users_file=users_file) as gate:
        await page.set_viewport_size(NARROW)
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.goto(gate.address)
        await sign_in(page, "a-wrong-token")
        await expect(page.get_by_role("alert")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        assert await page.evaluate(FAINT_TEXTS) == []
        for control in await page.locator("input, button").all():
            box = await control.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 44
