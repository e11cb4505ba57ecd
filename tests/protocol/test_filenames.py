"""The name of the file: found, cleaned, offered."""

import pytest

from streamproxy.protocol.filenames import clean_filename, content_disposition, find_filename


@pytest.mark.parametrize(
    ("field", "path", "expected"),
    [
        pytest.param(None, "/films/night.mp4", "night.mp4", id="the last segment of the path"),
        pytest.param(None, "/a%20b%C3%A9.mp4", "a b\xe9.mp4", id="a segment with escapes"),
        pytest.param(None, "/a%2Fb.mp4", "b.mp4", id="an escaped slash still parts folders"),
        pytest.param(None, "/a%ff.mp4", "a\ufffd.mp4", id="escapes that are no UTF-8"),
        pytest.param(None, "/", None, id="no segment"),
        pytest.param(None, "/films/", None, id="a folder"),
        pytest.param("inline", "/x.mp4", "x.mp4", id="a field without a name"),
        pytest.param('attachment; filename="a b.mp4"', "/x", "a b.mp4", id="quoted"),
        pytest.param("attachment; filename=a.mp4", "/x", "a.mp4", id="token"),
        pytest.param("attachment;FileName = a.mp4", "/x", "a.mp4", id="case and white space"),
        pytest.param(r'inline; filename="a\"b.mp4"', "/x", 'a"b.mp4', id="escaped quote"),
        pytest.param('inline; filename=""', "/x.mp4", "x.mp4", id="an empty name"),
        pytest.param(
            "attachment; filename*=UTF-8''na%C3%AFve.mp4", "/x", "na\xefve.mp4", id="extended"
        ),
        pytest.param(
            "attachment; filename*=iso-8859-1'en'na%EFve.mp4", "/x", "na\xefve.mp4", id="Latin-1"
        ),
        pytest.param(
            "attachment; filename=plain.mp4; filename*=UTF-8''better.mp4",
            "/x",
            "better.mp4",
            id="extended wins",
        ),
        pytest.param(
            "attachment; filename*=utf-7''+ADw-.mp4; filename=plain.mp4",
            "/x",
            "plain.mp4",
            id="an unknown character set is ignored",
        ),
        pytest.param('inline; filename="../../etc/a.mp4"', "/x", "a.mp4", id="folders above"),
        pytest.param(r'inline; filename="C:\\tmp\\a.mp4"', "/x", "a.mp4", id="folders of Windows"),
    ],
)
def test_name_is_found(field: str | None, path: str, expected: str | None) -> None:
    assert find_filename(field, path) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("film.mp4", "film.mp4", id="a good name"),
        pytest.param("film", "film", id="no extension"),
        pytest.param("\u6620\u753b.mp4", "\u6620\u753b.mp4", id="other scripts"),
        pytest.param("", None, id="empty"),
        pytest.param(" . ", None, id="nothing but dots and spaces"),
        pytest.param("..", None, id="the folder above"),
        pytest.param("...mp4", "mp4", id="leading dots"),
        pytest.param(" film.mp4. ", "film.mp4", id="dots and spaces at the ends"),
        pytest.param("fi\x00l\nm.mp4", "film.mp4", id="control characters"),
        pytest.param("film\u202e4pm.exe", "film4pm.exe", id="a mark that turns the direction"),
        pytest.param("fi\u200blm.mp4", "film.mp4", id="a character of no width"),
        pytest.param("fi\udce9lm.mp4", "film.mp4", id="a lone surrogate"),
        pytest.param("a" * 176 + ".mp4", "a" * 176 + ".mp4", id="180 characters"),
        pytest.param("a" * 200 + ".mp4", "a" * 177 + ".mp4", id="a long name keeps its extension"),
        pytest.param("a" * 200, "a" * 180, id="a long name without an extension"),
        pytest.param("a." + "b" * 10, "a." + "b" * 10, id="the longest extension"),
        pytest.param("a." + "b" * 200, "a." + "b" * 178, id="what is too long for an extension"),
    ],
)
def test_name_is_cleaned(name: str, expected: str | None) -> None:
    assert clean_filename(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(None, "inline", id="no name"),
        pytest.param("a b.mp4", 'inline; filename="a b.mp4"', id="plain"),
        pytest.param(
            'a"b\\c.mp4',
            "inline; filename=\"a_b_c.mp4\"; filename*=UTF-8''a%22b%5Cc.mp4",
            id="what would end the quotes",
        ),
        pytest.param(
            "100%41.mp4",
            "inline; filename=\"100_41.mp4\"; filename*=UTF-8''100%2541.mp4",
            id="what some browsers would decode",
        ),
        pytest.param(
            "na\xefve.mp4",
            "inline; filename=\"na_ve.mp4\"; filename*=UTF-8''na%C3%AFve.mp4",
            id="beyond ASCII",
        ),
        pytest.param(
            "a\ud800.mp4",
            "inline; filename=\"a_.mp4\"; filename*=UTF-8''a%3F.mp4",
            id="what cannot be encoded",
        ),
    ],
)
def test_name_is_offered(name: str | None, expected: str) -> None:
    assert content_disposition(name) == expected


def test_file_is_offered_to_be_saved() -> None:
    assert content_disposition("a b.mp4", "attachment") == 'attachment; filename="a b.mp4"'


@pytest.mark.parametrize("name", ["na\xefve \u6620\u753b.mp4", 'a"b%.mp4', "a;b='c'.mp4"])
def test_name_that_was_offered_is_found_again(name: str) -> None:
    assert find_filename(content_disposition(name), "/x") == name
