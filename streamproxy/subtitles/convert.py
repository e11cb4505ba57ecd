"""A subtitle file, as its bytes are, to WebVTT."""

import io
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from streamproxy.errors import NotSubtitles, SubtitlesTooLarge
from streamproxy.subtitles.charsets import decode
from streamproxy.subtitles.cues import MAX_CUES, read_cues, write_webvtt
from streamproxy.subtitles.others import read_other_cues

# Bytes that a file may have; a subtitle of a long film has a few hundred KiB.
MAX_FILE_SIZE = 5 * 1024 * 1024
# Characters of a line that are looked at: bounds the time that each step takes.
_MAX_LINE = 16 * 1024


def to_webvtt(
    data: bytes, *, declared: str | None = None, content_type: str | None = None
) -> bytes:
    """Return the WebVTT file, in UTF-8, that shows what a subtitle file does.

    It takes up to seconds of the CPU, in steps of milliseconds: for a thread of its own.

    :param declared: the codec of the file, by parse_encoding; None: find it out.
    :param content_type: the field that came with the file, if any.
    :raises NotSubtitles: it is none.
    :raises UnsupportedSubtitles: the package that reads this format is not installed.
    :raises SubtitlesTooLarge: it has too many cues.
    """
    read = partial(decode, data, declared=declared, content_type=content_type)
    head = next(read(), "")
    if head[:1024].lstrip().startswith("<"):
        raise NotSubtitles("The file is a web page, or other markup.")
    is_webvtt = head.startswith("WEBVTT")
    cues = list(islice(read_cues(_lines(read()), ends_at_blank=is_webvtt), MAX_CUES + 1))
    if not cues and not is_webvtt:
        cues = list(islice(read_other_cues(_lines(read())), MAX_CUES + 1))
    if len(cues) > MAX_CUES:
        raise SubtitlesTooLarge(f"The file has more than {MAX_CUES} subtitles.")
    if not cues:
        raise NotSubtitles("The file holds no subtitles.")
    return write_webvtt(cues)


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a text, whatever ends them (CR, LF or both), cut where too long."""
    newlines, rest = io.IncrementalNewlineDecoder(None, translate=True), ""
    for piece in pieces:
        *lines, rest = (rest + newlines.decode(piece)).split("\n")
        yield from (line[:_MAX_LINE] for line in lines)
        rest = rest[:_MAX_LINE]
    yield rest
