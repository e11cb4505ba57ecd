"""Links: byte for byte what was pasted, and hosts that can be read in one way only."""

import pytest

from streamproxy.errors import InvalidUrl, UnsupportedScheme
from streamproxy.targets.links import MAX_LINK_LENGTH, parse_link


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/film.mp4", "/film.mp4", id="a path"),
        pytest.param("", "/", id="no path"),
        pytest.param("?a=1", "/?a=1", id="no path but a query"),
        pytest.param("/a?", "/a?", id="empty query"),
        pytest.param("/a?&&b=&=c&", "/a?&&b=&=c&", id="empty parameters"),
        pytest.param("/a?b?c", "/a?b?c", id="question mark in the query"),
        pytest.param("/a#t=90", "/a", id="fragment is dropped"),
        pytest.param("/a?b#c?d", "/a?b", id="fragment after the query"),
        pytest.param("?a#b", "/?a", id="fragment without a path"),
        pytest.param("/%2F%2f%41%7E", "/%2F%2f%41%7E", id="escapes stay"),
        pytest.param("/%zz%", "/%zz%", id="escapes that are none stay"),
        pytest.param("/a+b?c+d", "/a+b?c+d", id="plus"),
        pytest.param("/~a;b=c;/,d", "/~a;b=c;/,d", id="tilde, semicolon, comma"),
        pytest.param("/a//b/./c/../d", "/a//b/./c/../d", id="slashes and dots"),
        pytest.param("/'\"<>{}|^`[]", "/'\"<>{}|^`[]", id="what others would escape"),
        pytest.param("/a@b:c", "/a@b:c", id="at sign and colon"),
        pytest.param("/https://x.example/", "/https://x.example/", id="a link in the path"),
        pytest.param("/a b?c d", "/a%20b?c%20d", id="spaces"),
        pytest.param("/\xe9?\xe9", "/%C3%A9?%C3%A9", id="beyond ASCII"),
        pytest.param("/\u6620\u753b", "/%E6%98%A0%E7%94%BB", id="other scripts"),
        pytest.param("/\U0001f3ac", "/%F0%9F%8E%AC", id="beyond the basic plane"),
        pytest.param("/\udce9", "/%E9", id="a byte that is no UTF-8"),
        pytest.param(
            "/v?X-Amz-Signature=a%2Fb%3D&Expires=1&Key-Pair-Id=~-_",
            "/v?X-Amz-Signature=a%2Fb%3D&Expires=1&Key-Pair-Id=~-_",
            id="signed",
        ),
    ],
)
def test_path_and_query_reach_the_server_as_they_are(target: str, expected: str) -> None:
    link = parse_link(f"https://media.example{target}")

    assert link.target == expected
    assert link.url.raw_path_qs == expected
    assert str(link.url) == f"https://media.example{expected}"


@pytest.mark.parametrize(
    ("text", "origin", "host"),
    [
        pytest.param("HTTPS://Media.Example/", "https://media.example", "media.example", id="case"),
        pytest.param("http://h:80/", "http://h", "h", id="own port"),
        pytest.param("https://h:443/", "https://h", "h", id="own port of https"),
        pytest.param("https://h:80/", "https://h:80", "h", id="port of the other scheme"),
        pytest.param("http://h:8080/", "http://h:8080", "h", id="another port"),
        pytest.param("http://h:/", "http://h", "h", id="empty port"),
        pytest.param("http://h:00080/", "http://h", "h", id="leading zeros"),
        pytest.param("http://h:1/", "http://h:1", "h", id="lowest port"),
        pytest.param("http://h:65535/", "http://h:65535", "h", id="highest port"),
        pytest.param("http://localhost/", "http://localhost", "localhost", id="one label"),
        pytest.param("http://a_b.example/", "http://a_b.example", "a_b.example", id="underscore"),
        pytest.param("http://media.example./", "http://media.example.", "media.example.", id="dot"),
        pytest.param(
            "http://b\xfccher.example/",
            "http://xn--bcher-kva.example",
            "xn--bcher-kva.example",
            id="a name beyond ASCII",
        ),
        pytest.param(
            "http://BU\u0308CHER.example/",
            "http://xn--bcher-kva.example",
            "xn--bcher-kva.example",
            id="the same, written otherwise",
        ),
        pytest.param("http://fa\xdf.example/", "http://xn--fa-hia.example", "xn--fa-hia.example"),
        pytest.param("http://192.0.2.1/", "http://192.0.2.1", "192.0.2.1", id="IPv4"),
        pytest.param("http://0.0.0.0/", "http://0.0.0.0", "0.0.0.0", id="lowest IPv4"),
        pytest.param(
            "http://255.255.255.255/",
            "http://255.255.255.255",
            "255.255.255.255",
            id="highest IPv4",
        ),
        pytest.param("http://[::1]:81/", "http://[::1]:81", "::1", id="IPv6"),
        pytest.param("http://[0:0:0:0:0:0:0:1]/", "http://[::1]", "::1", id="IPv6, long"),
        pytest.param(
            "http://[2001:DB8::A]/", "http://[2001:db8::a]", "2001:db8::a", id="IPv6 case"
        ),
        pytest.param(
            "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]", "::ffff:7f00:1", id="mapped"
        ),
        pytest.param(" \thttp://h/\r\n", "http://h", "h", id="white space around it"),
        pytest.param(f"http://{'a' * 63}.b/", f"http://{'a' * 63}.b", f"{'a' * 63}.b"),
    ],
)
def test_host_has_one_form(text: str, origin: str, host: str) -> None:
    link = parse_link(text)

    assert (link.origin, link.host) == (origin, host)
    assert str(link.url) == f"{origin}/"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("film", id="a word"),
        pytest.param("media.example/film.mp4", id="no scheme"),
        pytest.param("media.example:8080/film.mp4", id="no scheme but a port"),
        pytest.param("//media.example/film.mp4", id="no scheme but slashes"),
        pytest.param("\ufeffhttp://h/", id="a mark before it"),
        pytest.param("http:", id="a scheme alone"),
        pytest.param("http:h/", id="no slashes"),
        pytest.param("http:/h/", id="one slash"),
        pytest.param("http:///h/", id="three slashes"),
        pytest.param("http://", id="no host"),
        pytest.param("http://?a", id="a query for a host"),
        pytest.param("http://:80/", id="a port for a host"),
        pytest.param("http://./", id="a dot for a host"),
        pytest.param("http:\\\\h\\", id="backslashes"),
        pytest.param("http://h\\@g/", id="a backslash before an at sign"),
        pytest.param("http://h/a\\b", id="a backslash in the path"),
        pytest.param("http://h/a\tb", id="a tab"),
        pytest.param("http://h/a\r\nX: y", id="a line break"),
        pytest.param("http://h/\x00", id="a null"),
        pytest.param("http://h/\x7f", id="a delete"),
        pytest.param("http://h\n.example/", id="a line feed in the host"),
        pytest.param("http://h g/", id="a space in the host"),
        pytest.param("http://a..b/", id="an empty label"),
        pytest.param("http://.a/", id="an empty first label"),
        pytest.param("http://a../", id="two dots at the end"),
        pytest.param("http://-a.b/", id="a leading hyphen"),
        pytest.param("http://a-.b/", id="a trailing hyphen"),
        pytest.param(f"http://{'a' * 64}.b/", id="a label of 64"),
        pytest.param(f"http://{'a.' * 127}b/", id="a name of 255"),
        pytest.param("http://a%2eb/", id="an escape in the host"),
        pytest.param("http://%31%32%37.0.0.1/", id="an escaped address"),
        pytest.param("http://a%00b/", id="an escaped null"),
        pytest.param("http://a,b/", id="a comma"),
        pytest.param("http://a;b/", id="a semicolon"),
        pytest.param("http://a<b/", id="a bracket"),
        pytest.param("http://a*b/", id="an asterisk"),
        pytest.param("http://exa\xadmple.com/", id="a soft hyphen"),
        pytest.param("http://exa\u200bmple.com/", id="a character of no width"),
        pytest.param("http://\u202ecom.example/", id="a mark that turns the direction"),
        pytest.param("http://\udce9.example/", id="a host that is no UTF-8"),
        pytest.param("http://2130706433/", id="a decimal address"),
        pytest.param("http://0x7f000001/", id="a hexadecimal address"),
        pytest.param("http://0X7F.0.0.1/", id="a hexadecimal part"),
        pytest.param("http://0177.0.0.1/", id="an octal part"),
        pytest.param("http://127.0.0.01/", id="a leading zero"),
        pytest.param("http://127.1/", id="a short address"),
        pytest.param("http://127.0.0.1.1/", id="five parts"),
        pytest.param("http://127.0.0.1./", id="an address and a dot"),
        pytest.param("http://127.0.0.256/", id="a part too great"),
        pytest.param("http://\uff11\uff12\uff17.0.0.1/", id="full-width digits"),
        pytest.param("http://\u2460\u2461\u2466.0.0.1/", id="digits in circles"),
        pytest.param("http://127\u30020\u30020\u30021/", id="ideographic dots"),
        pytest.param("http://0/", id="zero"),
        pytest.param("http://media.0x/", id="a last label that is a number"),
        pytest.param("http://1.2.3/", id="three parts"),
        pytest.param("http://[::1/", id="an open bracket"),
        pytest.param("http://::1/", id="IPv6 without brackets"),
        pytest.param("http://[::1]x/", id="text after a bracket"),
        pytest.param("http://[]/", id="empty brackets"),
        pytest.param("http://[127.0.0.1]/", id="IPv4 in brackets"),
        pytest.param("http://[h]/", id="a name in brackets"),
        pytest.param("http://[\u0661::1]/", id="Arabic digits in brackets"),
        pytest.param("http://[v1.x]/", id="a future form"),
        pytest.param("http://[fe80::1%25eth0]/", id="a zone"),
        pytest.param("http://[fe80::1%eth0]/", id="a zone, not escaped"),
        pytest.param("http://h:0/", id="port 0"),
        pytest.param("http://h:65536/", id="port too great"),
        pytest.param("http://h:000080/", id="a port of six digits"),
        pytest.param("http://h:-1/", id="negative port"),
        pytest.param("http://h:http/", id="a port that is a name"),
        pytest.param("http://h:\u0668\u0660/", id="Arabic digits"),
        pytest.param("http://h:80:90/", id="two ports"),
        pytest.param("http://[::1]:x/", id="a bad port after a bracket"),
        pytest.param("http://@h/", id="empty credentials"),
        pytest.param("http://:secret@h/", id="a password without a user"),
        pytest.param("http://user@h/", id="a user without a password"),
        pytest.param("https://media.example@h/", id="a host before the host"),
        pytest.param("http://a@b@h/", id="two at signs"),
        pytest.param("http://media.example @h/", id="a space in the credentials"),
        pytest.param("http://[::1]@h/", id="brackets in the credentials"),
        pytest.param("http://h/" + "a" * (MAX_LINK_LENGTH - 8), id="one byte too long"),
        pytest.param("http://h/" + "\xe9" * (MAX_LINK_LENGTH // 2), id="too long in bytes"),
        pytest.param("http://h/\ud800", id="a surrogate that stands for no byte"),
    ],
)
def test_hostile_link_is_refused(text: str) -> None:
    with pytest.raises(InvalidUrl):
        parse_link(text)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://h/film.mp4",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:video/mp4;base64,AAAA",
        "blob:https://h/1",
        "rtsp://h/",
        "localhost:5000/film.mp4",
        "s3+x.y-z://h/",
        "httpss://h/",
    ],
)
def test_other_schemes_are_not_supported(text: str) -> None:
    with pytest.raises(UnsupportedScheme):
        parse_link(text)


def test_longest_link_passes() -> None:
    assert len(parse_link("http://h/" + "a" * (MAX_LINK_LENGTH - 9)).target) == MAX_LINK_LENGTH - 8


def test_bytes_are_taken_as_they_are() -> None:
    assert parse_link(b"http://h/\xff\xe9?a").target == "/%FF%E9?a"


@pytest.mark.parametrize(
    ("userinfo", "authorization"),
    [
        pytest.param("user:pass", "Basic dXNlcjpwYXNz", id="user and password"),
        pytest.param("user:", "Basic dXNlcjo=", id="empty password"),
        pytest.param("user:p%40s%3As", "Basic dXNlcjpwQHM6cw==", id="escapes"),
        pytest.param("user:a:b", "Basic dXNlcjphOmI=", id="colon in the password"),
    ],
)
def test_credentials_become_a_field_and_are_never_shown(userinfo: str, authorization: str) -> None:
    link = parse_link(f"https://{userinfo}@h/film.mp4?token=secret")

    assert link.authorization == authorization
    for shown in (str(link), repr(link), f"{link}"):
        assert "h/film.mp4" in shown
        assert not any(secret in shown for secret in ("user", "pass", "secret", "Basic"))
    assert str(link.url) == "https://h/film.mp4?token=secret"


def test_at_sign_after_the_host_is_no_credential() -> None:
    for text in ("http://h/@g", "http://h?@g", "http://h#@g"):
        link = parse_link(text)
        assert (link.host, link.authorization) == ("h", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://[::1]/", "::1"),
        ("http://media.example/", None),
        ("http://1.2.3.4.example/", None),
    ],
)
def test_address_of_a_link(text: str, expected: str | None) -> None:
    address = parse_link(text).address

    assert (None if address is None else str(address)) == expected
