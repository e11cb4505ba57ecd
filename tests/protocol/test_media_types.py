"""The media type to send: from the field, the file's name and its first bytes."""

import pytest

from streamproxy.errors import NotMedia
from streamproxy.protocol.media_types import (
    clean_type,
    container_of,
    decide_media_type,
    is_media,
    moov_at_end,
    name_to_save,
    says_nothing,
)
from streamproxy.protocol.signatures import detect_type


def box(box_type: bytes, size: int, contents: bytes = b"") -> bytes:
    """Return the start of a box of ISO/IEC 14496-12, filled up with zeros to its size."""
    return (size.to_bytes(4, "big") + box_type + contents).ljust(size, b"\0")


def packets(length: int, *, before: int = 0) -> bytes:
    """Return three packets of a transport stream, each *length* bytes."""
    return (bytes(before) + b"\x47\x40\x00\x10").ljust(length, b"\xff") * 3


EBML = (
    b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82"
)
FTYP = box(b"ftyp", 24, b"isom\0\0\2\0isomavc1")
OGG = b"OggS\0\2" + bytes(22)
PAGE = b"<!DOCTYPE html><html><head><title>Film</title>"


@pytest.mark.parametrize(
    ("first_bytes", "expected"),
    [
        pytest.param(FTYP, "video/mp4", id="mp4"),
        pytest.param(box(b"ftyp", 20, b"mp42\0\0\0\0"), "video/mp4", id="mp4, version 2"),
        pytest.param(box(b"ftyp", 20, b"M4A \0\0\0\0"), "audio/mp4", id="m4a"),
        pytest.param(box(b"ftyp", 20, b"qt  \0\0\2\0"), "video/quicktime", id="quicktime"),
        pytest.param(box(b"ftyp", 20, b"avif\0\0\0\0"), "image/avif", id="avif"),
        pytest.param(box(b"ftyp", 20, b"heic\0\0\0\0"), "image/heic", id="heic"),
        pytest.param(box(b"moov", 32), "video/quicktime", id="old quicktime, index first"),
        pytest.param(box(b"mdat", 32), "video/quicktime", id="old quicktime, media first"),
        pytest.param(box(b"wide", 8) + box(b"mdat", 32), "video/quicktime", id="old quicktime"),
        pytest.param(EBML + b"\x84webm", "video/webm", id="webm"),
        pytest.param(EBML + b"\x88matroska", "video/x-matroska", id="matroska"),
        pytest.param(OGG + b"\x01\x1e\x01vorbis", "audio/ogg", id="vorbis in ogg"),
        pytest.param(OGG + b"\x01\x13OpusHead", "audio/ogg", id="opus in ogg"),
        pytest.param(OGG + b"\x01\x2a\x80theora", "video/ogg", id="theora in ogg"),
        pytest.param(b"fLaC\0\0\0\x22", "audio/flac", id="flac"),
        pytest.param(b"ID3\x04\0\0\0\0\0\x23", "audio/mpeg", id="mp3 with ID3"),
        pytest.param(b"\xff\xfb\x90\x64", "audio/mpeg", id="mp3, 128 kbit/s"),
        pytest.param(b"\xff\xf3\x64\xc4", "audio/mpeg", id="mp3 of MPEG 2"),
        pytest.param(b"RIFF\x24\x08\0\0WAVEfmt ", "audio/wav", id="wav"),
        pytest.param(b"RIFF\x24\x08\0\0AVI LIST", "video/x-msvideo", id="avi"),
        pytest.param(b"RIFF\x24\x08\0\0WEBPVP8 ", "image/webp", id="webp"),
        pytest.param(packets(188), "video/mp2t", id="transport stream"),
        pytest.param(packets(192, before=4), "video/mp2t", id="transport stream of Blu-ray"),
        pytest.param(b"FLV\x01\x05\0\0\0\x09", "video/x-flv", id="flv"),
        pytest.param(b"\0\0\1\xba\x44\0", "video/mpeg", id="program stream"),
        pytest.param(b"\0\0\1\xb3\x14\0", "video/mpeg", id="elementary stream"),
        pytest.param(b"WEBVTT\n\n", "text/vtt", id="webvtt"),
        pytest.param(b"#EXTM3U\n", "application/vnd.apple.mpegurl", id="playlist"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0", "image/png", id="png"),
        pytest.param(b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg", id="jpeg"),
        pytest.param(b"GIF89a", "image/gif", id="gif"),
        pytest.param(b"%PDF-1.7", "application/pdf", id="pdf"),
        pytest.param(b"PK\x03\x04\x14\0", "application/zip", id="zip"),
        pytest.param(b"Rar!\x1a\x07", "application/vnd.rar", id="rar"),
        pytest.param(b"\x1f\x8b\x08\0", "application/gzip", id="gzip"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"just a text", None, id="text"),
        pytest.param(b"ftypisom", None, id="ftyp in the wrong place"),
        pytest.param(b"RIFF\x24\x08\0\0ACONanih", None, id="another kind of RIFF"),
        pytest.param(packets(188)[:376], None, id="two packets"),
        pytest.param(packets(188)[:376] + b"\x48" * 188, None, id="a third that is no packet"),
        pytest.param(b"\xff\xfb\x90", None, id="too short for a frame"),
        pytest.param(b"\xfe\xfb\x90\x64", None, id="no frame: sync"),
        pytest.param(b"\xff\xfd\x90\x64", None, id="no frame: layer II"),
        pytest.param(b"\xff\xeb\x90\x64", None, id="no frame: reserved version"),
        pytest.param(b"\xff\xfb\xf0\x64", None, id="no frame: bad bit rate"),
        pytest.param(b"\xff\xfb\x00\x64", None, id="no frame: free bit rate"),
        pytest.param(b"\xff\xfb\x9c\x64", None, id="no frame: reserved sample rate"),
        pytest.param(b"\xff\xfeh\0i\0", None, id="text in UTF-16"),
    ],
)
def test_signature(first_bytes: bytes, expected: str | None) -> None:
    assert detect_type(first_bytes) == expected


@pytest.mark.parametrize(
    ("declared", "filename", "first_bytes", "expected"),
    [
        pytest.param("video/mp4", None, None, "video/mp4", id="a type is believed"),
        pytest.param("Video/MP4; codecs=avc1", "a.webm", None, "video/mp4", id="and cleaned"),
        pytest.param("video/mp4", "a.mp4", EBML + b"\x84webm", "video/mp4", id="against the bytes"),
        pytest.param("application/mp4", None, None, "application/mp4", id="media by allow-list"),
        pytest.param("text/vtt", None, None, "text/vtt", id="subtitles"),
        pytest.param(None, "a.mp4", FTYP, "video/mp4", id="no type: the bytes"),
        pytest.param(
            None, "a.mp4", EBML + b"\x84webm", "video/webm", id="the bytes before the name"
        ),
        pytest.param(None, "A.MKV", None, "video/x-matroska", id="no type, no bytes: the name"),
        pytest.param("not a type", "a.ogv", None, "video/ogg", id="malformed: the name"),
        pytest.param("application/octet-stream", "a", FTYP, "video/mp4", id="octets: the bytes"),
        pytest.param("binary/octet-stream", "a.mov", b"", "video/quicktime", id="octets: the name"),
        pytest.param(
            "text/plain", "a.srt", b"1\n00:00", "application/x-subrip", id="text: subtitles"
        ),
        pytest.param("text/plain; charset=utf-8", "a", FTYP, "video/mp4", id="text: the bytes"),
        pytest.param("text/plain", "a.ts", b"\0", "video/mp2t", id="text: the name"),
        pytest.param("text/plain", "a", None, "application/octet-stream", id="text, not seen"),
        pytest.param(None, None, None, "application/octet-stream", id="nothing is known"),
        pytest.param(
            None, "a.iso", b"\0\1", "application/octet-stream", id="unknown name and bytes"
        ),
        pytest.param(None, "mp4", b"\0\1", "video/mp4", id="a name that is an extension"),
    ],
)
def test_type_to_send(
    declared: str | None, filename: str | None, first_bytes: bytes | None, expected: str
) -> None:
    assert decide_media_type(declared, filename, first_bytes) == expected


@pytest.mark.parametrize(
    ("declared", "filename", "first_bytes"),
    [
        pytest.param("text/html", "a.mp4", None, id="declared a page"),
        pytest.param("TEXT/HTML; charset=utf-8", None, None, id="in capitals"),
        pytest.param("application/xhtml+xml", None, None, id="declared a page of XML"),
        pytest.param("application/json", None, None, id="declared something else"),
        pytest.param("image/svg+xml", None, None, id="an image that runs scripts"),
        pytest.param("application/pdf", None, None, id="a document"),
        pytest.param("video/x+xml", "a.mp4", FTYP, id="XML that calls itself video"),
        pytest.param("multipart/byteranges; boundary=x", None, None, id="several parts"),
        pytest.param(None, "a.mp4", PAGE, id="a page without a type"),
        pytest.param("application/octet-stream", "a.mp4", PAGE, id="a page as octets"),
        pytest.param("video/mp4", "a.mp4", PAGE, id="a page as video"),
        pytest.param(None, None, b"\xef\xbb\xbf \r\n<HTML lang=en>", id="mark, space, capitals"),
        pytest.param(None, None, b"<?xml version='1.0'?>\n<html xmlns='x'>", id="a page of XML"),
        pytest.param(None, None, b"<!-- hello -->", id="a comment"),
        pytest.param(None, None, b"<script>alert(1)</script>", id="a script"),
        pytest.param(None, "a.mp4", b"%PDF-1.7", id="a document without a type"),
        pytest.param(None, "a.mp4", b"PK\x03\x04", id="an archive"),
        pytest.param("text/plain", "a.txt", b"hello", id="a text"),
        pytest.param("text/plain", None, b"", id="an empty text"),
    ],
)
def test_what_is_no_media_is_refused(
    declared: str | None, filename: str | None, first_bytes: bytes | None
) -> None:
    with pytest.raises(NotMedia):
        decide_media_type(declared, filename, first_bytes)


@pytest.mark.parametrize(
    "first_bytes",
    [
        pytest.param(b"<htmlx>", id="a longer tag"),
        pytest.param(b"x<html>", id="a tag that is not first"),
        pytest.param(b"<?xml version='1.0'?><MPD>", id="another document of XML"),
    ],
)
def test_what_only_resembles_a_page_passes(first_bytes: bytes) -> None:
    assert decide_media_type(None, "a.mpd", first_bytes) == "application/dash+xml"


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        pytest.param("video/mp4", "video/mp4", id="clean"),
        pytest.param(" Video/MP4 ;codecs=x", "video/mp4", id="case, space and parameters"),
        pytest.param(
            "application/vnd.x-a+b.1", "application/vnd.x-a+b.1", id="all that is allowed"
        ),
        pytest.param(None, None, id="absent"),
        pytest.param("", None, id="empty"),
        pytest.param("video", None, id="no subtype"),
        pytest.param("video/", None, id="empty subtype"),
        pytest.param("video/mp4/x", None, id="three parts"),
        pytest.param("video/mp4, video/mp4", None, id="list"),
        pytest.param("video/m p4", None, id="white space"),
        pytest.param("video/mp4\r\nX: y", None, id="line break"),
    ],
)
def test_type_is_cleaned(declared: str | None, expected: str | None) -> None:
    assert clean_type(declared) == expected


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (None, True),
        ("x", True),
        ("Text/Plain; charset=utf-8", True),
        ("application/octet-stream", True),
        ("binary/octet-stream", True),
        ("video/mp4", False),
        ("text/html", False),
    ],
)
def test_type_that_leaves_open_what_the_bytes_are(declared: str | None, *, expected: bool) -> None:
    assert says_nothing(declared) == expected


@pytest.mark.parametrize(
    ("media_type", "is_passed", "container"),
    [
        ("video/mp4", True, "mp4"),
        ("video/quicktime", True, "mp4"),
        ("video/webm", True, "webm"),
        ("audio/x-matroska", True, "matroska"),
        ("application/ogg", True, "ogg"),
        ("audio/mpeg", True, "mp3"),
        ("video/mp2t", True, "mpegts"),
        ("video/unheard-of", True, None),
        ("image/png", True, None),
        ("image/svg+xml", False, None),
        ("text/html", False, None),
        ("application/octet-stream", False, None),
    ],
)
def test_allow_list_and_containers(
    media_type: str, container: str | None, *, is_passed: bool
) -> None:
    assert (is_media(media_type), container_of(media_type)) == (is_passed, container)


@pytest.mark.parametrize(
    ("first_bytes", "expected"),
    [
        pytest.param(FTYP + box(b"moov", 32), False, id="index first"),
        pytest.param(FTYP + box(b"mdat", 32), True, id="media first"),
        pytest.param(FTYP + box(b"free", 8) + box(b"mdat", 32), True, id="after an empty box"),
        pytest.param(FTYP + box(b"uuid", 40) + box(b"moov", 32), False, id="after another box"),
        pytest.param(
            FTYP + b"\0\0\0\1free" + (24).to_bytes(8, "big") + bytes(8) + box(b"moov", 32),
            False,
            id="after a box with a long size",
        ),
        pytest.param(FTYP + b"\0\0\0\1mdat" + bytes(8), True, id="media with a long size"),
        pytest.param(FTYP + b"\0\0\0\0mdat" + bytes(8), True, id="media to the end"),
        pytest.param((FTYP + box(b"mdat", 32))[:40], True, id="just the head of the box"),
        pytest.param((FTYP + box(b"mdat", 32))[:39], None, id="not the whole head of the box"),
        pytest.param(FTYP, None, id="nothing after ftyp"),
        pytest.param(FTYP + box(b"free", 5000)[:100], None, id="beyond the bytes seen"),
        pytest.param(box(b"moov", 32), None, id="no ftyp"),
        pytest.param(FTYP + b"\0\0\0\7free" + bytes(20), None, id="a size shorter than a head"),
        pytest.param(FTYP + b"\0\0\0\0free" + bytes(20), None, id="another box to the end"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_index_at_the_end(first_bytes: bytes, *, expected: bool | None) -> None:
    assert moov_at_end(first_bytes) is expected


@pytest.mark.parametrize(
    "first_bytes",
    [
        b"MZ\x90\x00",
        b"\x7fELF\x02\x01",
        b"\x00asm\x01\x00\x00\x00",
        b"CWS\x0b",
        b"7z\xbc\xaf\x27\x1c",
        b"MIME-Version: 1.0\r\n",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        b"\xef\xbb\xbf <svg onload=alert(1)>",
        "\ufeff<html>".encode("utf-16-le"),
        "\ufeff<html>".encode("utf-16-be"),
    ],
)
@pytest.mark.parametrize("declared", [None, "application/octet-stream", "VIDEO/MP4, text/html"])
def test_what_is_known_to_be_no_media_does_not_pass_for_an_unknown_type(
    first_bytes: bytes, declared: str | None
) -> None:
    with pytest.raises(NotMedia):
        decide_media_type(declared, "setup.exe", first_bytes)


def test_dash_manifest_without_a_type_is_one() -> None:
    manifest = b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">'

    assert decide_media_type(None, "film", manifest) == "application/dash+xml"


@pytest.mark.parametrize(
    ("filename", "media_type", "expected"),
    [
        ("film.mp4", "video/mp4", "film.mp4"),
        ("FILM.MKV", "video/x-matroska", "FILM.MKV"),
        ("film.mov", "video/mp4", "film.mov"),  # the site's own word for it stays
        ("watch", "video/mp4", "watch.mp4"),
        ("watch.php", "video/webm", "watch.php.webm"),
        ("v1.5", "audio/mpeg", "v1.5.mp3"),
        ("mp4", "video/mp4", "mp4.mp4"),
        (None, "video/x-matroska", "download.mkv"),
        ("film", "video/x-unheard-of", "film"),
        (None, "application/octet-stream", "download"),
    ],
)
def test_saved_file_has_an_extension_that_players_know(
    filename: str | None, media_type: str, expected: str
) -> None:
    assert name_to_save(filename, media_type) == expected
