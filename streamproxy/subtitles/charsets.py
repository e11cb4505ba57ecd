"""The text of a subtitle file, whose encoding nobody wrote down.

Source: the WHATWG Encoding standard, section 4.2, for the encodings and most of their names.
"""

import codecs
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamproxy.errors import UnknownEncoding

if TYPE_CHECKING:
    from charset_normalizer.models import CharsetMatch

# The encodings by their common names, and Python's codecs that read all of each: of those that
# a text could be in, the first is guessed. A list of our own: Python knows some that are no
# text (zlib), and some that take minutes (punycode).
_CODECS = {
    "utf-8": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "windows-1252": "cp1252",
    "windows-1251": "cp1251",
    "windows-1250": "cp1250",
    "shift_jis": "cp932",
    "euc-jp": "euc-jp",
    "iso-2022-jp": "iso2022-jp",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "windows-1253": "cp1253",
    "windows-1254": "cp1254",
    "windows-1255": "cp1255",
    "windows-1256": "cp1256",
    "windows-1257": "cp1257",
    "windows-1258": "cp1258",
    "windows-874": "cp874",
    "iso-8859-2": "iso8859-2",
    "iso-8859-5": "iso8859-5",
    "iso-8859-6": "iso8859-6",
    "iso-8859-7": "iso8859-7",
    "iso-8859-8": "iso8859-8",
    "iso-8859-13": "iso8859-13",
    "iso-8859-15": "iso8859-15",
    "iso-8859-16": "iso8859-16",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "ibm852": "cp852",
    "ibm866": "cp866",
    "macintosh": "mac-roman",
}
_ALIASES = {
    "us-ascii": "windows-1252",
    "ascii": "windows-1252",
    "iso-8859-1": "windows-1252",
    "latin1": "windows-1252",
    "latin2": "iso-8859-2",
    "iso-8859-9": "windows-1254",
    "iso-8859-11": "windows-874",
    "tis-620": "windows-874",
    "sjis": "shift_jis",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc-cn": "gb18030",
    "ks_c_5601-1987": "euc-kr",
    "uhc": "euc-kr",
}
ENCODINGS = tuple(_CODECS)
# Longest first: the mark of UTF-8 is no beginning of the others.
_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]{1,40})", re.IGNORECASE)
# Bytes that are decoded in one go. Where each is an error that takes 0.3 us (measured), and
# other threads wait meanwhile.
_PIECE = 32 * 1024
# Bytes of the lines beyond ASCII that are looked at to guess: more makes no guess better.
_SAMPLE = 16 * 1024


def codec_of(name: str) -> str | None:
    """Return the codec of an encoding by its name, in whatever spelling; None: not known."""
    label = re.sub(r"^(cp|win(dows)?)[-_]?(?=1?[0-9]{3,4}$)", "windows-", name.strip().lower())
    spellings = (label, label.replace("_", "-"), label.replace("-", "_"), f"ibm{label[-3:]}")
    for spelling in spellings:
        found = _ALIASES.get(spelling, spelling)
        squeezed = found.replace("utf8", "utf-8").replace("utf16", "utf-16").replace("16-", "16")
        if squeezed in _CODECS:
            return _CODECS[squeezed]
    return None


def parse_encoding(name: str) -> str:
    """Return the codec of the encoding that somebody says a file has.

    :raises UnknownEncoding: none by that name.
    """
    codec = codec_of(name)
    if codec is None:
        raise UnknownEncoding(f"There is no such encoding; known are {', '.join(ENCODINGS)}.")
    return codec


def decode(
    data: bytes, *, declared: str | None = None, content_type: str | None = None
) -> Iterator[str]:
    """Yield the text of a file, in pieces; bytes that are none in its encoding become U+FFFD.

    The encoding is the one declared, else what the bytes show (a mark, the NULs of UTF-16,
    valid UTF-8), else what the site says, else a guess.

    :param declared: the codec by parse_encoding.
    :param content_type: the field that came with the file, if any.
    """
    codec = declared or _shown_by(data) or _said_by(content_type) or _guess(data) or "cp1252"
    decoder = codecs.getincrementaldecoder(codec)("replace")
    for start in range(0, len(data), _PIECE):
        piece = decoder.decode(data[start : start + _PIECE])
        yield piece if start else piece.removeprefix("\ufeff")
    yield decoder.decode(b"", final=True)


def _shown_by(data: bytes) -> str | None:
    """Return the codec that the bytes themselves leave no doubt about."""
    for mark, codec in _MARKS.items():
        if data.startswith(mark):
            return codec
    head = data[:1024]
    # Digits, colons and line breaks are half of each subtitle file in any language.
    if head.count(0) * 4 > len(head):
        return "utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as exc:
        # A file that was cut off is still what it was.
        is_cut = exc.reason == "unexpected end of data" and not data[: exc.start].isascii()
        return "utf-8" if is_cut else None
    return "iso2022-jp" if b"\x1b$" in data else "utf-8"


def _said_by(content_type: str | None) -> str | None:
    """Return the codec that a field names; not UTF-8, which the bytes have shown not to be."""
    match = _CHARSET.search(content_type or "")
    codec = codec_of(match[1]) if match else None
    return None if codec in {"utf-8", "utf-16", "utf-16-le", "utf-16-be"} else codec


def _guess(data: bytes) -> str | None:
    """Return the codec in which the lines beyond ASCII read best; None: no guess."""
    try:
        from charset_normalizer import from_bytes  # noqa: PLC0415  # an extra
    except ImportError:
        return None
    sample, size = [], 0
    for line in re.finditer(rb"[^\r\n]{0,1024}+[\r\n]?", data):
        if not line[0].isascii():
            sample.append(line[0])
            size += len(line[0])
            if size > _SAMPLE:
                break
    codec_names = [codec.replace("-", "_") for codec in _CODECS.values()]
    found = list(from_bytes(b"".join(sample), cp_isolation=codec_names))
    best = [each.encoding for each in found if _merit(each) == _merit(found[0])]
    return min(best, key=codec_names.index, default=None)


def _merit(match: "CharsetMatch") -> tuple[float, float]:
    return match.chaos, match.coherence
