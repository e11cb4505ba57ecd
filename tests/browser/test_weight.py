"""What a browser loads to play a film is light; the rest comes when it is used."""

from playwright.async_api import Response

from .upstream import Upstream
from .viewer import Viewer

MAX_WEIGHT = 60 * 1024  # bytes of scripts and style sheets, decoded
# Beyond the first note of where the person is.
LONG_ENOUGH_S = 6


async def test_what_plays_a_film_is_light(viewer: Viewer, upstream: Upstream) -> None:
    loaded: list[Response] = []

    def note(response: Response) -> None:
        loaded.append(response)

    viewer.page.on("response", note)
    await viewer.visit()
    await viewer.play(upstream.link("/clips/moov-first.mp4"))
    await viewer.sees_it_play(beyond=LONG_ENOUGH_S)

    code = [it for it in loaded if it.request.resource_type in {"script", "stylesheet"}]
    own = {it.url: len(await it.body()) for it in code if it.url.startswith(viewer.address)}
    assert len(own) == len({it.url for it in code})
    assert any(url.endswith("/player.js") for url in own)
    assert any(url.endswith("/base.css") for url in own)
    assert sum(own.values()) <= MAX_WEIGHT, own


async def test_part_that_few_people_use_comes_when_it_is_used(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    async with viewer.page.expect_response("**/stats.js"), viewer.page.expect_response("**/*.css"):
        await viewer.page.keyboard.press("s")
    await viewer.page.locator("#stats").wait_for()


async def test_page_says_so_where_a_part_cannot_come(
    viewer: Viewer, upstream: Upstream, complaints: list[str]
) -> None:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    await viewer.page.context.set_offline(offline=True)
    await viewer.page.keyboard.press("s")
    await viewer.page.get_by_text("The proxy does not answer").wait_for()
    complaints.clear()
