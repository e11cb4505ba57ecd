"""What the browser cannot decode is named; what was never there is not missed."""

import re
from functools import partial
from pathlib import Path

import av
import pytest
from once import made_once
from playwright.async_api import expect

from .clips import encode
from .upstream import Upstream
from .viewer import Viewer

QUIET = {"preset": "ultrafast", "x265-params": "log-level=none"}
HEVC, AC3 = "HEVC (H.265)", "Dolby Digital (AC-3)"


@pytest.fixture(scope="module")
def clips(media: Path) -> None:
    """Add clips with what Chromium does not decode, and with one track alone."""
    made_once(media / "codecs", partial(make, media))


def make(media: Path, folder: Path) -> None:
    for name, video, audio in (
        *(("hevc.mp4", "libx265", "aac"), ("ac3.mp4", "libx264", "ac3")),
        *(("hevc.mkv", "libx265", "aac"), ("ac3.mkv", "libx264", "ac3")),
        ("hevc-ac3.mkv", "libx265", "ac3"),
    ):
        encode(folder / name, video=video, audio=audio, options=QUIET, seconds=8)
    for kind in ("video", "audio"):
        take(media / "moov-last.mp4", folder / f"only-{kind}.mp4", kind)
        take(media / "vp8.webm", folder / f"only-{kind}.webm", kind)


def take(source: Path, target: Path, kind: str) -> None:
    """Copy the tracks of one kind."""
    with av.open(source) as whole, av.open(target, "w") as container:
        chosen = next(stream for stream in whole.streams if stream.type == kind)
        track = container.add_stream_from_template(chosen)
        for packet in whole.demux(chosen):
            if packet.dts is not None:
                packet.stream = track
                container.mux(packet)


@pytest.mark.usefixtures("clips")
@pytest.mark.parametrize(
    ("clip", "title", "codec"),
    [
        ("hevc.mp4", "The picture cannot be shown here", HEVC),
        ("hevc.mkv", "The picture cannot be shown here", HEVC),
        ("ac3.mp4", "The sound cannot be played here", AC3),
        ("ac3.mkv", "The sound cannot be played here", AC3),
    ],
)
async def test_half_that_cannot_be_decoded_is_named_while_the_other_plays(
    viewer: Viewer, upstream: Upstream, clip: str, title: str, codec: str
) -> None:
    await viewer.watch(upstream.link(f"/clips/codecs/{clip}"))
    await expect(viewer.problem.get_by_role("heading")).to_have_text(title)
    await expect(viewer.problem).to_contain_text(f"This browser cannot decode {codec}.")
    assert not await viewer.about_video("paused")
    await expect(viewer.problem.get_by_role("button", name="Try again")).to_be_hidden()
    download = viewer.problem.get_by_role("link", name="Download")
    await expect(download).to_have_attribute("download", clip)
    await expect(download).to_have_attribute("href", re.compile(r"^stream\?url="))


@pytest.mark.usefixtures("clips")
@pytest.mark.parametrize(("clip", "codec"), [("hevc.mkv", HEVC), ("ac3.mkv", AC3)])
async def test_codec_that_is_known_to_be_missing_is_said_before_it_plays(
    viewer: Viewer, upstream: Upstream, clip: str, codec: str
) -> None:
    await viewer.visit(url=upstream.link(f"/clips/codecs/{clip}"))  # which nobody has touched
    await expect(viewer.problem).to_contain_text("This browser may not play all of it")
    await expect(viewer.problem).to_contain_text(codec)


@pytest.mark.usefixtures("clips")
async def test_file_of_which_nothing_can_be_decoded_is_refused_by_name(
    viewer: Viewer, upstream: Upstream
) -> None:
    await viewer.visit()
    await viewer.play(upstream.link("/clips/codecs/hevc-ac3.mkv"))
    await expect(viewer.problem).to_contain_text("Code: media_unsupported")
    await expect(viewer.problem).to_contain_text(f"this browser cannot decode {HEVC}, {AC3}.")


@pytest.mark.usefixtures("clips")
@pytest.mark.parametrize(
    "clip",
    [
        *(f"codecs/only-{kind}" for kind in ("video.mp4", "video.webm", "audio.mp4", "audio.webm")),
        *("moov-first.mp4", "moov-last.mp4", "vp8.webm", "vp9.webm"),
    ],
)
async def test_what_plays_whole_is_not_accused(
    viewer: Viewer, upstream: Upstream, clip: str
) -> None:
    await viewer.visit()
    await viewer.play(upstream.link(f"/clips/{clip}"))
    await viewer.sees_it_play(beyond=4)
    await expect(viewer.problem).to_be_hidden()
