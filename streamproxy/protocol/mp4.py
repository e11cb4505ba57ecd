"""The index of an MP4: which codecs its tracks need.

The bytes are a stranger's: each box is held against what is there, and what makes no sense
is left out.

Source: ISO/IEC 14496-12, section 4.2 (boxes) and 8 (the moov box); 14496-15 (avcC, hvcC);
14496-1, section 7.2.6 (esds); the ISO media bindings of AV1 and VP9; RFC 6381 (the names).
"""

import re
from collections.abc import Iterator

_PLAIN_NAME = re.compile(r"[A-Za-z0-9-]{3,4}")
# Sample entries whose one name differs from that of RFC 6381 or of browsers.
_RENAMED = {"Opus": "opus", "fLaC": "flac", ".mp3": "mp3"}
_CONFIGURED = {
    "avc1": b"avcC",
    "avc3": b"avcC",
    "hvc1": b"hvcC",
    "hev1": b"hvcC",
    "av01": b"av1C",
    "vp09": b"vpcC",
    "mp4a": b"esds",
}
_HANDLERS = (b"vide", b"soun")
_PROFILE_SPACES = ("", "A", "B", "C")

# A box: its type, and where it and its contents begin, and where it ends in the bytes at hand.
_Box = tuple[bytes, int, int, int]


class Mp4Index:
    """Reads which codecs the tracks need, from whichever parts of the file it is given.

    :ivar codecs: of the tracks read so far.
    :ivar position: in the file, where to read on; None once nothing more is to be found.
    """

    def __init__(self) -> None:
        self.codecs: list[str] = []
        self.position: int | None = 0
        self._end: int | None = None  # of the moov box, once it has begun

    def read(self, part: bytes) -> None:
        """Read bytes of the file that begin at *position*."""
        if (start := self.position) is None:
            return
        at = 0
        while (self._end is None or start + at < self._end) and (box := _read_box(part, at)):
            name, _, body, end = box
            if name == b"moov" and self._end is None:
                self._end, at = start + end, body
                continue
            if name == b"trak" and self._end is not None:
                codec = _codec_of_track(part, body, end)
                if codec is None and end > len(part) and at > 0:
                    break  # what it needs may follow: once more, from where it begins
                if codec and codec not in self.codecs:
                    self.codecs.append(codec)
            at = end
        is_over = at == 0 or (self._end is not None and start + at >= self._end)
        self.position = None if is_over else start + at


def _read_box(data: bytes, at: int) -> _Box | None:
    """Return the box that begins at a position; its end may lie beyond the bytes."""
    size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
    body = at + 8
    if size == 1:
        size, body = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
    if body > len(data) or size < body - at:
        return None  # also size 0, "to the end of the file": nothing follows it
    return name, at, body, at + size


def _boxes(data: bytes, at: int, end: int) -> Iterator[_Box]:
    end = min(end, len(data))
    while at < end and (box := _read_box(data, at)):
        yield box
        at = box[3]


def _find(data: bytes, at: int, end: int, *path: bytes) -> tuple[int, int] | None:
    """Return where the contents of the box at a path begin and end."""
    for wanted in path:
        found = next((box for box in _boxes(data, at, end) if box[0] == wanted), None)
        if found is None:
            return None
        _, _, at, end = found
    return at, end


def _codec_of_track(data: bytes, at: int, end: int) -> str | None:
    handler = _find(data, at, end, b"mdia", b"hdlr")
    table = _find(data, at, end, b"mdia", b"minf", b"stbl", b"stsd")
    if handler is None or table is None:
        return None
    if data[handler[0] + 8 : handler[0] + 12] not in _HANDLERS:
        return None
    entry = _read_box(data, table[0] + 8)  # after version, flags and the number of entries
    return None if entry is None else _codec_of_entry(data, entry)


def _codec_of_entry(data: bytes, entry: _Box) -> str | None:
    """Return the name of what a sample entry describes; None where it cannot be said whole."""
    name, at, _, end = entry
    plain = name.decode("latin-1").strip()
    plain = _RENAMED.get(plain, plain)
    wanted = _CONFIGURED.get(plain)
    if wanted is None:
        return plain if _PLAIN_NAME.fullmatch(plain) else None
    # The fixed part before it has several lengths in QuickTime.
    found = data.find(wanted, at, min(end, len(data)))
    return None if found < 0 else codec_name(plain, data[found + 4 : min(end, len(data))])


def codec_name(entry: str, config: bytes) -> str | None:
    """Return the codec with its profile and level; None where the record is cut or odd.

    :param entry: the type of the sample entry: avc1, hvc1, av01, vp09, mp4a.
    :param config: the contents of its avcC, hvcC, av1C, vpcC or esds, or more.
    """
    if entry == "mp4a":
        return _aac_name(config)
    if len(config) < 13:
        return None
    if entry.startswith("avc"):
        return f"{entry}.{config[1:4].hex()}"
    if entry == "av01":
        level, tier = config[1] & 31, "H" if config[2] & 128 else "M"
        depth = 8 if not config[2] & 64 else 12 if config[2] & 32 else 10
        return f"av01.{config[1] >> 5}.{level:02}{tier}.{depth:02}"
    if entry == "vp09":  # a full box: version and flags come first
        return f"vp09.{config[4]:02}.{config[5]:02}.{config[6] >> 4:02}"
    return _hevc_name(entry, config)


def _hevc_name(entry: str, config: bytes) -> str:
    """Name HEVC as ISO/IEC 14496-15, section E.3, does."""
    space, tier = _PROFILE_SPACES[config[1] >> 6], "H" if config[1] & 32 else "L"
    compatible = int(f"{int.from_bytes(config[2:6], 'big'):032b}"[::-1], 2)
    constraints = "".join(f".{byte:X}" for byte in config[6:12].rstrip(b"\0"))
    return f"{entry}.{space}{config[1] & 31}.{compatible:X}.{tier}{config[12]}{constraints}"


def _aac_name(esds: bytes) -> str | None:
    """Name what an elementary stream descriptor says: the object type, and AAC's own."""
    at = 4  # after version and flags
    for tag, fixed in ((3, 3), (4, 13), (5, 0)):
        if esds[at : at + 1] != bytes([tag]):
            return None
        at += 1
        while esds[at : at + 1] >= b"\x80":  # the length, seven bits a byte
            at += 1
        at += 1
        body, at = esds[at:], at + fixed
        if not body:
            return None
        if tag == 4 and body[0] != 0x40:
            return f"mp4a.{body[0]:02x}"
    kind = body[0] >> 3
    if kind == 31 and len(body) > 1:
        kind = 32 + ((body[0] & 7) << 3 | body[1] >> 5)
    return f"mp4a.40.{kind}"
