"""Firefox plays, seeks, and says what fails."""

import os
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from aiohttp import web

from .clips import SECONDS
from .firefox import Firefox, find_firefox, running_firefox
from .gates import guarded, neighbouring_site
from .upstream import Upstream

TOKEN = "the-right-token"
FROM_ANOTHER_SITE = "Another site filled in this link. Nothing is fetched until you press Play."


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firefox]:
    program = find_firefox()
    if program is None:
        reason = "no Firefox: Debian's package is firefox-esr"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    async with running_firefox(program, tmp_path_factory.mktemp("firefox")) as firefox:
        yield firefox


def gone(_first_pos: int) -> None:
    """Refuse everything from now on."""
    raise web.HTTPGone


async def play(firefox: Firefox, proxy: str, link: str) -> None:
    """Open the page, write a link into it, and press the button."""
    await firefox.visit(proxy)
    await firefox.click("#link")
    await firefox.evaluate("document.querySelector('#link').select()")
    await firefox.type(link)
    await firefox.click("#play")


async def sees_it_play(firefox: Firefox, *, beyond: float = 0) -> None:
    await firefox.until(f"!video.paused && !video.seeking && video.currentTime > {beyond + 1}")


@pytest.mark.parametrize("clip", ["vp8.webm", "moov-first.mp4", "moov-last.mp4"])
async def test_film_plays_and_is_sought(
    firefox: Firefox, proxy: str, upstream: Upstream, clip: str
) -> None:
    await play(firefox, proxy, upstream.link(f"/clips/{clip}"))
    await sees_it_play(firefox)
    assert round(await firefox.evaluate("document.querySelector('video').duration")) == SECONDS
    await firefox.type("5")  # half of the film
    await sees_it_play(firefox, beyond=SECONDS / 2)
    await firefox.type("0")
    await firefox.until(f"video.currentTime < {SECONDS / 2}")
    await sees_it_play(firefox)
    await firefox.type("k")
    await firefox.until("video.paused")


async def test_page_opens_at_a_time(firefox: Firefox, proxy: str, upstream: Upstream) -> None:
    await firefox.visit(f"{proxy}?{urlencode({'url': upstream.link('/clips/vp8.webm'), 't': 10})}")
    await firefox.until("!video.paused || !document.querySelector('#start').hidden")
    if await firefox.evaluate("document.querySelector('video').paused"):
        await firefox.click("#start")
    await sees_it_play(firefox, beyond=10)


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/page.html", "This link is not a video"),
        ("/forbidden/film.mp4", "The site refuses to give the file"),
        ("/broken.mp4", "This browser cannot play the video"),
    ],
)
async def test_what_fails_is_said(
    firefox: Firefox, proxy: str, upstream: Upstream, path: str, title: str
) -> None:
    await play(firefox, proxy, upstream.link(path))
    await firefox.until("document.querySelector('#problem')?.checkVisibility()")
    said = await firefox.evaluate("document.querySelector('#problem-title').textContent")
    assert said == title


async def test_film_that_breaks_off_for_good_is_said(
    firefox: Firefox, proxy: str, upstream: Upstream
) -> None:
    upstream.pace_s *= 2  # the place that is sought must not be held yet
    await play(firefox, proxy, upstream.link("/paced/moov-first.mp4"))
    await sees_it_play(firefox)
    upstream.mood = gone
    await firefox.type("9")
    await firefox.until("document.querySelector('#problem')?.checkVisibility()")
    said = await firefox.evaluate("document.querySelector('#problem-title').textContent")
    assert said == "The file is gone"


async def test_link_of_another_site_waits_though_a_worker_is_installed(
    firefox: Firefox, upstream: Upstream
) -> None:
    async with guarded() as gate, neighbouring_site() as elsewhere:
        await firefox.visit(gate.address)
        await firefox.evaluate("navigator.serviceWorker.ready.then(() => null)")
        await firefox.visit(f"{elsewhere}/empty")
        address = gate.route("", upstream.link("/clips/vp8.webm"))
        await firefox.follow(address)
        await firefox.until("document.querySelector('#status')?.textContent")
        said = await firefox.evaluate("document.querySelector('#status').textContent")
        assert said == FROM_ANOTHER_SITE
        assert upstream.first_positions == []
        await firefox.visit("about:blank")
