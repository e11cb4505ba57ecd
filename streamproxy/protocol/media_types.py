"""The media type to send: from the field, the file's name and its first bytes.

A server that knows its types is believed. One that says nothing ("bytes", "text") is
corrected by what the bytes or the name show. A web page never passes.

Source: RFC 9110, section 8.3; the signatures are those of the WHATWG's MIME Sniffing
standard, section 6.2, and of each container's own specification.
"""

import re
from functools import lru_cache

from streamproxy.errors import NotMedia
from streamproxy.protocol.signatures import detect_type

# The bytes that detect_type looks at, at most: three packets of an MPEG transport stream.
SNIFF_LENGTH = 512

OCTET_STREAM = "application/octet-stream"
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")

# Types by which a server says that it does not know.
_GENERIC = frozenset(
    {
        OCTET_STREAM,
        "binary/octet-stream",
        "application/x-octet-stream",
        "application/binary",
        "application/download",
        "application/x-download",
        "application/force-download",
        "application/unknown",
        "unknown/unknown",
        "text/plain",
    }
)
# Media whose top-level type is neither video nor audio, and what accompanies it.
_ALSO_MEDIA = frozenset(
    {
        "application/mp4",
        "application/ogg",
        "application/mxf",
        "application/vnd.rn-realmedia",
        "application/x-matroska",
        "application/vnd.apple.mpegurl",
        "application/x-mpegurl",
        "application/dash+xml",
        "application/x-subrip",
        "text/vtt",
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "image/avif",
    }
)
_BY_EXTENSION = {
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "ogv": "video/ogg",
    "avi": "video/x-msvideo",
    "ts": "video/mp2t",
    "m2ts": "video/mp2t",
    "mts": "video/mp2t",
    "mpg": "video/mpeg",
    "mpeg": "video/mpeg",
    "flv": "video/x-flv",
    "wmv": "video/x-ms-wmv",
    "3gp": "video/3gpp",
    "3g2": "video/3gpp2",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "mka": "audio/x-matroska",
    "weba": "audio/webm",
    "vtt": "text/vtt",
    "srt": "application/x-subrip",
    "m3u8": "application/vnd.apple.mpegurl",
    "mpd": "application/dash+xml",
}
# The first extension of a type is the one that it is saved with.
_EXTENSIONS = {media_type: extension for extension, media_type in reversed(_BY_EXTENSION.items())}
_CONTAINERS = {
    "video/mp4": "mp4",
    "audio/mp4": "mp4",
    "application/mp4": "mp4",
    "video/quicktime": "mp4",
    "video/3gpp": "mp4",
    "video/3gpp2": "mp4",
    "video/webm": "webm",
    "audio/webm": "webm",
    "video/x-matroska": "matroska",
    "audio/x-matroska": "matroska",
    "application/x-matroska": "matroska",
    "video/ogg": "ogg",
    "audio/ogg": "ogg",
    "application/ogg": "ogg",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "video/x-msvideo": "avi",
    "video/avi": "avi",
    "video/mp2t": "mpegts",
    "video/x-flv": "flv",
}

_PAGE = re.compile(
    rb"<!doctype html|<!--|<(html|head|body|script|title|iframe|h1|div|table|style|meta|p|a)[\s>]"
    rb"|<\?xml.{0,400}<html[\s>]",
    re.IGNORECASE | re.DOTALL,
)


@lru_cache(maxsize=64)
def clean_type(declared: str | None) -> str | None:
    """Return type/subtype in lower case without parameters, or None if malformed."""
    essence = (declared or "").partition(";")[0].strip(" \t").lower()
    return essence if _TYPE.fullmatch(essence) else None


def is_media(media_type: str) -> bool:
    """Tell whether a type is on the allow-list of what this proxy forwards.

    No type of XML is video or audio: a browser may show it as a page, whatever comes
    before the slash (WHATWG MIME Sniffing, section 4.6: an XML MIME type ends in +xml).
    """
    is_av = media_type.startswith(("video/", "audio/")) and not media_type.endswith("+xml")
    return is_av or media_type in _ALSO_MEDIA


def says_nothing(declared: str | None) -> bool:
    """Tell whether a declared type leaves open what the bytes are."""
    media_type = clean_type(declared)
    return media_type is None or media_type in _GENERIC


def container_of(media_type: str) -> str | None:
    """Return the short name of the container that a media type stands for."""
    return _CONTAINERS.get(media_type)


def name_to_save(filename: str | None, media_type: str) -> str:
    """Return a name by whose extension a player knows what the file is."""
    name = filename or "download"
    extension = _EXTENSIONS.get(media_type)
    _, dot, found = name.rpartition(".")
    is_known = dot and found.lower() in _BY_EXTENSION
    return name if is_known or extension is None else f"{name}.{extension}"


def decide_media_type(declared: str | None, filename: str | None, first_bytes: bytes | None) -> str:
    """Return the Content-Type to send.

    :param declared: the upstream's Content-Type.
    :param filename: the name of the file, where known.
    :param first_bytes: what the representation begins with; None where that was not seen,
        as in the middle of a file, or where the declared type is believed.
    :raises NotMedia: a web page, or another type that is no media.
    """
    if first_bytes is not None and _is_page(first_bytes):
        raise NotMedia("The link leads to a web page, not to a video.")
    declared_type = clean_type(declared)
    if declared_type is not None and declared_type not in _GENERIC:
        if is_media(declared_type):
            return declared_type
        is_page = declared_type in {"text/html", "application/xhtml+xml"}
        what = "a web page" if is_page else declared_type
        raise NotMedia(f"The link leads to {what}, not to a video.")
    shown = detect_type(first_bytes) if first_bytes else None
    extension = (filename or "").rpartition(".")[2].lower()
    media_type = shown or _BY_EXTENSION.get(extension) or OCTET_STREAM
    is_text = declared_type == "text/plain" and media_type == OCTET_STREAM
    if (shown and not is_media(shown)) or (is_text and first_bytes is not None):
        raise NotMedia(f"The link leads to {shown or 'a text'}, not to a video.")
    return media_type


def moov_at_end(first_bytes: bytes) -> bool | None:
    """Tell whether the index of an MP4 comes after its media data; None if that is not seen.

    A player must fetch such an index from the end of the file before the first frame.

    Source: ISO/IEC 14496-12, section 4.2: a box is its size (4 bytes, or 8 after the type
    where the size is 1), its type, its contents; a size of 0 reaches to the end.
    """
    position = 0
    while position + 16 <= len(first_bytes):
        size = int.from_bytes(first_bytes[position : position + 4], "big")
        box_type = first_bytes[position + 4 : position + 8]
        if position == 0 and box_type != b"ftyp":
            return None
        if box_type in (b"moov", b"mdat"):
            return box_type == b"mdat"
        if size == 1:
            size = int.from_bytes(first_bytes[position + 8 : position + 16], "big")
        if size < 8:
            return None
        position += size
    return None


def _is_page(first_bytes: bytes) -> bool:
    return (
        _PAGE.match(first_bytes.removeprefix(b"\xef\xbb\xbf").lstrip()[:SNIFF_LENGTH]) is not None
    )
