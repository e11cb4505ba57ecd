"""Which codecs a file needs, as its first bytes say it; whatever they are, an answer comes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamproxy.protocol.codecs import find_codecs
from streamproxy.protocol.mp4 import Mp4Index

steady = settings(derandomize=True, deadline=None, database=None, max_examples=400)

AVC_C = bytes.fromhex("0164001fffe1000467640000010001")
HVC_C = bytes.fromhex("0122600000009000000000007bf000fc")
AV1_C = bytes.fromhex("81084c000a0b00000042")
VPC_C = bytes.fromhex("01000000021f8a0202020000")
ESDS = bytes.fromhex(
    "00000000038080802200020004808080144015000000000001f4000001f4058080800511905600"
)


def box(name: str, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return (8 + len(body)).to_bytes(4, "big") + name.encode("latin-1") + body


def track(handler: str, entry: bytes, *tables: bytes) -> bytes:
    description = box("stsd", bytes(4), (1).to_bytes(4, "big"), entry)
    media = box("minf", box("dinf"), box("stbl", description, *tables))
    return box("trak", box("tkhd", bytes(84)), box("mdia", hdlr(handler), media))


def hdlr(handler: str) -> bytes:
    return box("hdlr", bytes(8), handler.encode(), bytes(13))


def picture(name: str, *inner: bytes) -> bytes:
    return track("vide", box(name, bytes(78), *inner))


def sound(name: str, *inner: bytes, fixed: int = 28) -> bytes:
    return track("soun", box(name, bytes(fixed), *inner))


def film(*tracks: bytes) -> bytes:
    return box("ftyp", b"isom", bytes(4)) + box("moov", box("mvhd", bytes(100)), *tracks)


AVC, AC3 = picture("avc1", box("avcC", AVC_C)), sound("ac-3", box("dac3", bytes(3)))


@pytest.mark.parametrize(
    ("tracks", "codecs"),
    [
        pytest.param([AVC], ["avc1.64001f"], id="avc"),
        pytest.param([picture("hvc1", box("hvcC", HVC_C))], ["hvc1.2.6.H123.90"], id="hevc"),
        pytest.param([picture("av01", box("av1C", AV1_C + bytes(9)))], ["av01.0.08M.10"], id="av1"),
        pytest.param([picture("vp09", box("vpcC", VPC_C, b"x"))], ["vp09.02.31.08"], id="vp9"),
        pytest.param([sound("mp4a", box("esds", ESDS))], ["mp4a.40.2"], id="aac"),
        pytest.param(
            [sound("mp4a", box("wave", box("esds", ESDS)), fixed=44)], ["mp4a.40.2"], id="quicktime"
        ),
        pytest.param(
            [sound("mp4a", box("esds", ESDS.replace(b"\x40\x15", b"\x6b\x15")))],
            ["mp4a.6b"],
            id="mp3",
        ),
        pytest.param(
            [sound("mp4a", box("esds", ESDS.replace(b"\x11\x90\x56", b"\xf9\x40\x56")))],
            ["mp4a.40.42"],
            id="usac",
        ),
        pytest.param([AVC, AC3], ["avc1.64001f", "ac-3"], id="two tracks"),
        pytest.param([AC3, AC3], ["ac-3"], id="the same twice"),
        pytest.param([sound("Opus"), sound("fLaC"), sound(".mp3")], ["opus", "flac", "mp3"]),
        pytest.param([sound("ec-3"), sound("dtsc"), sound("alac")], ["ec-3", "dtsc", "alac"]),
        pytest.param([track("text", box("tx3g")), track("sbtl", box("c608")), AC3], ["ac-3"]),
        pytest.param([picture("avc1"), AC3], ["ac-3"], id="no configuration"),
        pytest.param([picture("avc1", box("avcC", b"\1")), AC3], ["ac-3"], id="cut configuration"),
        pytest.param([sound("mp4a", box("esds", b"\0" * 9)), AC3], ["ac-3"], id="no descriptor"),
        pytest.param([sound("mp4a", box("esds", ESDS[:9])), AC3], ["ac-3"], id="cut descriptor"),
        pytest.param([picture('a"\\b'), AC3], ["ac-3"], id="name that is none"),
        pytest.param([picture("    "), AC3], ["ac-3"], id="no name"),
        pytest.param([box("trak"), box("trak", box("mdia")), AC3], ["ac-3"], id="empty tracks"),
        pytest.param([], None, id="no tracks"),
    ],
)
def test_tracks_of_an_mp4_are_named(tracks: list[bytes], codecs: list[str] | None) -> None:
    assert find_codecs(film(*tracks), "mp4") == codecs


@pytest.mark.parametrize("size", [0, 1, 7, 2**32 - 1])
def test_box_of_an_impossible_size_ends_the_search(size: int) -> None:
    odd = size.to_bytes(4, "big") + b"free" + bytes(8)

    assert find_codecs(odd + film(AVC), "mp4") is None


def test_box_with_a_long_size_is_read() -> None:
    long_box = (1).to_bytes(4, "big") + b"free" + (20).to_bytes(8, "big") + bytes(4)

    assert find_codecs(long_box + film(AVC), "mp4") == ["avc1.64001f"]


def read_in_looks(content: bytes, look: int) -> tuple[list[str], int]:
    index, looks = Mp4Index(), 0
    while (position := index.position) is not None and position < len(content):
        index.read(content[position : position + look])
        looks += 1
        assert index.position is None or index.position > position
    return index.codecs, looks


@pytest.mark.parametrize("moov_first", [True, False])
def test_index_anywhere_is_read_in_few_looks(moov_first: bool) -> None:
    table = box("stsz", bytes(100_000))
    tracks = track("vide", box("avc1", bytes(78), box("avcC", AVC_C)), table), AC3
    start, index = film(*tracks)[:16], film(*tracks)[16:]
    media = box("mdat", bytes(500_000))
    content = start + (index + media if moov_first else media + index)

    codecs, looks = read_in_looks(content, 8192)

    assert codecs == ["avc1.64001f", "ac-3"]
    assert looks == (2 if moov_first else 3)


def test_track_cut_by_a_look_is_read_again_from_where_it_begins() -> None:
    content = film(AVC, AC3)

    for look in range(len(AVC), len(content)):
        assert read_in_looks(content, look)[0] == ["avc1.64001f", "ac-3"]


def element(name: str, *contents: bytes, size: bytes | None = None) -> bytes:
    body = b"".join(contents)
    return bytes.fromhex(name) + (size or (2**56 + len(body)).to_bytes(8, "big")) + body


def entry(codec: str, private: bytes = b"") -> bytes:
    more = [element("63a2", private)] if private else []
    return element("ae", element("d7", b"\1"), element("86", codec.encode()), *more)


def matroska(*entries: bytes, unknown_size: bool = False) -> bytes:
    head = element("1a45dfa3", element("4282", b"matroska"))
    tracks = element("1654ae6b", *entries)
    size = b"\x01" + b"\xff" * 7 if unknown_size else None
    return head + element("18538067", element("1549a966", bytes(50)), tracks, size=size)


@pytest.mark.parametrize(
    ("entries", "codecs"),
    [
        pytest.param([entry("V_MPEG4/ISO/AVC", AVC_C)], ["avc1.64001f"], id="avc"),
        pytest.param([entry("V_MPEGH/ISO/HEVC", HVC_C)], ["hvc1.2.6.H123.90"], id="hevc"),
        pytest.param([entry("V_AV1", AV1_C)], ["av01.0.08M.10"], id="av1"),
        pytest.param([entry("V_VP9"), entry("A_OPUS", b"x")], ["vp09.00.10.08", "opus"]),
        pytest.param([entry("V_VP8\0\0"), entry("A_VORBIS")], ["vp8", "vorbis"]),
        pytest.param(
            [entry("A_AAC", b"\x2b\x92"), entry("A_AAC/MPEG4/LC")], ["mp4a.40.5", "mp4a.40.2"]
        ),
        pytest.param([entry("A_AC3"), entry("A_EAC3"), entry("A_DTS")], ["ac-3", "ec-3", "dtsc"]),
        pytest.param([entry("S_TEXT/UTF8"), entry("V_OF_ANOTHER_DAY")], None, id="unknown"),
        pytest.param([entry("V_MPEG4/ISO/AVC")], None, id="no configuration"),
        pytest.param([element("ae")], None, id="empty"),
        pytest.param([], None, id="none"),
    ],
)
def test_tracks_of_a_matroska_file_are_named(
    entries: list[bytes], codecs: list[str] | None
) -> None:
    assert find_codecs(matroska(*entries), "matroska") == codecs
    assert find_codecs(matroska(*entries, unknown_size=True), "webm") == codecs


def test_nothing_is_looked_for_behind_the_first_cluster() -> None:
    content = element("18538067", element("1f43b675"), element("1654ae6b", entry("A_AC3")))

    assert find_codecs(content, "matroska") is None


def test_streams_of_an_ogg_file_are_named() -> None:
    pages = b"OggS" + bytes(24) + b"\x80theora" + b"OggS" + bytes(24) + b"\x01vorbis"

    assert find_codecs(pages, "ogg") == ["theora", "vorbis"]


@pytest.mark.parametrize("container", ["flac", "mpegts", None])
def test_other_containers_name_none(container: str | None) -> None:
    assert find_codecs(film(AVC), container) is None


GOOD = {"mp4": film(AVC, AC3), "matroska": matroska(entry("V_VP9"), entry("V_AV1", AV1_C))}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, str]:
    """Return a good file with bytes changed and its end cut, or nothing like a file."""
    container = draw(st.sampled_from([*GOOD, "webm", "ogg"]))
    content = bytearray(GOOD.get(container) or draw(st.binary(max_size=300)))
    for _ in range(draw(st.integers(0, 6))):
        if content:
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))]), container


@steady
@given(damaged())
def test_hostile_bytes_give_harmless_names(file: tuple[bytes, str]) -> None:
    content, container = file

    for name in find_codecs(content, container) or []:
        assert name.replace(".", "").replace("-", "").isalnum()
        assert name.isascii()
        assert len(name) < 50
    if container == "mp4":
        _, looks = read_in_looks(content, 64)
        assert looks <= 1 + len(content) // 8


def test_index_that_is_found_reads_no_more() -> None:
    index = Mp4Index()
    index.read(film(AC3))
    assert index.position is None
    index.read(film(AVC))
    assert index.codecs == ["ac-3"]
