"""Which encoding a file is in: declared, shown, said or guessed."""

import pytest

from streamproxy.errors import UnknownEncoding
from streamproxy.subtitles.charsets import ENCODINGS, decode, parse_encoding

POLISH = "Zażółć gęślą jaźń. Gdzie jesteś, Żaneto? Tuż za tobą, głuptasie.\n"
RUSSIAN = "Привет, как дела? Поезд давно ушёл, что теперь делать?\n"
JAPANESE = "電車はもう行ってしまいました。これからどうしましょうか。\n"


def text_of(data: bytes, declared: str | None = None, content_type: str | None = None) -> str:
    codec = parse_encoding(declared) if declared else None
    return "".join(decode(data, declared=codec, content_type=content_type))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("windows-1250", "cp1250"),
        (" Windows_1250 ", "cp1250"),
        ("cp1250", "cp1250"),
        ("CP-1251", "cp1251"),
        ("win1251", "cp1251"),
        ("Shift_JIS", "cp932"),
        ("shift-jis", "cp932"),
        ("sjis", "cp932"),
        ("UTF8", "utf-8"),
        ("utf-16", "utf-16"),
        ("UTF-16LE", "utf-16-le"),
        ("utf_16_be", "utf-16-be"),
        ("ISO-8859-1", "cp1252"),
        ("latin1", "cp1252"),
        ("iso_8859_2", "iso8859-2"),
        ("cp852", "cp852"),
        ("cp866", "cp866"),
        ("gb2312", "gb18030"),
    ],
)
def test_names_of_encodings_are_known_in_many_spellings(name: str, codec: str) -> None:
    assert parse_encoding(name) == codec


def test_every_encoding_that_is_listed_decodes_subtitles() -> None:
    for name in ENCODINGS:
        line = "1\n00:00:01,000 --> 00:00:02,000\n"
        assert text_of(line.encode(parse_encoding(name)), name) == line


@pytest.mark.parametrize(
    "name",
    ["", "zlib", "punycode", "idna", "rot13", "unicode_escape", "utf-7", "cp12500", "x" * 10_000],
)
def test_other_codecs_of_python_are_no_encodings(name: str) -> None:
    with pytest.raises(UnknownEncoding, match="windows-1250"):
        parse_encoding(name)


@pytest.mark.parametrize(
    ("data", "declared", "content_type", "text"),
    [
        (b"plain", None, None, "plain"),
        (b"", None, None, ""),
        ("é".encode(), None, "text/plain; charset=windows-1251", "é"),
        (b"\xef\xbb\xbf1", None, None, "1"),
        ("ж1".encode("utf-16"), None, None, "ж1"),
        (b"\xfe\xff" + "ж1".encode("utf-16-be"), None, None, "ж1"),
        ("1\n00:01".encode("utf-16-le"), None, None, "1\n00:01"),
        ("1\n00:01".encode("utf-16-be"), None, None, "1\n00:01"),
        ("wörtöt".encode()[:6], None, None, "wört\ufffd"),  # cut in mid-character
        ("日本".encode("iso2022-jp"), None, None, "日本"),
        (b"\xc6", None, "text/plain; charset=windows-1251", "Ж"),
        (b"\xc6", None, 'text/plain;charset="WINDOWS-1251"', "Ж"),
        (b"\xe6", "windows-1250", "text/plain; charset=windows-1251", "ć"),
        ("é".encode(), "windows-1252", None, "Ã©"),
        (b"\xef\xbb\xbf1", "utf-8", None, "1"),
        ("1".encode("utf-16"), "utf-16", None, "1"),
        (b"\x81\x8d", "windows-1252", None, "\ufffd\ufffd"),
    ],
)
def test_encoding_is_the_declared_one_else_what_the_bytes_show_else_what_is_said(
    data: bytes, declared: str | None, content_type: str | None, text: str
) -> None:
    assert text_of(data, declared, content_type) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (POLISH, "cp1250"),
        (POLISH, "iso8859-2"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp866"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc-jp"),
        ("你好,你怎么样?火车已经开走了。我们现在该怎么办?\n", "gb18030"),
        ("火車已經開走了。我們現在該怎麼辦?\n", "big5"),
        ("Où est passée la bibliothèque ? Ça va très bien.\n", "cp1252"),
        ("Schöne Grüße aus Köln!\n", "cp1252"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy.\n", "cp1250"),
    ],
)
def test_language_shows_the_encoding_that_nobody_names(text: str, encoding: str) -> None:
    numbered = f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n"
    assert text_of(numbered.encode(encoding), None, "text/plain; charset=utf-8") == numbered


def test_characters_across_pieces_stay_whole() -> None:
    text = "日本ж" * 50_000
    for encoding in ("utf-8", "utf-16-le", "gb18030"):
        assert text_of(b"1" + text.encode("utf-8"), "utf-8") == f"1{text}"
        assert text_of(text.encode(encoding), encoding) == text
