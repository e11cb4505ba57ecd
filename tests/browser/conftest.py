"""A real Chromium, real clips, a site that serves them, and streamproxy as its users start it."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from once import common_folder, made_once
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright
from subprocesses import finish, process

from .clips import make_clips
from .upstream import Upstream
from .viewer import WAIT_MS, Viewer

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WINDOW = ViewportSize(width=1280, height=800)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests on one event loop: the browser lives on it for the whole session."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def _found(*names: str) -> str:
    """Return the path of a Chromium; without one these tests are skipped, but never in CI."""
    for name in names:
        if path := shutil.which(name):
            return path
    reason = f"no Chromium: none of {', '.join(names)} is installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a Chromium with all that a person has."""
    return _found(*CHROMIUM_NAMES)


@pytest.fixture(scope="session")
def shell() -> str:
    """Return the path of a Chromium without windows where there is one: a fifth of the CPU."""
    return _found("chromium-headless-shell", *CHROMIUM_NAMES)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(shell: str) -> AsyncIterator[Browser]:
    async with launched(shell) as browser:
        yield browser


@asynccontextmanager
async def launched(chromium: str, *flags: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=[*CHROMIUM_FLAGS, *flags]
        )
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of real clips, which the processes of pytest-xdist share."""
    return made_once(common_folder(tmp_path_factory) / "clips", make_clips)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(media: Path) -> AsyncIterator[Upstream]:
    """Start the remote site; it outlives every page, which may ask until it is closed."""
    site = Upstream(media)
    async with served(site.app()) as origin:
        site.origin = origin
        yield site


@pytest.fixture
def upstream(site: Upstream) -> Upstream:
    """Return the remote site in its usual mood."""
    site.calm_down()
    return site


@asynccontextmanager
async def served(app: web.Application, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve an application on an address of loopback and give its origin."""
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, 0)
        await site.start()
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Start streamproxy as a program, give the address it prints, and see that it ends well."""
    log = tmp_path_factory.mktemp("proxy") / "stderr"
    with log.open("wb") as stderr:
        async with process(
            *(sys.executable, "-m", "streamproxy", "--host", "127.0.0.1", "--port", "0"),
            *("--allow-network", "127.0.0.0/8", "--log-file", "-"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        ) as running:
            assert running.stdout is not None
            first_line = await asyncio.wait_for(running.stdout.readline(), START_TIMEOUT_S)
            address = re.search(rb"http://127\.0\.0\.1:\d+/", first_line)
            assert address, f"no address to open in {first_line!r}; {log.read_text()}"
            yield address[0].decode()
            running.terminate()
            await finish(running)
            assert running.returncode == 0, log.read_text()
            assert "Traceback" not in log.read_text()


@pytest.fixture
def complaints() -> list[str]:
    """Collect what the browser complains about; what is left at the end fails the test.

    A test that provokes a complaint clears the list.
    """
    return []


@asynccontextmanager
async def opened_context(
    browser: Browser, complaints: list[str], *, expected: str = r"(?!)", locale: str = "en-GB"
) -> AsyncIterator[BrowserContext]:
    """Open a fresh profile whose console is read: violations of the CSP are said there too.

    :param expected: a pattern of what the browser may say; by default nothing.
    """
    context = await browser.new_context(viewport=WINDOW, locale=locale)
    context.set_default_timeout(WAIT_MS)
    context.on(
        "console",
        lambda message: (
            complaints.append(f"{message.type} of {message.location['url']}: {message.text}")
            if message.type in {"error", "warning"} and not re.search(expected, message.text)
            else None
        ),
    )
    context.on("weberror", lambda failure: complaints.append(f"uncaught: {failure.error}"))
    try:
        yield context
    finally:
        await context.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, complaints: list[str]) -> AsyncIterator[Page]:
    async with opened_context(browser, complaints) as context:
        yield await context.new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def viewer(page: Page, proxy: str) -> Viewer:
    """Return a person at the page, before it is opened."""
    return Viewer(page, proxy)


@pytest_asyncio.fixture(loop_scope="session")
async def trusting_viewer(
    chromium: str, proxy: str, complaints: list[str]
) -> AsyncIterator[Viewer]:
    """Return a person whose browser lets a page play before it was touched."""
    policy = "--autoplay-policy=no-user-gesture-required"
    async with (
        launched(chromium, policy) as browser,
        opened_context(browser, complaints) as context,
    ):
        yield Viewer(await context.new_page(), proxy)
