"""Make the pictures of docs/images/: the page of --demo in its states, on a desk and a phone.

Needs Chromium, and playwright from the extra [test]; no network.

    python tools/make_screenshots.py
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
SCENE_S = 12.4  # where the film is paused, in seconds
DESK = ViewportSize(width=1120, height=860)
PHONE = ViewportSize(width=390, height=844)
SITE_THAT_IS_NOT = "https://films.invalid/film.mp4"

_PAUSE_AT = """(video, time) => new Promise((done) => {
    const pause = () => { video.pause(); video.onseeked = done; video.currentTime = time; };
    if (!video.paused) pause(); else video.onplaying = pause;
})"""


def first(_page: Page) -> None:
    """Leave the page as it opens."""


def playing(page: Page) -> None:
    """Play the sample, and stop at a scene."""
    page.locator("#play").click()
    video = page.locator("video")
    expect(video).to_be_visible()
    video.evaluate(_PAUSE_AT, SCENE_S)


def shortcuts(page: Page) -> None:
    """Show the list of shortcuts over the film."""
    playing(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def problem(page: Page) -> None:
    """Show what is said of a link that leads nowhere, and the sample among the recent ones."""
    playing(page)
    page.locator("#link").fill(SITE_THAT_IS_NOT)
    page.locator("#play").click()
    expect(page.get_by_role("alert")).to_be_visible()


class Picture(NamedTuple):
    """One picture: the state of the page, and how it is looked at."""

    name: str
    state: str
    window: ViewportSize = DESK
    scheme: str = "light"
    language: str = "en"


STATES = {state.__name__: state for state in (first, playing, shortcuts, problem)}
PICTURES = (
    Picture("page", "playing"),
    Picture("first", "first"),
    Picture("shortcuts-dark", "shortcuts", scheme="dark"),
    Picture("problem", "problem"),
    Picture("phone", "playing", PHONE),
    Picture("phone-dark", "playing", PHONE, scheme="dark"),
    Picture("phone-problem-dark", "problem", PHONE, scheme="dark"),
    Picture("phone-german", "first", PHONE, language="de"),
)


def take(browser: Browser, address: str, picture: Picture) -> None:
    """Bring the page into its state and take its picture."""
    page = browser.new_page(
        viewport=picture.window,
        color_scheme="dark" if picture.scheme == "dark" else "light",
        locale=picture.language,
        reduced_motion="reduce",
    )
    page.goto(address)
    STATES[picture.state](page)
    page.screenshot(path=FOLDER / f"{picture.name}.png", animations="disabled")
    page.close()
    print(f"wrote {picture.name}.png")


def main() -> int:
    """Start the demo and take all pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no chromium: install Debian's package of that name", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "streamproxy", "--demo", "--port", "0", "--log-file", "-"]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,  # noqa: S603  # our own program
        sync_playwright() as playwright,
    ):
        try:
            assert server.stdout is not None  # noqa: S101  # it is a pipe
            address = re.findall(r"http://\S+", server.stdout.readline())[0]
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for picture in PICTURES:
                take(browser, address, picture)
            browser.close()
        finally:
            server.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
