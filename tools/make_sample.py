"""Make static/sample.mp4, the video of --demo: a ball on its way, and the time.

Drawn by this script and encoded with PyAV (in the extra [test]); it needs no network.

    python tools/make_sample.py
"""

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

WIDTH, HEIGHT, RATE, SECONDS = 640, 360, 25, 60
SAMPLE_RATE = 44100
TARGET = Path(__file__).resolve().parent.parent / "static" / "sample.mp4"

# Which of the seven segments are lit: top, upper left, upper right, middle, lower left,
# lower right, bottom.
DIGITS = (
    *("1110111", "0010010", "1011101", "1011011", "0111010"),
    *("1101011", "1101111", "1010010", "1111111", "1111011"),
)
SEGMENTS = (  # left, top, width, height
    (4, 0, 32, 6),
    (0, 4, 6, 30),
    (34, 4, 6, 30),
    (4, 33, 32, 6),
    (0, 38, 6, 30),
    (34, 38, 6, 30),
    (4, 66, 32, 6),
)
WHITE = (244, 244, 248)


def draw_digit(image: Image, left: int, top: int, digit: int) -> None:
    """Draw one digit of 40 by 72 pixels in the way of a seven-segment display."""
    for lit, (x, y, width, height) in zip(DIGITS[digit], SEGMENTS, strict=True):
        if lit == "1":
            image[top + y : top + y + height, left + x : left + x + width] = WHITE


def draw_frame(number: int) -> Image:
    """Return one frame as (height, width, 3) bytes: a dusk, a ball, minutes and seconds."""
    time = number / RATE
    rows = np.linspace(0, 1, HEIGHT)[:, None]
    shade = 0.5 + 0.5 * math.sin(2 * math.pi * time / SECONDS)
    colours = ((30 + 60 * shade) + 90 * rows, 40 + 30 * rows, 90 + 60 * (1 - rows))
    image = np.repeat(np.stack([c.astype(np.uint8) for c in colours], axis=-1), WIDTH, axis=1)
    x = WIDTH * (0.5 + 0.42 * math.sin(2 * math.pi * time / 8))
    y = HEIGHT * (0.86 - 0.3 * abs(math.sin(2 * math.pi * time / 2)))
    grid_y, grid_x = np.ogrid[:HEIGHT, :WIDTH]
    image[(grid_x - x) ** 2 + (grid_y - y) ** 2 < 26**2] = (255, 196, 61)
    minutes, seconds = divmod(int(time), 60)
    for left, digit in zip(
        (212, 264, 336, 388), (*divmod(minutes, 10), *divmod(seconds, 10)), strict=True
    ):
        draw_digit(image, left, 64, digit)
    for top in (84, 108):
        image[top : top + 8, 316:324] = WHITE
    done = int(WIDTH * number / (RATE * SECONDS))
    image[-4:, :done] = (255, 196, 61)
    return image


def make_tone() -> npt.NDArray[np.float32]:
    """Return the sound, (1, samples): a soft note each second, an octave up each ten."""
    time = np.arange(SAMPLE_RATE * SECONDS) / SAMPLE_RATE
    second = time % 1
    pitch = np.where(time.astype(int) % 10 == 0, 880.0, 440.0)
    tone = 0.12 * np.sin(2 * np.pi * pitch * second) * np.exp(-9 * second)
    return tone.astype(np.float32)[None, :]


def main() -> None:
    """Encode the film with its index first, so that it begins at once."""
    with av.open(str(TARGET), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream(
            "libx264", rate=RATE, options={"crf": "30", "preset": "veryslow"}
        )
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.gop_size = 2 * RATE
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 48_000
        for number in range(RATE * SECONDS):
            frame = av.VideoFrame.from_ndarray(draw_frame(number), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        tone = make_tone()
        for start in range(0, tone.shape[1], 1024):
            sound = av.AudioFrame.from_ndarray(tone[:, start : start + 1024], "fltp", "mono")
            sound.sample_rate, sound.pts, sound.time_base = (
                SAMPLE_RATE,
                start,
                Fraction(1, SAMPLE_RATE),
            )
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    main()
