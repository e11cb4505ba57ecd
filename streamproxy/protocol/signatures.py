"""What the first bytes of a representation show it to be.

Source: the WHATWG's MIME Sniffing standard, and the formats' own specifications.
"""

from collections.abc import Callable

_FLASH = "application/x-shockwave-flash"
_MP4_BRANDS = {
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"mif1": "image/heif",
}


def detect_type(first_bytes: bytes) -> str | None:
    """Return the type that the first bytes of a representation show, or None."""
    return next((found for detect in _DETECTORS if (found := detect(first_bytes))), None)


def _detect_mp4(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return _MP4_BRANDS.get(head[8:12], "video/mp4")
    # QuickTime files from before the ftyp box begin with their first real box.
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return "video/quicktime"
    return None


def _detect_matroska(head: bytes) -> str | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    return "video/webm" if b"webm" in head[:64] else "video/x-matroska"


def _detect_ogg(head: bytes) -> str | None:
    if not head.startswith(b"OggS"):
        return None
    return "video/ogg" if b"\x80theora" in head else "audio/ogg"


def _detect_riff(head: bytes) -> str | None:
    kinds = {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo", b"WEBP": "image/webp"}
    return kinds.get(head[8:12]) if head.startswith(b"RIFF") else None


def _detect_mp3(head: bytes) -> str | None:
    if head.startswith(b"ID3"):
        return "audio/mpeg"
    # A frame's header: eleven set bits, then version, layer III, bit rate and sample rate
    # that are not the reserved values.
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or head[1] & 0x18 == 0x08:
        return None
    return "audio/mpeg" if head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3 else None


def _detect_mpegts(head: bytes) -> str | None:
    for packet in (188, 192):  # 192: with the time stamps of Blu-ray
        marks = head[packet - 188 : 3 * packet : packet]
        if len(marks) == 3 and set(marks) == {0x47}:
            return "video/mp2t"
    return None


def _detect_signature(head: bytes) -> str | None:
    signatures = {
        b"fLaC": "audio/flac",
        b"FLV\x01": "video/x-flv",
        b"\x00\x00\x01\xba": "video/mpeg",
        b"\x00\x00\x01\xb3": "video/mpeg",
        b"WEBVTT": "text/vtt",
        b"#EXTM3U": "application/vnd.apple.mpegurl",
        b"\x89PNG\r\n\x1a\n": "image/png",
        b"\xff\xd8\xff": "image/jpeg",
        b"GIF8": "image/gif",
        b"%PDF-": "application/pdf",
        b"PK\x03\x04": "application/zip",
        b"Rar!": "application/vnd.rar",
        b"\x1f\x8b": "application/gzip",
        b"7z\xbc\xaf\x27\x1c": "application/x-7z-compressed",
        b"MZ": "application/x-msdownload",
        b"\x7fELF": "application/x-executable",
        b"\0asm": "application/wasm",
        b"FWS": _FLASH,
        b"CWS": _FLASH,
        b"ZWS": _FLASH,
        b"MIME-Version:": "message/rfc822",
        b"\xff\xfe<\0": "text/html",  # in UTF-16, little and big endian
        b"\xfe\xff\0<": "text/html",
    }
    return next((type_ for mark, type_ in signatures.items() if head.startswith(mark)), None)


def _detect_xml(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith((b"<?xml", b"<svg", b"<MPD")):
        return None
    return "application/dash+xml" if b"<MPD" in text else "application/xml"


_DETECTORS: tuple[Callable[[bytes], str | None], ...] = (
    _detect_signature,
    _detect_mp4,
    _detect_matroska,
    _detect_ogg,
    _detect_riff,
    _detect_mp3,
    _detect_mpegts,
    _detect_xml,
)
