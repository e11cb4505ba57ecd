"""Which requests are another web site's: what browsers say, and what follows."""

import pytest
from multidict import CIMultiDict

from streamproxy.access.sites import check_host, check_site, is_loopback
from streamproxy.errors import ForeignSite, Misdirected

OWN = "http://127.0.0.1:5000"


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"],
)
def test_loopback_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.nip.io",
        "127.1",
        "0.0.0.0",
        "192.168.1.1",
        "::",
        "",
        "evil.example",
    ],
)
def test_what_is_not_loopback_is_known(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("hosts", "names", "on_loopback", "passes"),
    [
        (["127.0.0.1:5000"], (), True, True),
        (["localhost:5000"], (), True, True),
        (["[::1]:5000"], (), True, True),
        (["localhost"], (), True, True),
        ([], (), True, True),  # HTTP/1.0: no browser
        (["evil.example:5000"], (), True, False),
        (["evil"], (), True, False),
        (["127.0.0.1.evil.example"], (), True, False),
        (["192.168.1.5:5000"], (), True, False),
        (["127.0.0.1", "evil.example"], (), True, False),
        (["evil.example@127.0.0.1"], (), True, False),
        (["127.0.0.1:5000/evil"], (), True, False),
        ([""], (), True, False),
        (["[::1"], (), True, False),
        (["films.example"], ("films.example",), True, True),
        (["FILMS.example.:443"], ("films.example",), True, True),
        (["a.films.example"], ("*.films.example",), True, True),
        (["evil.example"], ("films.example",), True, False),
        (["localhost"], ("films.example",), True, True),
        (["anything.example"], ("*",), True, True),
        (["anything.example"], (), False, True),
        (["192.168.1.5:5000"], (), False, True),
        (["evil.example"], ("films.example",), False, False),
        (["localhost"], ("films.example",), False, False),
    ],
)
def test_host_that_is_not_ours_is_refused(
    hosts: list[str], names: tuple[str, ...], on_loopback: bool, passes: bool
) -> None:
    if passes:
        check_host(hosts, names, on_loopback=on_loopback)
    else:
        with pytest.raises(Misdirected):
            check_host(hosts, names, on_loopback=on_loopback)


def test_any_host_is_ours_where_everybody_is_asked_who_they_are() -> None:
    check_host(["films.example"], (), on_loopback=True, asks_who=True)
    check_host(["localhost"], ("films.example",), on_loopback=True, asks_who=True)
    with pytest.raises(Misdirected):
        check_host(["evil.example"], ("films.example",), on_loopback=True, asks_who=True)


def fields(**given: str) -> CIMultiDict[str]:
    names = {name.replace("_", "-"): value for name, value in given.items()}
    return CIMultiDict({"Host": "127.0.0.1:5000"} | names)


NAVIGATION = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
OURS = [
    {},  # curl, a player
    {"Sec_Fetch_Site": "same-origin"},
    {"Sec_Fetch_Site": "none", **NAVIGATION},  # typed
    {"Origin": OWN},  # an old browser
    {"Origin": OWN, "Sec_Fetch_Site": "same-origin"},
    {"Referer": "https://evil.example/"},  # a player; a browser would say more
]
FOREIGN = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},  # another port of this machine
    {"Sec_Fetch_Site": "cross-site", "Origin": OWN},
    {"Sec_Fetch_Site": "something-new"},
    {"Sec_Fetch_Site": ""},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "video"},
    {"Sec_Fetch_Site": "none", "Sec_Purpose": "prefetch", **NAVIGATION},
    {"Sec_Fetch_Site": "none", "Sec_Purpose": "prefetch;prerender", **NAVIGATION},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "object"},
]


# Without a word of the site: an old browser, or a plain-HTTP address beyond loopback.
UNSAID = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:5001"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": ""},
]


@pytest.mark.parametrize("given", OURS)
def test_own_page_and_programs_pass(given: dict[str, str]) -> None:
    check_site(fields(**given), ())
    check_site(fields(**given), (), is_safe=False)


@pytest.mark.parametrize("given", UNSAID)
def test_foreign_origin_may_ask_for_what_it_cannot_read_and_change_nothing(
    given: dict[str, str],
) -> None:
    check_site(fields(**given), ())
    with pytest.raises(ForeignSite):
        check_site(fields(**given), (), is_safe=False)


@pytest.mark.parametrize("given", FOREIGN)
@pytest.mark.parametrize("may_open", [True, False])
def test_foreign_page_is_refused(given: dict[str, str], may_open: bool) -> None:
    with pytest.raises(ForeignSite):
        check_site(fields(**given), ("https://app.example",), may_open=may_open)


def test_link_on_another_site_leads_to_the_page_only() -> None:
    click = fields(Sec_Fetch_Site="cross-site", **NAVIGATION)

    check_site(click, (), may_open=True)
    with pytest.raises(ForeignSite):
        check_site(click, (), may_open=False)


def test_frame_needs_leave() -> None:
    frame = fields(Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe")

    check_site(frame, (), may_open=True, may_frame=True)
    with pytest.raises(ForeignSite):
        check_site(frame, (), may_open=False, may_frame=True)


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        ({"Origin": "https://app.example"}, True),
        ({"Origin": "HTTPS://APP.example"}, True),
        ({"Referer": "https://app.example/films?x"}, True),  # a media element
        ({"Origin": "https://evil.example", "Referer": "https://app.example/"}, False),
        ({"Referer": "https://app.example.evil.example/"}, False),
        ({"Referer": "https://app.example@evil.example/"}, False),
        ({"Referer": "nonsense"}, False),
        ({"Origin": "http://app.example"}, False),
    ],
)
def test_origin_that_is_named_passes(given: dict[str, str], passes: bool) -> None:
    request = fields(Sec_Fetch_Site="cross-site", **given)

    if passes:
        check_site(request, ("https://app.example",))
    else:
        with pytest.raises(ForeignSite):
            check_site(request, ("https://app.example",))
    check_site(request, ("*",))
