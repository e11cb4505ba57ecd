"""Where a redirect leads: by RFC 3986, byte for byte, and never with another's password."""

import pytest

from streamproxy.errors import InvalidUrl, ProxyError, UnsupportedScheme
from streamproxy.targets.links import join_link, parse_link

BASE = "https://media.example/a/b/c.mp4?q=1"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        pytest.param("https://cdn.example/x", "https://cdn.example/x", id="absolute"),
        pytest.param("HTTP://CDN.example:81/x", "http://cdn.example:81/x", id="another scheme"),
        pytest.param("//cdn.example/x", "https://cdn.example/x", id="another host"),
        pytest.param("/x", "https://media.example/x", id="a path"),
        pytest.param("x", "https://media.example/a/b/x", id="a name"),
        pytest.param("../x", "https://media.example/a/x", id="the folder above"),
        pytest.param("../../../x", "https://media.example/x", id="above the root"),
        pytest.param("./x:y", "https://media.example/a/b/x:y", id="a name with a colon"),
        pytest.param("?r=2", "https://media.example/a/b/c.mp4?r=2", id="a query"),
        pytest.param("", "https://media.example/a/b/c.mp4?q=1", id="nothing"),
        pytest.param("#t=1", "https://media.example/a/b/c.mp4?q=1", id="a fragment"),
        pytest.param("/x#t=1", "https://media.example/x", id="a path and a fragment"),
        pytest.param(" /x\t", "https://media.example/x", id="white space around it"),
        pytest.param("/a b\xe9", "https://media.example/a%20b%C3%A9", id="what must be escaped"),
        pytest.param("/\udce9", "https://media.example/%E9", id="a byte that is no UTF-8"),
        pytest.param("/%2F%2e%2e/~+", "https://media.example/%2F%2e%2e/~+", id="escapes stay"),
        pytest.param("/x?a=/../b", "https://media.example/x?a=/../b", id="dots in a query stay"),
        pytest.param("/a//b", "https://media.example/a//b", id="two slashes"),
        pytest.param(
            "https://cdn.example/a/../b;?", "https://cdn.example/a/../b;?", id="absolute as it is"
        ),
    ],
)
def test_redirect_is_resolved(location: str, expected: str) -> None:
    assert str(join_link(parse_link(BASE), location).url) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        # Section 5.4.1: normal examples; fragments are dropped here.
        ("g", "/b/c/g"),
        ("./g", "/b/c/g"),
        ("g/", "/b/c/g/"),
        ("/g", "/g"),
        ("?y", "/b/c/d;p?y"),
        ("g?y", "/b/c/g?y"),
        ("#s", "/b/c/d;p?q"),
        ("g#s", "/b/c/g"),
        ("g?y#s", "/b/c/g?y"),
        (";x", "/b/c/;x"),
        ("g;x", "/b/c/g;x"),
        ("g;x?y#s", "/b/c/g;x?y"),
        ("", "/b/c/d;p?q"),
        (".", "/b/c/"),
        ("./", "/b/c/"),
        ("..", "/b/"),
        ("../", "/b/"),
        ("../g", "/b/g"),
        ("../..", "/"),
        ("../../", "/"),
        ("../../g", "/g"),
        # Section 5.4.2: abnormal examples.
        ("../../../g", "/g"),
        ("../../../../g", "/g"),
        ("/./g", "/g"),
        ("/../g", "/g"),
        ("g.", "/b/c/g."),
        (".g", "/b/c/.g"),
        ("g..", "/b/c/g.."),
        ("..g", "/b/c/..g"),
        ("./../g", "/b/g"),
        ("./g/.", "/b/c/g/"),
        ("g/./h", "/b/c/g/h"),
        ("g/../h", "/b/c/h"),
        ("g;x=1/./y", "/b/c/g;x=1/y"),
        ("g;x=1/../y", "/b/c/y"),
        ("g?y/./x", "/b/c/g?y/./x"),
        ("g?y/../x", "/b/c/g?y/../x"),
        ("g#s/../x", "/b/c/g"),
    ],
)
def test_examples_of_rfc_3986(reference: str, expected: str) -> None:
    assert join_link(parse_link("http://a/b/c/d;p?q"), reference).target == expected


@pytest.mark.parametrize(
    ("base", "location", "expected"),
    [
        pytest.param(BASE, "/x;?r=2", "/x;?r=2", id="empty parameters before a query"),
        pytest.param(BASE, "/x;", "/x;", id="empty parameters"),
        pytest.param(BASE, "/x?", "/x?", id="empty query"),
        pytest.param(BASE, "?", "/a/b/c.mp4?", id="nothing but an empty query"),
        pytest.param(BASE, "x//y", "/a/b/x//y", id="two slashes"),
        pytest.param("https://h/a//b/c", "x", "/a//b/x", id="two slashes of the base"),
        pytest.param("https://h/c.mp4;?q", "", "/c.mp4;?q", id="nothing, parameters of the base"),
    ],
)
def test_relative_redirect_keeps_its_bytes(base: str, location: str, expected: str) -> None:
    assert join_link(parse_link(base), location).target == expected


@pytest.mark.parametrize(
    ("location", "error"),
    [
        pytest.param("ftp://media.example/x", UnsupportedScheme, id="another scheme"),
        pytest.param("javascript:alert(1)", UnsupportedScheme, id="a script"),
        pytest.param("file:///etc/passwd", UnsupportedScheme, id="a file"),
        pytest.param("http:x", InvalidUrl, id="no slashes"),
        pytest.param("https://", InvalidUrl, id="no host"),
        pytest.param("http://0x7f.1/", InvalidUrl, id="a numeric host"),
        pytest.param("//127.1/", InvalidUrl, id="a numeric host without a scheme"),
        pytest.param("//[::1/", InvalidUrl, id="an open bracket"),
        pytest.param("//h:x/", InvalidUrl, id="a bad port"),
        pytest.param("\\\\evil.example/", InvalidUrl, id="backslashes"),
        pytest.param("/\\evil.example/", InvalidUrl, id="a slash and a backslash"),
        pytest.param("https://h/a\x00b", InvalidUrl, id="a null"),
        pytest.param("/a\x00b", InvalidUrl, id="a null in a path"),
        pytest.param("https://h/a\tb", InvalidUrl, id="a tab"),
        pytest.param("/a\tb", InvalidUrl, id="a tab in a path"),
        pytest.param("\x01/a", InvalidUrl, id="a control character before a path"),
        pytest.param("a\x05b/..", InvalidUrl, id="a control character that a .. takes away"),
        pytest.param("\\\\evil.example/..", InvalidUrl, id="backslashes that a .. takes away"),
        pytest.param("///evil.example/x", InvalidUrl, id="no host between the slashes"),
        pytest.param("/\ud800", InvalidUrl, id="a surrogate that stands for no byte"),
    ],
)
def test_hostile_redirect_is_refused(location: str, error: type[ProxyError]) -> None:
    with pytest.raises(error):
        join_link(parse_link(BASE), location)


@pytest.mark.parametrize(
    ("location", "is_kept"),
    [
        pytest.param("/x", True, id="a path"),
        pytest.param("https://media.example/x", True, id="the same origin"),
        pytest.param("HTTPS://MEDIA.example:443/x", True, id="the same origin, written otherwise"),
        pytest.param("//media.example/x", True, id="the same host without a scheme"),
        pytest.param("http://media.example/x", False, id="another scheme"),
        pytest.param("https://media.example:8443/x", False, id="another port"),
        pytest.param("https://cdn.example/x", False, id="another host"),
        pytest.param("https://sub.media.example/x", False, id="a host below"),
        pytest.param("https://media.example./x", False, id="a dot at the end"),
        pytest.param("//cdn.example/x", False, id="another host without a scheme"),
    ],
)
def test_credentials_stay_with_their_origin(location: str, *, is_kept: bool) -> None:
    base = parse_link("https://user:pass@media.example/a")

    assert join_link(base, location).authorization == (base.authorization if is_kept else None)


def test_credentials_of_a_redirect_are_its_own() -> None:
    base = parse_link("https://user:pass@media.example/a")

    for location in ("https://new:x@media.example/x", "//new:x@cdn.example/x"):
        assert join_link(base, location).authorization == "Basic bmV3Ong="


def test_credentials_do_not_come_back_after_a_detour() -> None:
    base = parse_link("https://user:pass@media.example/a")
    detour = join_link(base, "https://cdn.example/x")

    assert join_link(detour, "https://media.example/b").authorization is None
