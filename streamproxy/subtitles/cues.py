"""The cues of SRT, WebVTT and SubViewer files: found leniently, written strictly.

Source: the W3C's WebVTT, sections 4 (syntax) and 6.1 (parsing); SRT and SubViewer have none,
so that what players read decides.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streamproxy.subtitles.markup import clean_text

# A film has two thousand cues, one with a karaoke has several for each word of it.
MAX_CUES = 50_000
# Lines of a cue that are kept.
_MAX_LINES = 200

_TIME = r"(?:(\d{1,4}):)?(\d{1,3}):(\d{1,2})(?:[.,:](\d{1,9}))?"
# SubViewer has a comma where the others have an arrow, and nothing more on the line.
_SEPARATOR = r"(?:\s*+-{1,2}>\s*+|,(?=\d{1,2}:\d\d:\d\d\.\d{2,3}\s*+$))"
_TIMING = re.compile(rf"\s*+{_TIME}{_SEPARATOR}{_TIME}(?![\d:])(.*)", re.ASCII)
_SETTINGS = {
    "vertical": re.compile(r"rl|lr"),
    "line": re.compile(r"(-?\d{1,4}|\d{1,3}(\.\d{1,6})?%)(,(start|center|end))?", re.ASCII),
    "position": re.compile(r"\d{1,3}(\.\d{1,6})?%(,(line-left|center|line-right))?", re.ASCII),
    "size": re.compile(r"\d{1,3}(\.\d{1,6})?%", re.ASCII),
    "align": re.compile(r"start|center|end|left|right"),
}
# Where the nine places of a numeric keypad are on a screen; 2 is where subtitles are anyway.
_ROWS = {0: "", 1: "line:50%", 2: "line:0"}
_COLUMNS = {0: "position:5% align:left", 1: "", 2: "position:95% align:right"}


class Cue(NamedTuple):
    """A text and the time it is shown.

    :param start, end: milliseconds.
    :param settings: of WebVTT, such as ``line:0``.
    :param text: as WebVTT writes it: markup that is safe, no empty line.
    """

    start: int
    end: int
    settings: str
    text: str


def make_cue(start: int, end: int, settings: str, raw: str) -> Cue | None:
    """Return the cue of a raw text; None where there is nothing to show, or no time to."""
    if end <= start or end < 0:
        return None
    text, place = clean_text(raw)
    if place is not None and not settings:
        row, column = divmod(place - 1, 3)
        settings = f"{_ROWS[row]} {_COLUMNS[column]}".strip()
    return Cue(max(0, start), end, settings, text) if text else None


def read_cues(lines: Iterable[str], *, ends_at_blank: bool) -> Iterator[Cue]:
    """Yield the cues of a file; what belongs to none (headers, notes, styles) is left out.

    :param ends_at_blank: whether an empty line ends a cue, as in WebVTT. In SRT only the
        next time does: there, texts have empty lines.
    """
    timing: re.Match[str] | None = None
    texts: list[str] = []
    for line in lines:
        found = _TIMING.match(line) if ">" in line or "," in line else None
        if found is not None:
            if timing is not None:
                yield from _cue_of(timing, _without_counter(texts))
            timing, texts = found, []
        elif timing is None:
            continue
        elif ends_at_blank and not line.strip():
            yield from _cue_of(timing, texts)
            timing = None
        elif len(texts) < _MAX_LINES:
            texts.append(line)
    if timing is not None:
        yield from _cue_of(timing, texts)


def _without_counter(texts: list[str]) -> list[str]:
    """Return the lines of a cue without the number of the next one, which stands below them.

    A number that is all there is to the cue is its text, and so is one that ends it with an
    empty line after it alone.
    """
    last = len(texts) - 1
    while last > 0 and not texts[last].strip():
        last -= 1
    stands_alone = last == len(texts) - 1 or not texts[last - 1].strip()
    return texts[:last] if last > 0 and texts[last].strip().isdecimal() and stands_alone else texts


def _cue_of(timing: re.Match[str], texts: list[str]) -> Iterator[Cue]:
    start, end = _milliseconds(timing.groups()[:4]), _milliseconds(timing.groups()[4:8])
    cue = make_cue(start, end, _clean_settings(timing[9]), "\n".join(texts).replace("[br]", "\n"))
    if cue is not None:
        yield cue


def _milliseconds(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    fraction = int((parts[3] or "").ljust(3, "0")[:3])
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction


def _clean_settings(written: str) -> str:
    """Return the settings that WebVTT knows; SRT's coordinates are none."""
    found = {}
    for setting in written.split()[:10]:
        name, _, value = setting.partition(":")
        if name in _SETTINGS and _SETTINGS[name].fullmatch(value):
            found[name] = value
    return " ".join(f"{name}:{value}" for name, value in found.items())


def write_webvtt(cues: Iterable[Cue]) -> bytes:
    """Return a WebVTT file of cues, in order; what is there twice is written once.

    Typesetters put the same line over itself for its shadow.
    """
    parts = ["WEBVTT\n"]
    for cue in sorted(dict.fromkeys(cues), key=lambda cue: cue.start):
        settings = f" {cue.settings}" if cue.settings else ""
        parts.append(f"{_clock(cue.start)} --> {_clock(cue.end)}{settings}\n{cue.text}\n")
    return "\n".join(parts).encode()


def _clock(milliseconds: int) -> str:
    seconds, fraction = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{fraction:03}"
