"""Make short real clips, with the codecs that browsers play."""

import math
import random
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

SECONDS = 20
WIDTH, HEIGHT = 320, 180
_FRAMES_PER_SECOND = 25
_SAMPLES_PER_SECOND = 48_000
# Noise does not compress: clips of megabytes are not swallowed whole before the first seek.
_NOISE = random.Random(180).randbytes(4 * WIDTH * HEIGHT)  # noqa: S311 - a picture, no secret


def make_clips(folder: Path) -> None:
    """Write moov-last.mp4, moov-first.mp4, vp8.webm, vp9.webm and sound.webm, each of SECONDS."""
    encode(folder / "moov-last.mp4", video="libx264", audio="aac", options={"preset": "ultrafast"})
    _move_index_first(folder / "moov-last.mp4", folder / "moov-first.mp4")
    # Each encoder's fastest setting: VP8 at 8 takes ten times as long as at 16.
    for name, codec, speed in (("vp8", "libvpx", "16"), ("vp9", "libvpx-vp9", "8")):
        options = {"deadline": "realtime", "cpu-used": speed, "lag-in-frames": "0"}
        encode(folder / f"{name}.webm", video=codec, audio="libopus", options=options)
    _keep_sound(folder / "vp8.webm", folder / "sound.webm")


def encode(
    path: Path, *, video: str, audio: str, options: dict[str, str], seconds: int = SECONDS
) -> None:
    """Write a clip with these codecs."""
    with av.open(path, "w") as container:
        pictures = container.add_stream(video, rate=_FRAMES_PER_SECOND, options=options)
        assert isinstance(pictures, VideoStream)
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        pictures.bit_rate = 3_000_000
        # A key frame each second: a seek then decodes little, also on a slow machine.
        pictures.gop_size = _FRAMES_PER_SECOND
        sound = container.add_stream(audio, rate=_SAMPLES_PER_SECOND)
        assert isinstance(sound, AudioStream)
        sound.layout = "mono"
        resampler = av.AudioResampler(format=sound.format, layout="mono", rate=_SAMPLES_PER_SECOND)
        for second in range(seconds):
            for index in range(second * _FRAMES_PER_SECOND, (second + 1) * _FRAMES_PER_SECOND):
                container.mux(pictures.encode(_picture(index)))
            for frame in resampler.resample(_tone(second)):
                container.mux(sound.encode(frame))
        for frame in resampler.resample(None):
            container.mux(sound.encode(frame))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))


def _move_index_first(source: Path, target: Path) -> None:
    with (
        av.open(source) as whole,
        av.open(target, "w", options={"movflags": "faststart"}) as container,
    ):
        streams = {
            stream.index: container.add_stream_from_template(stream) for stream in whole.streams
        }
        for packet in whole.demux():
            # The demuxer ends with an empty packet for each stream.
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                container.mux(packet)


def _keep_sound(source: Path, target: Path) -> None:
    with av.open(source) as whole, av.open(target, "w") as container:
        sound = container.add_stream_from_template(whole.streams.audio[0])
        for packet in whole.demux(audio=0):
            if packet.dts is not None:
                packet.stream = sound
                container.mux(packet)


def _picture(index: int) -> av.VideoFrame:
    """Return a frame of noise that rolls upwards, its colour turning with time."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    turn = 2 * math.pi * index / (SECONDS * _FRAMES_PER_SECOND)
    shift = (index * 7919) % (3 * WIDTH * HEIGHT)
    luma, *chroma = frame.planes
    luma.update(_NOISE[shift : shift + luma.buffer_size])
    for plane, angle in zip(chroma, (turn, turn + math.pi / 2), strict=True):
        plane.update(bytes([128 + round(90 * math.sin(angle))]) * plane.buffer_size)
    frame.pts = index
    frame.time_base = Fraction(1, _FRAMES_PER_SECOND)
    return frame


def _tone(second: int) -> av.AudioFrame:
    """Return one second of a quiet hum."""
    frame = av.AudioFrame(format="s16", layout="mono", samples=_SAMPLES_PER_SECOND)
    wave = (
        round(1500 * math.sin(2 * math.pi * 220 * at / _SAMPLES_PER_SECOND))
        for at in range(_SAMPLES_PER_SECOND)
    )
    frame.planes[0].update(b"".join(sample.to_bytes(2, "little", signed=True) for sample in wave))
    frame.sample_rate = _SAMPLES_PER_SECOND
    frame.pts = second * _SAMPLES_PER_SECOND
    frame.time_base = Fraction(1, _SAMPLES_PER_SECOND)
    return frame
