"""The figures over the picture are those of what plays."""

import re

from playwright.async_api import Locator, expect

from .clips import HEIGHT, WIDTH
from .upstream import Upstream
from .viewer import Viewer


def figure(viewer: Viewer, name: str) -> Locator:
    return viewer.page.locator("#stats div").filter(has_text=name).locator("dd")


async def play(viewer: Viewer, upstream: Upstream, clip: str) -> None:
    await viewer.watch(upstream.link(clip))
    await viewer.page.keyboard.press("s")
    await expect(viewer.page.locator("#stats")).to_be_visible()


async def test_figures_tell_what_plays(viewer: Viewer, upstream: Upstream) -> None:
    await play(viewer, upstream, "/clips/moov-first.mp4")
    await viewer.video.evaluate("(video) => video.pause()")
    width = await viewer.about_video("clientWidth")
    shown = min(width / WIDTH, await viewer.about_video("clientHeight") / HEIGHT)
    picture = f"{int(shown * WIDTH + 0.5)}\u00d7{int(shown * HEIGHT + 0.5)}"
    await expect(figure(viewer, "Resolution")).to_have_text(
        f"{WIDTH}\u00d7{HEIGHT}, shown at {picture}"
    )
    await expect(figure(viewer, "From")).to_have_text(upstream.origin.removeprefix("http://"))
    await expect(figure(viewer, "Type")).to_have_text("video/mp4")
    await expect(figure(viewer, "Byte ranges")).to_have_text("Yes")
    await expect(figure(viewer, "Checked in")).to_have_text(re.compile(r"^[\d.,]+ ms$"))
    await viewer.until(
        """(() => {
            const figures = document.querySelectorAll("#stats dd");
            const [ahead, frames] = [1, 2].map((index) => figures[index].textContent);
            const { droppedVideoFrames, totalVideoFrames } = video.getVideoPlaybackQuality();
            return Math.abs(parseFloat(ahead) - (video.buffered.end(0) - video.currentTime)) < 0.2
                && frames === `${droppedVideoFrames} of ${totalVideoFrames}`
                && totalVideoFrames > 20;
        })()"""
    )


async def test_rate_is_that_at_which_bytes_come(viewer: Viewer, upstream: Upstream) -> None:
    # It is sent at 800 kB/s.
    await play(viewer, upstream, "/paced/moov-first.mp4")
    await expect(figure(viewer, "Receiving (estimate)")).to_have_text(
        re.compile(r"^([4-9]\d\d kB|1(\.\d)? MB)/s$")
    )


async def test_whole_film_in_the_buffer_receives_nothing(
    viewer: Viewer, upstream: Upstream
) -> None:
    await play(viewer, upstream, "/clips/moov-first.mp4")
    await viewer.until("video.buffered.end(0) > video.duration - 0.5")
    await expect(figure(viewer, "Receiving (estimate)")).to_have_text("0 bytes/s")


async def test_link_without_length_and_ranges_is_told(viewer: Viewer, upstream: Upstream) -> None:
    await play(viewer, upstream, "/unmeasured/vp8.webm")
    await expect(figure(viewer, "Byte ranges")).to_have_text("No")
    await expect(figure(viewer, "Receiving (estimate)")).to_have_text("\u2013")


async def test_figures_move_only_while_they_are_shown(viewer: Viewer, upstream: Upstream) -> None:
    await play(viewer, upstream, "/clips/moov-first.mp4")
    await viewer.page.locator("#settings").click()
    button = viewer.page.locator("#statistics")
    await expect(button).to_have_attribute("aria-pressed", "true")
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "false")
    await expect(viewer.page.locator("#stats")).to_be_hidden()
    before = await viewer.page.locator("#stats").text_content()
    await viewer.until("video.currentTime > 5")
    assert await viewer.page.locator("#stats").text_content() == before


async def test_server_tells_what_it_has_sent(viewer: Viewer, upstream: Upstream) -> None:
    await play(viewer, upstream, "/paced/moov-first.mp4")
    sent = figure(viewer, "Sent by this server")
    await expect(sent).to_have_text(re.compile(r"^[\d.]+ [kM]B at [\d.]+ [kM]B/s$"))
