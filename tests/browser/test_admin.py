"""The owner sees what runs, while it runs, and ends what should not."""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientError, ClientResponse, ClientSession, web
from playwright.async_api import Browser, Page, expect
from upstreams import CONTENT, Exchange, RawUpstream, raw_upstream, response

from streamproxy import Settings, create_app
from streamproxy.access.passwords import hash_password

from .conftest import opened_context, served
from .gates import guarded

TOKEN = "the-token-of-the-owner"


@pytest_asyncio.fixture(loop_scope="session")
async def film() -> AsyncIterator[RawUpstream]:
    """Start a site that sends a mebibyte of four, and then waits."""

    async def answer(exchange: Exchange) -> None:
        fields = {"Content-Type": "video/mp4", "Content-Length": str(4 * len(CONTENT))}
        await exchange.send(response("200 OK", fields), CONTENT)
        await exchange.wait_closed()

    async with raw_upstream(answer) as upstream:
        yield upstream


@asynccontextmanager
async def playing(address: str, link: str) -> AsyncIterator[ClientResponse]:
    async with ClientSession() as client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with client.get(f"{address}stream", params={"url": link}, headers=headers) as got:
            await got.content.readexactly(len(CONTENT))
            yield got


async def test_streams_are_shown_while_they_run(page: Page, film: RawUpstream) -> None:
    async with guarded(readers=page.context) as gate:
        await page.goto(f"{gate.address}admin")
        await expect(page.get_by_role("status")).to_have_text("Live.")
        await expect(page.get_by_text("Nothing is streamed.")).to_be_visible()
        async with playing(gate.address, film.link("/secret.mp4?token=secret")):
            row = page.get_by_role("row").nth(1)
            await expect(row).to_contain_text("127.0.0.1")
            await expect(row).to_contain_text("1 MB")
            await expect(page.locator("#streams")).to_have_text("1")
            await expect(page.locator("#rate-graph")).to_have_attribute(
                "points", re.compile(r"^(\d+,[\d.]+ ){2,}")
            )
            assert "secret" not in await page.content()
        await expect(page.get_by_text("Nothing is streamed.")).to_be_visible()
        await expect(page.locator("#streams")).to_have_text("0")


async def test_stream_is_ended_by_its_button(page: Page, film: RawUpstream) -> None:
    async with guarded(readers=page.context) as gate:
        await page.goto(f"{gate.address}admin")
        async with playing(gate.address, film.link()) as got:
            name = "End the stream of 127.0.0.1 from 127.0.0.1"
            await page.get_by_role("button", name=name).click()
            with pytest.raises(ClientError):
                await got.read()
            await expect(page.get_by_text("Nothing is streamed.")).to_be_visible()


async def test_page_works_under_a_prefix(page: Page, film: RawUpstream) -> None:
    parent = web.Application()
    parent.add_subapp("/video/", create_app(Settings.parse(allow_network="127.0.0.0/8")))
    async with served(parent) as origin:
        await page.goto(f"{origin}/video/admin")
        async with playing(f"{origin}/video/", film.link()) as got:
            await page.get_by_role("button", name="End the stream").click()
            with pytest.raises(ClientError):
                await got.read()
        await page.close()  # which would ask the server when that has gone


async def test_page_speaks_the_language_of_its_reader(browser: Browser, film: RawUpstream) -> None:
    async with guarded() as gate:
        context = await browser.new_context(locale="de-DE")
        page = await context.new_page()
        await page.goto(f"{gate.address}admin")
        await expect(page.get_by_role("heading", name="Was hier läuft")).to_be_visible()
        async with playing(gate.address, film.link()):
            await expect(page.get_by_role("button", name="beenden")).to_be_visible()
        await context.close()


async def test_owner_signs_in_and_others_are_refused(browser: Browser, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"anna:{hash_password('opensesame')}\n")
    async with (
        guarded(access_token=TOKEN, users_file=str(users)) as gate,
        opened_context(browser, [], expected="status of (401|403|404)") as context,
    ):
        page = await context.new_page()
        await page.goto(f"{gate.address}admin")
        await expect(page.locator("#secret")).to_be_visible()
        await page.goto(f"{gate.address}admin?token={TOKEN}")
        await expect(page.get_by_role("status")).to_have_text("Live.")
        assert TOKEN not in page.url
        await context.clear_cookies()
        await page.goto(f"{gate.address}admin")
        await page.locator("#user").fill("anna")
        await page.locator("#secret").fill("opensesame")
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(gate.address)
        refused = await page.goto(f"{gate.address}admin")
        assert refused is not None
        assert refused.status == 403


async def test_page_asks_where_the_server_cannot_tell(
    page: Page, film: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp_sse", None)  # as if it was not installed
    async with guarded(readers=page.context) as gate:
        await page.goto(f"{gate.address}admin")
        await expect(page.get_by_role("status")).to_contain_text("every two seconds")
        async with playing(gate.address, film.link()):
            await expect(page.locator("#streams")).to_have_text("1")


async def test_page_becomes_the_form_where_the_owner_is_signed_out(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp_sse", None)
    async with (
        guarded(access_token=TOKEN) as gate,
        opened_context(browser, [], expected="status of (401|404)") as context,
    ):
        page = await context.new_page()
        await page.goto(f"{gate.address}admin?token={TOKEN}")
        await expect(page.get_by_role("status")).to_contain_text("every two seconds")
        await context.clear_cookies()
        await expect(page.get_by_label("Token")).to_be_visible()


@pytest.mark.parametrize("status", [401, 403])
async def test_page_that_was_never_answered_is_not_loaded_again_and_again(
    page: Page, complaints: list[str], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """As behind a reverse proxy that lets in to the page only."""
    monkeypatch.setitem(sys.modules, "aiohttp_sse", None)
    await page.route("**/api/sessions", lambda route: route.fulfill(status=status, body="{}"))
    async with guarded() as gate:
        await page.goto(f"{gate.address}admin")
        for _ in range(3):
            async with page.expect_response("**/api/sessions"):
                pass
        await expect(page.get_by_role("status")).to_contain_text("The proxy does not answer")
        assert [answer.path for answer in gate.answers()].count("/admin") == 1
        await page.close()
    complaints.clear()


async def test_no_site_frames_the_page(page: Page) -> None:
    async with guarded(readers=page.context) as gate:
        got = await page.goto(f"{gate.address}admin")
        assert got is not None
        policy = got.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
