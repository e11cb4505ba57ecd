"""Signed links: what a signature covers, who may use it, and until when."""

import re
import string
import time
from ipaddress import ip_network
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproxy import sign_url
from streamproxy.access.signing import LinkSigner
from streamproxy.errors import InvalidSignature, InvalidUrl, LinkExpired, SettingsError

KEY = "0123456789abcdef"
NEW_KEY = "fedcba9876543210"
LINK = "https://media.example/film.mp4?token=a+b%20c&n=1"
END = 1_800_000_000
CLIENT = "203.0.113.7"
SIGNER = LinkSigner([KEY])
SIGNATURE = SIGNER.sign(LINK, END)


@pytest.mark.parametrize("now", [0, END - 1, END - 0.001])
def test_right_signature_passes_until_its_end(now: float) -> None:
    SIGNER.verify(LINK, SIGNATURE, CLIENT, now)
    with pytest.raises(InvalidSignature):
        SIGNER.verify(f"{LINK}x", SIGNATURE, CLIENT, now)


@pytest.mark.parametrize("now", [END, END + 0.001, END + 10**9])
def test_right_signature_is_expired_from_its_end_on(now: float) -> None:
    with pytest.raises(LinkExpired):
        SIGNER.verify(LINK, SIGNATURE, CLIENT, now)


def test_wrong_signature_is_never_called_expired() -> None:
    with pytest.raises(InvalidSignature):
        SIGNER.verify(f"{LINK}x", SIGNATURE, CLIENT, END + 1)


def test_no_character_of_a_signature_can_be_changed() -> None:
    for at, old in enumerate(SIGNATURE):
        for new in "AaBb01_-~=.+ \n":
            if new != old:
                changed = SIGNATURE[:at] + new + SIGNATURE[at + 1 :]
                with pytest.raises(InvalidSignature):
                    SIGNER.verify(LINK, changed, CLIENT, 0)


def test_last_character_stands_for_itself_alone() -> None:
    # Base64 of 32 bytes leaves two bits of it unused: decoded, four texts would be one.
    alphabet = string.ascii_letters + string.digits + "-_"
    for character in alphabet.replace(SIGNATURE[-1], ""):
        with pytest.raises(InvalidSignature):
            SIGNER.verify(LINK, SIGNATURE[:-1] + character, CLIENT, 0)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "~~",
        SIGNATURE.rpartition("~")[2],
        f"{SIGNATURE}=",
        f"{SIGNATURE}A",
        f" {SIGNATURE}",
        f"{SIGNATURE}\n",
        SIGNATURE[:-1],
        f"0{SIGNATURE}",
        f"+{SIGNATURE}",
        SIGNATURE.replace(str(END), str(END + 1)),
        SIGNATURE.replace(str(END), f"{END}.0"),
        SIGNATURE.replace("~~", "~0.0.0.0/0~"),
        SIGNATURE.replace("~~", "~::/0~"),
        f"{'9' * 5000}~~{'A' * 43}",
        "\udcff" * 60,
        "é~~" + "A" * 43,
    ],
)
def test_other_texts_are_no_signature(signature: str) -> None:
    with pytest.raises(InvalidSignature):
        SIGNER.verify(LINK, signature, CLIENT, 0)


@pytest.mark.parametrize(
    "link",
    [
        LINK.replace("+", " "),
        LINK.replace("%20", " "),
        LINK.upper(),
        f"{LINK}#",
        f"{LINK}\n",
        f" {LINK}",
        "",
        # Parts cannot be moved from one field of what is signed into another.
        f"\n{LINK}",
        f"{END}\n\n{LINK}",
    ],
)
def test_signature_is_for_the_exact_link(link: str) -> None:
    with pytest.raises(InvalidSignature):
        SIGNER.verify(link, SIGNATURE, CLIENT, 0)


def test_bytes_that_are_no_text_are_told_apart() -> None:
    latin, utf8 = "https://a.example/caf\udce9", "https://a.example/café"
    signature = SIGNER.sign(latin, END)
    SIGNER.verify(latin, signature, CLIENT, 0)
    for other in (utf8, "https://a.example/caf\udce8", "https://a.example/caf\ufffd"):
        with pytest.raises(InvalidSignature):
            SIGNER.verify(other, signature, CLIENT, 0)


@pytest.mark.parametrize(
    ("network", "client", "passes"),
    [
        ("203.0.113.0/24", "203.0.113.0", True),
        ("203.0.113.0/24", "203.0.113.255", True),
        ("203.0.113.0/24", "::ffff:203.0.113.7", True),
        ("203.0.113.0/24", "203.0.112.255", False),
        ("203.0.113.0/24", "203.0.114.0", False),
        ("203.0.113.0/24", "2001:db8::1", False),
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("203.0.113.0/24", "", False),
        ("203.0.113.0/24", None, False),
        ("203.0.113.0/24", "203.0.113.7.example", False),
    ],
)
def test_link_for_a_network_is_for_no_other(network: str, client: str | None, passes: bool) -> None:
    signature = SIGNER.sign(LINK, END, ip_network(network))
    if passes:
        SIGNER.verify(LINK, signature, client, 0)
    else:
        with pytest.raises(InvalidSignature, match="another network"):
            SIGNER.verify(LINK, signature, client, 0)


def test_network_of_a_link_cannot_be_taken_off() -> None:
    signature = SIGNER.sign(LINK, END, ip_network("203.0.113.0/24"))
    with pytest.raises(InvalidSignature):
        SIGNER.verify(LINK, re.sub("~.*~", "~~", signature), "203.0.113.7", 0)


class TestKeys:
    def test_first_signs_and_all_verify(self) -> None:
        both = LinkSigner([NEW_KEY, KEY])
        both.verify(LINK, SIGNATURE, CLIENT, 0)
        assert both.sign(LINK, END) == LinkSigner([NEW_KEY]).sign(LINK, END) != SIGNATURE

    def test_key_that_is_gone_verifies_nothing(self) -> None:
        with pytest.raises(InvalidSignature):
            LinkSigner([NEW_KEY]).verify(LINK, SIGNATURE, CLIENT, 0)

    @pytest.mark.parametrize("keys", [[], [""], ["0123456789abcde"], [KEY, "short-secret"]])
    def test_key_that_is_too_short_is_refused_and_not_shown(self, keys: list[str]) -> None:
        with pytest.raises(SettingsError) as caught:
            LinkSigner(keys)
        assert "short-secret" not in str(caught.value)

    def test_key_is_not_shown(self) -> None:
        assert KEY not in repr(SIGNER)
        with pytest.raises(InvalidSignature) as caught:
            SIGNER.verify(LINK, SIGNATURE[:-1], CLIENT, 0)
        assert KEY not in caught.value.detail
        assert "token" not in caught.value.detail


class TestSignUrl:
    def parts(self, signed: str) -> dict[str, str]:
        assert urlsplit(signed).path == "/stream"
        pairs = parse_qsl(urlsplit(signed).query, errors="surrogateescape", strict_parsing=True)
        assert [name for name, _ in pairs] == ["url", "sig"]
        return dict(pairs)

    @pytest.mark.parametrize("link", [LINK, "http://a.example/ä b&c#d", "http://a.example/\udcff"])
    def test_link_and_signature_arrive_as_they_were(self, link: str) -> None:
        parts = self.parts(sign_url(link, KEY, expires_at=END, client="203.0.113.7/32"))
        assert parts["url"] == link
        SIGNER.verify(link, parts["sig"], CLIENT, 0)
        with pytest.raises(InvalidSignature):
            SIGNER.verify(link, parts["sig"], "203.0.113.8", 0)

    def test_time_to_live_counts_from_now(self) -> None:
        parts = self.parts(sign_url(LINK, (KEY, NEW_KEY), ttl_s=60))
        SIGNER.verify(LINK, parts["sig"], CLIENT, time.time() + 50)
        with pytest.raises(LinkExpired):
            SIGNER.verify(LINK, parts["sig"], CLIENT, time.time() + 61)

    def test_signature_is_short_and_does_not_repeat_the_link(self) -> None:
        signed = sign_url("https://a.example/" + "x" * 5000, KEY, expires_at=END)
        assert len(self.parts(signed)["sig"]) == 10 + 2 + 43

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"ttl_s": 60, "expires_at": END},
            {"ttl_s": 0},
            {"ttl_s": -1},
            {"expires_at": -1},
            {"expires_at": 10**12},
            {"ttl_s": 60, "client": "203.0.113.7/24"},
            {"ttl_s": 60, "client": "everybody"},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, options: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=r"give|must|not appear|has host bits"):
            sign_url(LINK, KEY, **options)  # type: ignore[arg-type]  # a table of wrong ones

    def test_link_that_cannot_be_fetched_is_refused(self) -> None:
        with pytest.raises(InvalidUrl):
            sign_url("no link", KEY, ttl_s=60)


@given(link=st.binary(max_size=60), other=st.binary(max_size=60))
def test_signature_is_for_one_link_whatever_its_bytes(link: bytes, other: bytes) -> None:
    text, other_text = (data.decode("utf-8", "surrogateescape") for data in (link, other))
    signature = SIGNER.sign(text, END)
    SIGNER.verify(text, signature, CLIENT, 0)
    if text != other_text:
        with pytest.raises(InvalidSignature):
            SIGNER.verify(other_text, signature, CLIENT, 0)
