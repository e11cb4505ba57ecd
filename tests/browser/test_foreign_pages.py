"""A page of another site cannot make a local streamproxy its tool, unless the owner names it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from .attacks import ATTACKS, LEAVING, script_of
from .conftest import launched
from .gates import Gate, Neighbour, guarded, neighbouring
from .upstream import Upstream
from .viewer import WAIT_MS

CASES = [
    (whose, attack)
    for whose in ("another site", "another port", "nobody")
    for attack in ATTACKS
    # Nobody's page is in a frame here, which shows no icon and has nothing fetched ahead.
    if whose != "nobody" or not attack.startswith(("icon", "speculative"))
]
Outcome = tuple[int, str | None]
REFUSED: set[Outcome] = {(403, "foreign_site")}
TOKEN = "the-right-token"
# What is not asked for because a film is wanted, but for what the answer does or tells.
OTHER_ROUTES = (
    ("api/validate", "fetch"),
    ("api/validate", "fetch_without_cors"),
    ("api/validate", "script"),
    ("api/validate", "navigation"),
    ("login", "form_post"),
    ("login", "fetch_without_cors"),
    ("logout", "form_post"),
    ("logout", "beacon"),
)
# Without a word on cookies these are sent, and by a page on another port they are, too.
WITH_COOKIES = ("video", "image", "fetch_with_cookies", "navigation", "window", "frame")

_WATCH = """([address, cors]) => new Promise((resolve) => {
    const video = document.createElement("video");
    if (cors) video.crossOrigin = cors;
    video.muted = true;
    video.ontimeupdate = () => { if (video.currentTime > 10.5) resolve("plays"); };
    video.onerror = () => resolve(video.error.message);
    video.src = address;
    video.currentTime = 10;
    document.body.append(video);
    video.play();
})"""
_READ = """async ([address]) => {
    const got = await fetch(address, { headers: { Range: "bytes=100-199" } });
    return [got.status, got.headers.get("Content-Range"), (await got.arrayBuffer()).byteLength];
}"""

_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Return a browser that asks for all that a person's does, such as icons."""
    async with launched(chromium) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gate() -> AsyncIterator[Gate]:
    """Start a streamproxy as it is by default: on loopback, for whoever sits there."""
    async with guarded() as gate:
        yield gate


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def locked_gate() -> AsyncIterator[Gate]:
    """Start a streamproxy that asks for a token."""
    async with guarded(access_token=TOKEN) as gate:
        yield gate


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def profile(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Open a profile whose complaints are of no interest: refusals are what is wanted."""
    context = await browser.new_context()
    context.set_default_timeout(WAIT_MS)
    yield context
    await context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def neighbour(profile: BrowserContext) -> AsyncIterator[Neighbour]:
    async with neighbouring(profile) as neighbour:
        yield neighbour


@dataclass(frozen=True)
class Attack:
    """A page of somebody else, and how it asks."""

    neighbour: Neighbour
    whose: str
    name: str

    async def on(self, gate: Gate, address: str) -> set[Outcome]:
        """Attack an address; return how that was answered, once the page has read nothing."""
        mark = f"mark-{next(_numbers)}-"
        frame, site = await self.neighbour.open(self.whose)
        script = frame.evaluate(script_of(self.name), [f"{address}&mark={mark}", site])
        assert await asyncio.wait_for(script, WAIT_MS / 1000) == ""
        await gate.wait_for_answer(mark)
        if self.name in LEAVING:
            # Chromium may not answer when it is told to close a page that is on its way.
            await frame.wait_for_url(f"**{mark}**")
        await frame.page.close()
        return {(answer.status, answer.code) for answer in gate.answers(mark)}


@pytest.mark.parametrize(("whose", "attack"), CASES)
async def test_foreign_page_gets_nothing(
    gate: Gate, neighbour: Neighbour, upstream: Upstream, whose: str, attack: str
) -> None:
    address = gate.route("stream", upstream.link("/clips/vp8.webm"))
    assert await Attack(neighbour, whose, attack).on(gate, address) == REFUSED
    assert upstream.first_positions == []


@pytest.mark.parametrize(("route", "attack"), OTHER_ROUTES)
async def test_foreign_page_can_neither_ask_nor_sign_anybody_in_or_out(
    locked_gate: Gate, neighbour: Neighbour, upstream: Upstream, route: str, attack: str
) -> None:
    await neighbour.visit(f"{locked_gate.address}?token={TOKEN}")
    address = f"{locked_gate.route(route, upstream.link('/clips/vp8.webm'))}&secret={TOKEN}"
    assert await Attack(neighbour, "another port", attack).on(locked_gate, address) == REFUSED
    assert upstream.first_positions == []


@pytest.mark.parametrize("attack", WITH_COOKIES)
@pytest.mark.parametrize("whose", ["another site", "another port"])
async def test_session_of_the_reader_is_of_no_use_to_a_foreign_page(
    locked_gate: Gate, neighbour: Neighbour, upstream: Upstream, whose: str, attack: str
) -> None:
    await neighbour.visit(f"{locked_gate.address}?token={TOKEN}")
    address = locked_gate.route("stream", upstream.link("/clips/vp8.webm"))
    assert await Attack(neighbour, whose, attack).on(locked_gate, address) == REFUSED
    assert upstream.first_positions == []


@pytest.mark.parametrize("cors", ["", "anonymous"])
async def test_page_of_an_origin_that_the_owner_names_plays_and_seeks(
    neighbour: Neighbour, upstream: Upstream, cors: str
) -> None:
    frame, site = await neighbour.open("another site")
    async with guarded(cors_origin=site) as gate:
        address = gate.route("stream", upstream.link("/clips/moov-first.mp4"))
        assert await frame.evaluate(_WATCH, [address, cors]) == "plays"
        await frame.page.close()


async def test_page_of_an_origin_that_the_owner_names_reads_ranges(
    neighbour: Neighbour, upstream: Upstream
) -> None:
    frame, site = await neighbour.open("another site")
    async with guarded(cors_origin=site) as gate:
        address = gate.route("stream", upstream.link("/clips/vp8.webm"))
        status, content_range, size = await frame.evaluate(_READ, [address])
        await frame.page.close()
    assert (status, size) == (206, 100)
    assert content_range.startswith("bytes 100-199/")


@pytest.mark.parametrize("attack", ["fetch", "fetch_without_cors", "video", "navigation"])
@pytest.mark.parametrize("whose", ["another port", "nobody"])
async def test_to_name_one_origin_opens_nothing_to_others(
    neighbour: Neighbour, upstream: Upstream, whose: str, attack: str
) -> None:
    async with guarded(cors_origin=neighbour.elsewhere) as gate:
        address = gate.route("stream", upstream.link("/clips/vp8.webm"))
        assert await Attack(neighbour, whose, attack).on(gate, address) == REFUSED
        assert upstream.first_positions == []
