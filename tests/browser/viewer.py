"""What a person does at the page, and what is seen there."""

import json
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Locator, Page, expect

# Generous: two busy cores decode video in software.
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)

_UNTIL = """(wait_ms) => new Promise((resolve, reject) => {
    const video = document.querySelector("video");
    const end = performance.now() + wait_ms;
    const look = () => {
        if (CONDITION) resolve();
        else if (performance.now() > end) reject(new Error("never came true: " + TEXT));
        else setTimeout(look, 50);
    };
    look();
})"""

# Keeps what is shown over the picture for a second: a busy machine looks too late for it.
_REMEMBER_FLASHES = """addEventListener("DOMContentLoaded", () => {
    const flash = document.getElementById("flash");
    if (!flash || window.flashes) return;
    window.flashes = [];
    const remember = () => flash.textContent && flashes.push(flash.textContent);
    new MutationObserver(remember).observe(flash, { childList: true });
})"""


class Viewer:
    """A person at the page.

    :param address: where the page is, with the slash at its end.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.field = page.get_by_label("Link to a video")
        self.video = page.locator("video")
        self.title = page.locator("#title")
        self.start = page.locator("#start")
        self.problem = page.get_by_role("alert")
        self.recent = page.get_by_role("region", name="Recent links").get_by_role("listitem")

    async def visit(self, **query: str) -> None:
        await self.page.add_init_script(_REMEMBER_FLASHES)
        await self.page.goto(f"{self.address}?{urlencode(query)}" if query else self.address)

    async def play(self, link: str) -> None:
        await self.field.fill(link)
        await self.page.locator("#play").click()

    async def watch(self, link: str) -> None:
        """Open the page, play a link there, and see it play."""
        await self.visit()
        await self.play(link)
        await self.sees_it_play()

    async def open_at(self, link: str, time: str) -> None:
        """Open the page at a link and a time, and let it play."""
        await self.visit(url=link, t=time)
        await self.start_if_asked()

    async def start_if_asked(self) -> None:
        """Start what waits for it: whether a look by Playwright counts as a touch is a race."""
        await self.until("!video.paused || !document.getElementById('start').hidden")
        if await self.start.is_visible():
            await self.start.click()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def until(self, condition: str) -> None:
        """Wait until a condition in JavaScript about ``video`` or the document holds.

        Page.wait_for_function evaluates text inside the page, which its policy forbids.
        """
        script = _UNTIL.replace("CONDITION", condition).replace("TEXT", json.dumps(condition))
        await self.page.evaluate(script, WAIT_MS)

    async def sees_it_play(self, *, beyond: float = 0) -> None:
        """Wait until a second beyond a position has really been played."""
        await self.until(f"!video.paused && !video.seeking && video.currentTime > {beyond + 1}")

    async def was_shown(self, word: str) -> None:
        """Wait until a word is the last one that was shown over the picture."""
        await self.until(f"flashes.at(-1) === {json.dumps(word)}")

    async def about_video(self, name: str) -> Any:
        """Return a property of the video element."""
        return await self.video.evaluate("(video, name) => video[name]", name)

    async def position(self) -> float:
        return float(await self.about_video("currentTime"))
