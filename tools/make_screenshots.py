"""Make the pictures of docs/images/: each state of the page, on a desk and a phone.

Needs Chromium, and playwright from the extra [test]; no network: the films are its own.

    python tools/make_screenshots.py [STATE ...]
"""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple
from urllib.parse import quote, urljoin

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "images"
FILM = (ROOT / "static" / "sample.mp4").read_bytes()
BROKEN = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(65_536)
VIDEO = "video[src]"  # where no script runs, the page has another one, too
STYLED = "[...document.querySelectorAll('[rel=stylesheet]')].every(({ sheet }) => sheet)"
SCENE_S = 12.4  # where the film is paused, in seconds
DESK = ViewportSize(width=1120, height=860)
PHONE = ViewportSize(width=390, height=844)
WAIT_MS = 20_000
FILMS = ("harbour.mp4", "train.mp4", "garden.mp4", "snow.mp4", "market.mp4", "tide.mp4")


class Site(BaseHTTPRequestHandler):
    """A site of films; the first part of a path says in which way it gives them."""

    def do_GET(self) -> None:
        """Answer with a film, or with what makes trouble."""
        way = self.path.split("/")[1]
        if way == "silent":
            Event().wait()  # as long as the script runs
        body = {"broken": BROKEN, "long": FILM * 50}.get(way, FILM)
        pace = {"paced": 8_000, "long": 80_000}.get(way, len(body))  # bytes each tenth of a second
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        if way != "unmeasured":  # from what has a length, the proxy cuts ranges
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # the person went elsewhere
            for at in range(0, len(body), pace):
                self.wfile.write(body[at : at + pace])
                time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        """Say nothing: the script says what it made."""


class Places(NamedTuple):
    """The addresses that the states need: of the page, one that asks who comes, and the site."""

    page: str
    gate: str
    site: str


State = Callable[[Page, Places], object]


def wait_until(video: Locator, condition: str) -> None:
    """Wait for a condition in JavaScript; asked from here, as a page may run no scripts."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while not video.evaluate(f"(video) => {condition}"):
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        video.page.wait_for_timeout(50)


def stop_at(page: Page, position: float, *, seeks: bool = True) -> None:
    """Pause the film at a scene, once it plays there: its controls stay."""
    video = page.locator(VIDEO)
    wait_until(video, "video.currentTime > 0")
    if seeks:
        video.evaluate("(video, to) => { video.currentTime = to; }", position)
    wait_until(video, f"video.currentTime > {position} && !video.seeking && video.readyState > 1")
    video.evaluate("(video) => video.pause()")


def play(page: Page, link: str) -> None:
    """Do what a person does with a link."""
    page.locator("#link").fill(link)
    page.locator("#play").click()


def opened(address: str) -> State:
    """Return the state in which a page opens."""
    return lambda page, at: page.goto(address.format(at=at))


def playing(page: Page, _at: Places) -> None:
    """Play the sample, and stop at a scene."""
    page.locator("#play").click()
    stop_at(page, SCENE_S)


def over_the_film(button: str, sees: str) -> State:
    """Return the state in which a button has shown something over the sample."""

    def press(page: Page, at: Places) -> None:
        playing(page, at)
        page.locator(button).dispatch_event("click")  # it may be in a menu
        expect(page.locator(sees)).to_be_visible()

    return press


def after_the_film(link: str, sees: str) -> State:
    """Return the state that the page has of a link, with the sample among the recent ones."""

    def ask(page: Page, at: Places) -> None:
        playing(page, at)
        play(page, urljoin(at.site, link))
        expect(page.locator(sees)).to_be_visible()

    return ask


def statistics(page: Page, at: Places) -> None:
    """Show the figures while the film still comes: later some of them are empty."""
    play(page, f"{at.site}paced/film.mp4")
    wait_until(page.locator(VIDEO), "video.currentTime > 1")
    page.locator("#statistics").dispatch_event("click")
    for figure in ("received", "sent"):
        expect(page.locator(f"#stats-{figure}")).to_contain_text("/s")
    stop_at(page, 1, seeks=False)


def locked(page: Page, at: Places) -> None:
    """Play what can only be played from its start."""
    play(page, f"{at.site}unmeasured/film.mp4")
    stop_at(page, 3, seeks=False)
    expect(page.locator("#locked")).to_be_visible()


def resuming(page: Page, at: Places) -> None:
    """Come back to a film that was left on the way."""
    playing(page, at)
    page.reload()
    expect(page.locator("#resume")).to_be_visible()
    wait_until(page.locator(VIDEO), "!video.seeking && video.readyState > 1")


def recent(page: Page, at: Places) -> None:
    """Come back after so many films that they can be searched, one of them pinned."""
    for number, name in enumerate(FILMS):
        play(page, f"{at.site}{name}")
        expect(page.locator("#title")).to_have_text(name)
        stop_at(page, 8 * (number + 1))
    page.goto(at.page)
    page.locator(".row-pin").nth(2).click()


def removed(page: Page, at: Places) -> None:
    """Remove one of the recent films."""
    recent(page, at)
    page.locator(".row-remove").nth(1).click()


def plain(page: Page, at: Places) -> None:
    """Play the sample where no script runs."""
    link = page.locator("#link").get_attribute("data-sample") or ""
    page.goto(f"{at.page}?url={quote(link, safe='')}")
    page.locator(VIDEO).evaluate("(video) => { video.muted = true; video.play(); }")
    stop_at(page, SCENE_S)


def admin(page: Page, at: Places) -> None:
    """Show the owner one running stream, until its graphs have some length."""
    page.goto(f"{at.page}admin")
    stream = f"stream?url={quote(f'{at.site}long/film.mp4', safe='')}"
    page.evaluate("(stream) => { fetch(stream).then((film) => film.blob()); }", stream)
    expect(page.locator("#rows tr")).to_contain_text(re.compile("0:0[89]"))


STATES: dict[str, State] = {
    "first": opened("{at.page}"),
    "checking": after_the_film("silent/film.mp4", "#cancel"),
    "playing": playing,
    "settings": over_the_film("#settings", "#menu"),
    "subtitles": over_the_film("#captions", "#subtitles"),
    "shortcuts": over_the_film("#help", "#shortcuts"),
    "statistics": statistics,
    "locked": locked,
    "resuming": resuming,
    "problem": after_the_film("https://films.invalid/film.mp4", "#problem"),
    "unplayable": after_the_film("broken/film.mp4", "#download"),
    "recent": recent,
    "removed": removed,
    "plain": plain,
    "offline": opened("{at.page}offline"),
    "login": opened("{at.gate}"),
    "admin": admin,
}


class Picture(NamedTuple):
    """One picture: the state of the page, and how it is looked at."""

    name: str
    state: str
    window: ViewportSize = DESK
    scheme: str = "light"
    language: str = "en"


# The README and the page of the documentation show these by their names.
KNOWN = (
    Picture("page", "playing"),
    Picture("first", "first"),
    Picture("shortcuts-dark", "shortcuts", scheme="dark"),
    Picture("problem", "problem"),
    Picture("phone", "playing", PHONE),
    Picture("phone-dark", "playing", PHONE, scheme="dark"),
    Picture("phone-problem-dark", "problem", PHONE, scheme="dark"),
    Picture("phone-german", "first", PHONE, language="de"),
)


def pictures() -> Iterator[Picture]:
    """Return all pictures: each state in both windows, and none twice."""
    yield from KNOWN
    taken = [(it.state, it.window) for it in KNOWN if it.language == "en"]
    for state in STATES:
        for form, window, scheme in (("desk", DESK, "light"), ("phone", PHONE, "dark")):
            if (state, window) not in taken:
                yield Picture(f"states/{state}-{form}", state, window, scheme)


def take(browser: Browser, at: Places, picture: Picture) -> None:
    """Bring the page into its state and take its picture."""
    page = browser.new_page(
        viewport=picture.window,
        color_scheme="dark" if picture.scheme == "dark" else "light",
        locale=picture.language,
        reduced_motion="reduce",
        java_script_enabled=picture.state != "plain",
    )
    page.goto(at.page)
    STATES[picture.state](page, at)
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    wait_until(page.locator("head"), STYLED)
    page.screenshot(path=FOLDER / f"{picture.name}.png", animations="disabled")
    page.close()
    print(f"wrote {picture.name}.png")


@contextmanager
def proxy(*options: str) -> Iterator[str]:
    """Run a streamproxy; its address is given."""
    command = [sys.executable, "-m", "streamproxy", "--port", "0", "--log-file", "-", *options]
    with subprocess.Popen(  # noqa: S603  # our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None  # noqa: S101  # it is a pipe
            yield re.findall(r"http://\S+", server.stdout.readline())[0]
        finally:
            server.terminate()


def main(wanted: list[str]) -> int:
    """Take all pictures, or those of some states."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no chromium: install Debian's package of that name", file=sys.stderr)
        return 1
    expect.set_options(timeout=WAIT_MS)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Site) as site,
        proxy("--demo", "--allow-network", "127.0.0.0/8", "--shutdown-grace", "1") as page,
        proxy("--access-token", "the-token-of-the-owner") as gate,
        sync_playwright() as playwright,
    ):
        Thread(target=site.serve_forever, daemon=True).start()
        at = Places(page, gate, f"http://127.0.0.1:{site.server_port}/")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for picture in pictures():
            if not wanted or picture.state in wanted:
                take(browser, at, picture)
        browser.close()
        site.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
