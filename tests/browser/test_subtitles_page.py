"""Subtitles at the page: files and links in any encoding are shown, moved, and switched off."""

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from .upstream import Upstream
from .viewer import Viewer

POLISH = "Zażółć gęślą jaźń.\nGdzie jesteś, Żaneto? Tuż za tobą, głuptasie."
RUSSIAN = "Привет, как дела? Поезд давно ушёл, что теперь делать?"
JAPANESE = "電車はもう行ってしまいました。\nこれからどうしましょうか。"

# What the tracks hold: for each its label, whether it is shown, and its cues.
_TRACKS = """(video) => [...video.textTracks].map((track) => ({
    label: track.label, language: track.language, mode: track.mode,
    cues: [...track.cues].map((cue) => [cue.startTime, cue.endTime, cue.text]),
}))"""
# What a person reads on the picture now.
_SHOWN = (
    "[...video.textTracks].filter(({ mode }) => mode === 'showing')"
    ".flatMap(({ activeCues }) => [...(activeCues ?? [])])"
)

_DROP = """([name, bytes, link]) => {
    const data = new DataTransfer();
    if (link) data.setData("text/uri-list", link);
    else data.items.add(new File([new Uint8Array(bytes)], name));
    const options = { dataTransfer: data, bubbles: true, cancelable: true };
    document.body.dispatchEvent(new DragEvent("drop", options));
}"""


def srt(text: str) -> str:
    """Return an SRT file whose text is shown for all of a clip."""
    return f"1\n00:00:00,000 --> 00:00:30,000\n{text}\n"


async def tracks(viewer: Viewer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await viewer.video.evaluate(_TRACKS)
    return found


async def choose(viewer: Viewer, name: str, data: bytes) -> None:
    """Load a file by the chooser of the menu."""
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    await viewer.page.locator("#subs-file").set_input_files(file)  # type: ignore[arg-type]


async def reads(viewer: Viewer, text: str) -> None:
    """Wait until a text is on the picture."""
    await viewer.until(f"{_SHOWN}.some(({{ text }}) => text === {json.dumps(text)})")


@pytest_asyncio.fixture(loop_scope="session")
async def playing(viewer: Viewer, upstream: Upstream) -> Viewer:
    await viewer.watch(upstream.link("/clips/moov-first.mp4"))
    return viewer


@pytest.mark.parametrize(
    ("name", "text", "encoding", "language"),
    [
        ("film.pl.srt", POLISH, "cp1250", "pl"),
        ("film.ru.srt", RUSSIAN, "cp1251", "ru"),
        ("film.ja.forced.srt", JAPANESE, "cp932", "ja"),
        ("film.pt-BR.srt", "Não há ação.", "utf-16", "pt-BR"),
        ("film.de.srt", "Schöne Grüße", "utf-8-sig", "de"),
        ("film.srt", "Plain", "ascii", ""),
    ],
)
async def test_file_in_any_encoding_is_shown(
    playing: Viewer, name: str, text: str, encoding: str, language: str
) -> None:
    await choose(playing, name, srt(text).encode(encoding))
    await reads(playing, text)

    (track,) = await tracks(playing)
    assert track["language"] == language
    assert name in track["label"]


async def test_dropped_file_of_another_format_is_shown(playing: Viewer) -> None:
    events = (
        "[V4+ Styles]\n[Events]\nDialogue: 0,0:00:00.00,0:00:30.00,D,,0,0,0,,{\\i1}Hi{\\i0}\\Nyou"
    )
    await playing.page.evaluate(_DROP, ["film.en.ass", list(events.encode()), ""])

    await reads(playing, "<i>Hi</i>\nyou")
    (track,) = await tracks(playing)
    assert track["label"] == "English (film.en.ass)"


async def test_links_are_loaded_by_the_form_and_by_drop(
    playing: Viewer, media: Path, upstream: Upstream
) -> None:
    (media / "film.en.srt").write_text(srt("By the form"))
    (media / "film.fr.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:30.000 line:0\nPar dépôt\n")
    await playing.button("Subtitles").click()
    await playing.page.locator("#subs-link").fill(upstream.link("/clips/film.en.srt"))
    await playing.button("Load").click()
    await reads(playing, "By the form")
    await playing.page.evaluate(_DROP, ["", [], upstream.link("/clips/film.fr.vtt")])
    await reads(playing, "Par dépôt")

    assert [track["mode"] for track in await tracks(playing)] == ["hidden", "showing"]
    await playing.until(f"{_SHOWN}[0].line === 0")
    # The film goes on: what was dropped was no film.
    assert await playing.title.text_content() == "moov-first.mp4"


async def test_tracks_are_switched_by_c_and_by_their_boxes(playing: Viewer) -> None:
    await choose(playing, "film.de.srt", srt("Hallo").encode())
    await reads(playing, "Hallo")
    await choose(playing, "film.en.srt", srt("Hello").encode())
    await reads(playing, "Hello")

    async def modes() -> list[str]:
        return [track["mode"] for track in await tracks(playing)]

    seen = [await modes()]
    for _ in range(3):
        await playing.page.keyboard.press("c")
        seen.append(await modes())
    hidden, showing = "hidden", "showing"
    assert seen == [[hidden, showing], [hidden, hidden], [showing, hidden], [hidden, showing]]
    await playing.button("Subtitles").click()
    await playing.page.get_by_label("German (film.de.srt)").check()
    assert await modes() == [showing, showing]


async def test_offset_moves_the_track_that_is_shown(playing: Viewer) -> None:
    await choose(playing, "film.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHi\n")
    await playing.until("video.textTracks[0]?.cues?.length === 1")

    async def start() -> float:
        (track,) = await tracks(playing)
        return float(track["cues"][0][0])

    for key, expected in (("h", 1.5), ("h", 2.0), ("g", 1.5), ("g", 1.0), ("g", 0.5)):
        await playing.page.keyboard.press(key)
        assert await start() == expected
    await playing.was_shown("Subtitle offset -0.5 s")
    for _ in range(3):  # before the start it does not stick there
        await playing.page.keyboard.press("g")
    assert await start() == 0
    for _ in range(4):
        await playing.page.keyboard.press("h")
    assert await start() == 1


async def test_controls_cover_no_subtitles(playing: Viewer) -> None:
    text = srt("Low\nline") + "\n2\n00:00:00,000 --> 00:00:30,000\n{\\an8}High\n"
    await choose(playing, "film.srt", text.encode())
    await reads(playing, "High")
    resting = "document.getElementById('screen').classList.contains('is-resting')"
    low, high = (
        f"{_SHOWN}.find(({{ text }}) => text.startsWith('{t}')).line" for t in ("Low", "H")
    )

    await playing.page.mouse.move(400, 300)
    await playing.until(f"!{resting} && {low} < -2 && {high} === 0")
    await playing.page.mouse.move(400, 310)
    await playing.until(f"{resting} && {low} === 'auto' && {high} === 0")


async def test_wrong_guess_is_mended_by_naming_the_encoding(playing: Viewer) -> None:
    await choose(playing, "film.srt", srt("Où").encode("cp1252"))
    await playing.until(f"{_SHOWN}.length === 1")
    await playing.button("Subtitles").click()
    await playing.page.get_by_label("Encoding").select_option("windows-1251")
    await reads(playing, "Où".encode("cp1252").decode("cp1251"))

    assert len(await tracks(playing)) == 1


async def test_look_is_remembered(playing: Viewer) -> None:
    await playing.button("Subtitles").click()
    await playing.page.get_by_label("Size").select_option("Large")
    await playing.page.get_by_label("Background").select_option("None")
    await playing.page.reload()
    await playing.start_if_asked()
    await playing.sees_it_play()
    await playing.page.keyboard.press("c")

    await expect(playing.video).to_have_attribute("data-size", "large")
    await expect(playing.video).to_have_attribute("data-back", "none")


async def test_what_is_no_subtitle_says_so(playing: Viewer, complaints: list[str]) -> None:
    await choose(playing, "film.srt", b"<!doctype html><p>00:01 --> 00:02</p>")

    await expect(playing.page.locator("#subs-status")).to_contain_text("These are no subtitles")
    assert await tracks(playing) == []
    complaints.clear()


async def test_markup_in_subtitles_is_text(playing: Viewer) -> None:
    await choose(playing, "film.srt", srt("<img src=x onerror=alert(1)>&lt;b&gt; 1 < 2").encode())

    await reads(playing, "&lt;b&gt; 1 &lt; 2")


async def test_next_film_has_no_subtitles_of_the_last(playing: Viewer, upstream: Upstream) -> None:
    await choose(playing, "film.srt", srt("Hi").encode())
    await reads(playing, "Hi")
    await playing.play(upstream.link("/clips/vp8.webm"))
    await playing.sees_it_play()

    assert await tracks(playing) == []
