"""The codecs of a file, from its first bytes: what a browser must be able to decode.

The names are those of RFC 6381, as browsers use them. The bytes are a stranger's: each
element is held against what is there, and what makes no sense is left out.

Source: RFC 8794 (EBML), RFC 9559 (Matroska) and its codec mappings; RFC 3533 (Ogg).
"""

from collections.abc import Callable, Iterator

from streamproxy.protocol.mp4 import Mp4Index, codec_name

_CODECS = {
    "V_VP8": "vp8",
    "V_THEORA": "theora",
    "V_MPEG1": "mp4v.6a",
    "V_MPEG2": "mp4v.61",
    "V_MPEG4/ISO/ASP": "mp4v.20",
    "A_VORBIS": "vorbis",
    "A_OPUS": "opus",
    "A_FLAC": "flac",
    "A_ALAC": "alac",
    "A_MPEG/L2": "mp4a.69",
    "A_MPEG/L3": "mp3",
    "A_AC3": "ac-3",
    "A_EAC3": "ec-3",
    "A_DTS": "dtsc",
    "A_TRUEHD": "mlpa",
}
# These keep in CodecPrivate what an MP4 keeps in the box of the same codec.
_CONFIGURED = {"V_MPEG4/ISO/AVC": "avc1", "V_MPEGH/ISO/HEVC": "hvc1", "V_AV1": "av01"}
_VP9 = "vp09.00.10.08"  # the usual profile: Matroska need not say which
_AAC = "mp4a.40."

_SEGMENT, _TRACKS, _TRACK_ENTRY = 0x18538067, 0x1654AE6B, 0xAE
_CODEC_ID, _CODEC_PRIVATE = 0x86, 0x63A2
_CLUSTER = 0x1F43B675

_OGG = {b"\x80theora": "theora", b"\x01vorbis": "vorbis", b"OpusHead": "opus", b"\x7fFLAC": "flac"}
_OGG_HEADS = 1024  # bytes: the first packets of all streams come before everything else


def find_codecs(first_bytes: bytes, container: str | None) -> list[str] | None:
    """Return the codecs that the first bytes of a file name; None where they name none.

    Of an MP4 whose index is longer than the bytes, those of the first tracks.
    """
    find = _FINDERS.get(container or "")
    return (find(first_bytes) or None) if find else None


def _find_mp4(data: bytes) -> list[str]:
    index = Mp4Index()
    index.read(data)
    return index.codecs


def _find_ogg(data: bytes) -> list[str]:
    return [name for mark, name in _OGG.items() if mark in data[:_OGG_HEADS]]


def _find_matroska(data: bytes) -> list[str]:
    named = [
        _codec_of_track(data, at, end)
        for _, segment, segment_end in _elements(data, 0, len(data), _SEGMENT)
        for _, tracks, tracks_end in _elements(data, segment, segment_end, _TRACKS)
        for _, at, end in _elements(data, tracks, tracks_end, _TRACK_ENTRY)
    ]
    return list(dict.fromkeys(name for name in named if name))


def _codec_of_track(data: bytes, at: int, end: int) -> str | None:
    parts = {name: data[body:stop] for name, body, stop in _elements(data, at, end)}
    codec = parts.get(_CODEC_ID, b"").rstrip(b"\0").decode("latin-1")
    private = parts.get(_CODEC_PRIVATE, b"")
    if entry := _CONFIGURED.get(codec):
        return codec_name(entry, private.ljust(13, b"\0")) if private else None
    if codec == "V_VP9":
        return _VP9
    if codec.startswith("A_AAC"):
        return f"{_AAC}{private[0] >> 3 if private else 2}"
    return _CODECS.get(codec)


def _elements(
    data: bytes, at: int, end: int, wanted: int | None = None
) -> Iterator[tuple[int, int, int]]:
    """Yield the elements of one level: name, and where their contents begin and end.

    Those that are longer than the bytes at hand, or of unknown length, end where these do.
    No index comes after the first cluster in practice; what does is not looked for.
    """
    end = min(end, len(data))
    while at < end:
        name, at = _read_number(data, at, keeps_marker=True)
        size, body = _read_number(data, at, keeps_marker=False)
        if name is None or name == _CLUSTER or body > end:
            return
        at = end if size is None else min(body + size, end)
        if wanted in (None, name):
            yield name, body, at


def _read_number(data: bytes, at: int, *, keeps_marker: bool) -> tuple[int | None, int]:
    """Return a variable-length number and where it ends; None where it says "unknown".

    Source: RFC 8794, section 4.
    """
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    if length > 8:
        return None, len(data) + 1
    number = int.from_bytes(data[at : at + length], "big")
    mask = (1 << 7 * length) - 1
    if not keeps_marker:
        number &= mask
        return (None if number == mask else number), at + length
    return number, at + length


_FINDERS: dict[str, Callable[[bytes], list[str]]] = {
    "mp4": _find_mp4,
    "matroska": _find_matroska,
    "webm": _find_matroska,
    "ogg": _find_ogg,
}
