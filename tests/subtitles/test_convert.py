"""From subtitle files of all kinds to WebVTT: each row a file, and what it is to become."""

import re
import time

import pytest

from streamproxy.errors import NotSubtitles, SubtitlesTooLarge
from streamproxy.subtitles.convert import MAX_FILE_SIZE, to_webvtt
from streamproxy.subtitles.cues import MAX_CUES

FIRST = "00:00:01.000 --> 00:00:02.000"
ASS = "[Script Info]\n[V4+ Styles]\nStyle: Default,Arial\n[Events]\n"


def convert(text: str) -> str:
    """Return what stands below the first line, without the line break at the end."""
    webvtt = to_webvtt(text.encode()).decode()
    assert webvtt.startswith("WEBVTT\n\n")
    assert webvtt.endswith("\n")
    return webvtt[len("WEBVTT\n\n") : -1]


def shown(text: str) -> str:
    """Return the text of a cue, as WebVTT has it, from its text in an SRT file."""
    timing, _, found = convert(f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n").partition("\n")
    assert timing == FIRST
    return found


def dialogue(text: str) -> str:
    return f"{ASS}Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{text}\n"


@pytest.mark.parametrize(
    ("timing", "written"),
    [
        ("00:00:01,000 --> 00:00:02,000", FIRST),
        ("00:00:01.000-->00:00:02.000", FIRST),
        ("  0:0:1,0 -> 0:0:2,0  ", FIRST),
        ("00:01,000 --> 00:02,000", FIRST),
        ("00:01 --> 00:02", FIRST),
        ("00:00:01:000 --> 00:00:02:000", FIRST),
        ("00:00:01,5 --> 00:00:02,25", "00:00:01.500 --> 00:00:02.250"),
        ("00:00:01,0009 --> 00:00:02,000999", FIRST),
        ("99:59:59,999 --> 100:00:00,000", "99:59:59.999 --> 100:00:00.000"),
        ("00:00:01,000 --> 00:00:02,000 X1:1 X2:2 Y1:3 Y2:4", FIRST),
        ("00:00:01,000 --> 00:00:02,000 line:0 region:x", f"{FIRST} line:0"),
        ("00:00:01.00,00:00:02.00", FIRST),
    ],
)
def test_times_are_read_as_people_write_them(timing: str, written: str) -> None:
    assert convert(f"1\n{timing}\nHi\n") == f"{written}\nHi\n"[:-1]


@pytest.mark.parametrize(
    "timing",
    [
        "00:00:02,000 --> 00:00:02,000",
        "00:00:02,000 --> 00:00:01,000",
        "1,5 --> 2",
        "--> 00:00:01,000",
        "00:00:01,000 -->",
        "1:30,2:45 were the scores",
    ],
)
def test_what_shows_nothing_at_no_time_is_no_cue(timing: str) -> None:
    with pytest.raises(NotSubtitles):
        convert(f"1\n{timing}\nHi\n")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(newline: str) -> None:
    text = "1\n00:01 --> 00:02\nHi\nyou\n\n2\n00:02 --> 00:03\nBye"
    assert convert(text.replace("\n", newline)) == (
        f"{FIRST}\nHi\nyou\n\n00:00:02.000 --> 00:00:03.000\nBye"
    )


@pytest.mark.parametrize(
    ("before_second", "first"),
    [
        ("Hi\n\n2\n", "Hi"),
        ("Hi\n\n", "Hi"),
        ("Hi\n", "Hi"),
        ("Hi\n2\n", "Hi"),
        ("Hi\n\n2\n\n", "Hi"),
        ("Hi\n\nyou\n\n2\n", "Hi\nyou"),
        ("42\n\n2\n", "42"),
        ("42\n\n", "42"),
        ("42\n", "42"),
        ("It is\n42\n\n", "It is\n42"),
        ("a --> b\n\n2\n", "a --&gt; b"),
    ],
)
def test_text_of_a_cue_ends_where_the_next_begins(before_second: str, first: str) -> None:
    found = convert(f"1\n00:01 --> 00:02\n{before_second}00:02 --> 00:03\nBye\n")
    assert found == f"{FIRST}\n{first}\n\n00:00:02.000 --> 00:00:03.000\nBye"


def test_cues_are_written_in_order_overlapping_ones_both_and_equal_ones_once() -> None:
    text = "00:05 --> 00:06\nB\n\n00:01 --> 00:09\nA\n\n00:05 --> 00:06\nB\n"
    assert convert(text) == "00:00:01.000 --> 00:00:09.000\nA\n\n00:00:05.000 --> 00:00:06.000\nB"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<i>a</i><b>b</b><u>c</u>", "<i>a</i><b>b</b><u>c</u>"),
        ("<I>a</I>", "<i>a</i>"),
        ('<i onclick="x">a</i >', "<i>a</i>"),
        ("<c.x onclick=alert(1)>a</c>", "<c.x>a</c>"),
        ('<font color="red">a</font>', "a"),
        ("a<script>b</script>", "ab"),
        ("a<img src=x onerror=y>", "a"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<v Bob & Eve>a", "<v Bob &amp; Eve>a</v>"),
        ("<lang en>a</lang>", "<lang en>a</lang>"),
        ("<ruby>a<rt>b</rt></ruby>", "<ruby>a<rt>b</rt></ruby>"),
        ("a<00:00:01.500>b", "a<00:00:01.500>b"),
        ("a<99>b", "a&lt;99&gt;b"),
        ("<i>a", "<i>a</i>"),
        ("a</i>", "a"),
        ("<i><i>a</i></i>", "<i>a</i>"),
        ("<b><i>a</b>b</i>", "<b><i>a</i></b><i>b</i>"),
        ("<whisper> a", "&lt;whisper&gt; a"),
        ("I <3 you > me & < them", "I &lt;3 you &gt; me &amp; &lt; them"),
        ("AT&T &amp; &lt;b&gt; &eacute; &nope;", "AT&amp;T &amp; &lt;b&gt; é &amp;nope;"),
        ("a&#10;&#x0a;b&#0;c&#xD800;", "a  b\ufffdc\ufffd"),
        ("a\0b\x07c\x85d", "abcd"),
        ("{\\i1}a{\\i0} {\\b1\\u1}b", "<i>a</i> <b><u>b</u></b>"),
        ("{laughs} a", "{laughs} a"),
        ("{\\fs20\\pos(1,2)}a", "a"),
        ("a\\Nb", "a\\Nb"),
    ],
)
def test_markup_is_what_webvtt_knows_and_all_else_text(raw: str, text: str) -> None:
    assert shown(raw) == text


@pytest.mark.parametrize("raw", ["", " ", "<i></i>", "{\\an8}", "<font>", "<i> \n </i>", "\0"])
def test_cue_that_shows_nothing_is_left_out(raw: str) -> None:
    with pytest.raises(NotSubtitles):
        shown(raw)


@pytest.mark.parametrize(
    ("tag", "settings"),
    [
        ("an8", "line:0"),
        ("an2", ""),
        ("an5", "line:50%"),
        ("an7", "line:0 position:5% align:left"),
        ("an3", "position:95% align:right"),
        ("a6", "line:0"),
        ("a10", "line:50%"),
        ("an0", ""),
        ("a4", ""),
        ("an8\\an2", "line:0"),
    ],
)
def test_place_of_ass_becomes_settings(tag: str, settings: str) -> None:
    found = convert(f"00:01 --> 00:02\n{{\\{tag}}}Hi\n")
    assert found == f"{FIRST} {settings}".strip() + "\nHi"


class TestWebvtt:
    def test_only_its_cues_are_written(self) -> None:
        text = """WEBVTT - a film
Kind: captions

STYLE
@import url(https://evil.example/x.css);
::cue { background: url(https://evil.example/) }

REGION
id:fred

NOTE 00:01
nothing

intro
00:01.000 --> 00:02.000 vertical:rl line:10% position:5%,line-left size:50% align:start region:a
Hi

This belongs to nothing
"""
        settings = "vertical:rl line:10% position:5%,line-left size:50% align:start"
        assert convert(text) == f"{FIRST} {settings}\nHi"

    @pytest.mark.parametrize(
        "setting", ["line:x", "size:5", "align:top", "onclick:x", "line", "line:0\u0660", "size:"]
    )
    def test_settings_that_are_none_are_left_out(self, setting: str) -> None:
        assert convert(f"WEBVTT\n\n00:01.000 --> 00:02.000 {setting}\nHi\n") == f"{FIRST}\nHi"

    def test_what_is_written_is_read_as_the_same(self) -> None:
        once = to_webvtt(b"1\n0:01 --> 0:02\n{\\an9}<v A>1 < 2 & <i>x\n\n0:01 --> 0:03\n-->\n")
        assert to_webvtt(once) == once

    def test_without_cues_it_is_none(self) -> None:
        with pytest.raises(NotSubtitles):
            convert("WEBVTT\n\n")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Hi", "Hi"),
        ("{\\i1}Hi{\\i0}\\Nyou\\n!", "<i>Hi</i>\nyou\n!"),
        ("a\\hb{a comment}, c", "a\xa0b, c"),
        ("{\\p1}m 0 0 l 9 9{\\p0}a", "a"),
        ("1 < 2 & <script>", "1 &lt; 2 &amp;"),
    ],
)
def test_ass_is_read(raw: str, text: str) -> None:
    assert convert(dialogue(raw)) == f"{FIRST}\n{text}"


def test_lines_of_ass_that_are_broken_spoil_no_others() -> None:
    text = dialogue("Hi") + "Dialogue: 0,x,y\nDialogue:\nStyle: x,&H\nComment: 0,0:00:01.00\n"
    assert convert(text) == f"{FIRST}\nHi"


def test_ssa_is_read() -> None:
    text = "[V4 Styles]\n[Events]\nDialogue: Marked=0,0:00:01.00,0:00:02.00,D,,0,0,0,,{\\an8}Hi\n"
    assert convert(text) == f"{FIRST} line:0\nHi"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{1}{1}25\n{25}{50}{y:i}Hi|you\n", f"{FIRST}\n<i>Hi\nyou</i>"),
        ("{24}{48}Hi\n", "00:00:01.001 --> 00:00:02.002\nHi"),
        ("[10][20]/Hi|you\n", f"{FIRST}\n<i>Hi</i>\nyou"),
        (
            "[INFORMATION]\n[END INFORMATION]\n00:00:01.00,00:00:02.00\nHi[br]you\n",
            f"{FIRST}\nHi\nyou",
        ),
    ],
    ids=["MicroDVD", "MicroDVD-without-rate", "MPL2", "SubViewer"],
)
def test_other_formats_are_read(text: str, found: str) -> None:
    assert convert(text) == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        b"Just a text.\n",
        b"<!doctype html>\n00:01 --> 00:02\nHi\n",
        b"<?xml version='1.0'?><tt/>",
        b"<SAMI><BODY><SYNC Start=0>",
        b'{"events": []}',
        b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 100,
        b"PK\x03\x04" + bytes(range(256)),
        b"{1}{1}0\n{1}{2}x\n",
        b"{1}{1}nan\n{1}{2}x\n",
    ],
)
def test_what_is_no_subtitle_file_is_refused(data: bytes) -> None:
    with pytest.raises(NotSubtitles):
        to_webvtt(data)


def test_more_cues_than_any_film_has_are_refused() -> None:
    cue = b"0:0 --> 0:1\na\n"
    assert to_webvtt(cue * MAX_CUES).count(b"-->") == 1  # all the same
    with pytest.raises(SubtitlesTooLarge):
        to_webvtt(cue * (MAX_CUES + 1))


# Each of these made some regular expression, or some parser, take the square of its length.
HOSTILE = {
    "spaces": b" ",
    "digits": b"1" * 16_000 + b"\n",
    "times": b"00:00:00,",
    "less-than": b"0:0 --> 0:1\n" + b"<" * 16_000 + b"\n",
    "tags": b"0:0 --> 0:1\n" + b"<a " * 5000 + b"\n",
    "braces": b"0:0 --> 0:1\n" + b"{\\" * 8000 + b"\n",
    "entities": b"0:0 --> 0:1\n" + b"&a" * 8000 + b"\n",
    "settings": b"0:0 --> 0:1 " + b"line:0 " * 2000 + b"\na\n",
    "ass": b"Dialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,," + b"{a" * 8000 + b"\n",
    "microdvd": b"{1}{2}" + b"{y:" * 5000 + b"\n",
    "microdvd-spaces": b"{" + b" " * 16_000 + b"\n",
    "mpl2": b"[1][2]" + b"/|" * 8000 + b"\n",
    "invalid": b"\x81",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_time_grows_with_the_length_and_no_more(piece: bytes) -> None:
    def cost(size: int) -> float:
        data = (piece * (size // len(piece) + 1))[:size]
        began = time.thread_time()
        try:
            written = to_webvtt(data)
        except (NotSubtitles, SubtitlesTooLarge):
            written = b""
        assert len(written) < 16 * size
        return time.thread_time() - began

    cost(1024)  # what is imported once
    # Measured: 0.02 to 0.6 s; what takes the square takes minutes.
    assert cost(MAX_FILE_SIZE) < 5


def test_text_longer_than_any_line_is_cut() -> None:
    found = shown("a" * 100_000)
    assert re.fullmatch(r"a{16384}", found)
