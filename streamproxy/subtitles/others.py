"""ASS, SSA, MicroDVD and MPL2: formats that pysubs2 reads, an extra.

Its other formats are left out: their parsers do not hold against files made to harm. SAMI
and TTML are HTML and XML, and a line of TMP can take the square of its length.
"""

import re
from collections.abc import Iterable, Iterator

from streamproxy.errors import NotSubtitles, UnsupportedSubtitles
from streamproxy.subtitles.cues import MAX_CUES, Cue, make_cue

_STAMP = r"\s*\d{1,2}:\d{1,2}:\d{1,2}[.,]\d{1,3}\s*"
_NUMBER = r"\s*\d{1,9}\s*"
# What each format is told by, and which of its lines are worth reading. One that pysubs2
# cannot read would be the end of all.
_WORTH = {
    "ass": re.compile(rf"Dialogue:[^,]{{0,40}},{_STAMP},{_STAMP},.*", re.ASCII),
    "microdvd": re.compile(rf"\{{{_NUMBER}\}}\{{{_NUMBER}\}}.+", re.ASCII),
    "mpl2": re.compile(rf"\[{_NUMBER}\]\[{_NUMBER}\].+", re.ASCII),
}
# Characters of a line that pysubs2 gets. MicroDVD's tags take it the square of it at worst.
_MAX_LENGTHS = {"ass": 16 * 1024, "microdvd": 1024, "mpl2": 1024}
_SSA_STYLES = re.compile(r"\[V4 Styles\]", re.IGNORECASE)
# Frames per second of a film on a disc: what a MicroDVD file means that does not say.
_USUAL_RATE = 23.976
_COMMENT = re.compile(r"\{[^\\{}]{0,500}\}")


def read_other_cues(lines: Iterable[str]) -> Iterator[Cue]:
    """Yield the cues of a file in one of these formats.

    :raises NotSubtitles: it is in none of them.
    :raises UnsupportedSubtitles: pysubs2 is not installed.
    """
    kind, worth = _worth_reading(lines)
    if kind is None:
        raise NotSubtitles("The file holds no subtitles.")
    try:
        import pysubs2  # noqa: PLC0415  # an extra
    except ImportError as exc:
        raise UnsupportedSubtitles(
            f"The file looks like {kind.upper()}, which this proxy cannot read as it is installed."
        ) from exc
    try:
        try:
            found = pysubs2.SSAFile.from_string("\n".join(worth), kind)
        except pysubs2.UnknownFPSError:
            found = pysubs2.SSAFile.from_string("\n".join(worth), kind, fps=_USUAL_RATE)
    except Exception as exc:  # whatever it stumbles over: the file is a stranger's
        raise NotSubtitles(f"The file cannot be read as {kind.upper()}.") from exc
    for event in found:
        text = re.sub(r"\\[Nn]", "\n", _COMMENT.sub("", event.text)).replace("\\h", "\xa0")
        cue = make_cue(event.start, event.end, "", text)
        if cue is not None and not event.is_comment:
            yield cue


def _worth_reading(lines: Iterable[str]) -> tuple[str | None, list[str]]:
    """Return the format of the file, by the first line that shows one, and its lines."""
    kind, worth, is_ssa = None, [], False
    for line in lines:
        if line[:1] not in ("D", "{", "["):
            continue
        is_ssa = is_ssa or _SSA_STYLES.match(line) is not None
        if kind is None:
            kind = next((name for name in _WORTH if _WORTH[name].match(line)), None)
        if kind is not None and _WORTH[kind].match(line):
            worth.append(line[: _MAX_LENGTHS[kind]])
            if len(worth) > MAX_CUES:
                break
    return ("ssa" if is_ssa and kind == "ass" else kind), worth
