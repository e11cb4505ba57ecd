"""May this link, may this address be fetched? What wins over what."""

from dataclasses import fields
from ipaddress import ip_address

import pytest

from streamproxy.errors import BlockedTarget
from streamproxy.settings import Settings
from streamproxy.targets.links import parse_link
from streamproxy.targets.policy import (
    BAD_PORTS,
    HostRule,
    TargetPolicy,
    check_address,
    check_target,
    matches_host,
)


def policy(**given: str) -> TargetPolicy:
    return TargetPolicy.from_settings(Settings.parse(**given))


NAMED = {"allow_host": "media.example,*.cdn.example"}
DENIED = {"deny_host": "*.cdn.example"}
OPEN = {"allow_network": "127.0.0.0/8,192.168.0.0/16,::1/128"}
HOME = {"allow_endpoint": "192.168.1.5:8080,[fd00::5]:8080"}


@pytest.mark.parametrize(
    ("link", "given", "refusal"),
    [
        pytest.param("https://media.example/", {}, None, id="any host"),
        pytest.param("https://media.example/", NAMED, None, id="a host of the list"),
        pytest.param("https://other.example/", NAMED, "only certain", id="a host not of the list"),
        pytest.param("https://a.cdn.example/", NAMED, None, id="a host by a pattern"),
        pytest.param("https://a.cdn.example/", DENIED, "not permit", id="a host that is denied"),
        pytest.param("https://cdn.example/", DENIED, None, id="a host above the pattern"),
        pytest.param(
            "https://a.cdn.example/", NAMED | DENIED, "not permit", id="deny_host before allow_host"
        ),
        pytest.param("https://media.example/", NAMED | DENIED, None, id="the rest of the list"),
        pytest.param(
            "http://media.example:25/", NAMED, "Port 25", id="the port, also of a host of the list"
        ),
        pytest.param(
            "http://other.example:25/", NAMED, "only certain", id="allow_host before the port"
        ),
        pytest.param("http://127.0.0.1:25/", {}, "Port 25", id="the port before the address"),
        pytest.param("http://127.0.0.1:25/", OPEN, "Port 25", id="the port of a permitted network"),
        pytest.param("http://media.example:8080/", {}, None, id="another port"),
        pytest.param("http://8.8.8.8/", {}, None, id="a public address"),
        pytest.param("http://8.8.8.8/", NAMED, "only certain", id="an address not of the list"),
        pytest.param(
            "http://8.8.8.8/",
            {"deny_host": "8.8.8.8"},
            "not permit",
            id="an address that is denied",
        ),
        pytest.param(
            "http://[::ffff:8.8.8.8]/", {"deny_host": "8.8.8.8"}, "not permit", id="denied, mapped"
        ),
        pytest.param(
            "http://8.8.8.8/", {"deny_host": "::ffff:8.8.8.8"}, "not permit", id="a mapped pattern"
        ),
        pytest.param(
            "http://[2606:4700::1111]/",
            {"deny_host": "2606:4700:0:0:0:0:0:1111"},
            "not permit",
            id="a pattern that is spelt out",
        ),
        pytest.param(
            "http://[2606:4700:0::1111]/",
            {"allow_host": "2606:4700:0000::1111"},
            None,
            id="an address that is allowed, spelt otherwise",
        ),
        pytest.param("http://127.0.0.1/", {}, "loopback", id="an address that is not public"),
        pytest.param(
            "http://127.0.0.1/", {"allow_host": "127.0.0.1"}, "loopback", id="allow_host opens none"
        ),
        pytest.param("http://127.0.0.1/", OPEN, None, id="a permitted network"),
        pytest.param("http://[::1]/", OPEN, None, id="a permitted network of IPv6"),
        pytest.param("http://[::ffff:127.0.0.1]/", OPEN, None, id="a permitted address, mapped"),
        pytest.param("http://[64:ff9b::7f00:1]/", OPEN, "loopback", id="the same through NAT64"),
        pytest.param("http://10.0.0.1/", OPEN, "private", id="another network"),
        pytest.param(
            "http://127.0.0.1/", OPEN | {"deny_host": "*"}, "not permit", id="deny_host before all"
        ),
        pytest.param(
            "http://127.0.0.1/", OPEN | NAMED, "only certain", id="allow_host before the network"
        ),
        pytest.param("http://192.168.1.5:8080/", HOME, None, id="a permitted endpoint"),
        pytest.param("http://[fd00::5]:8080/", HOME, None, id="a permitted endpoint of IPv6"),
        pytest.param("http://[::ffff:192.168.1.5]:8080/", HOME, None, id="a mapped endpoint"),
        pytest.param("http://192.168.1.5:8081/", HOME, "private", id="another port of it"),
        pytest.param("http://192.168.1.5/", HOME, "private", id="the usual port of it"),
        pytest.param("http://192.168.1.6:8080/", HOME, "private", id="the address beside it"),
    ],
)
def test_what_wins_over_what(link: str, given: dict[str, str], refusal: str | None) -> None:
    if refusal is None:
        check_target(parse_link(link), policy(**given))
    else:
        with pytest.raises(BlockedTarget, match=refusal):
            check_target(parse_link(link), policy(**given))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "a loopback address"),
        ("10.1.2.3", "an address of a private network"),
        ("169.254.1.1", "a link-local address"),
        ("100.64.0.1", "an address of a carrier's shared network"),
        ("169.254.169.254", "the address of a cloud's metadata service"),
        ("224.0.0.1", "a multicast address"),
        ("255.255.255.255", "the broadcast address"),
        ("192.0.2.1", "an address reserved for documentation"),
        ("198.18.0.1", "an address reserved for benchmarks"),
        ("0.0.0.0", "the unspecified address"),
        ("240.0.0.1", "a reserved address"),
        ("::ffff:127.0.0.1", "a loopback address"),
        ("fe80::1%1", "a link-local address"),
    ],
)
def test_refusal_names_the_class_and_never_the_address(address: str, reason: str) -> None:
    with pytest.raises(BlockedTarget) as caught:
        check_address(address, 80, policy())

    assert caught.value.detail == f"The link leads to {reason}."
    assert address not in str(caught.value)


@pytest.mark.parametrize("address", ["", "localhost", "127.1", "1.2.3.4.5", "::1::", "[::1]"])
def test_address_that_cannot_be_read_is_refused(address: str) -> None:
    with pytest.raises(BlockedTarget):
        check_address(address, 80, policy(**OPEN))


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_address_may_be_an_object(address: str) -> None:
    check_address(address, 443, policy())
    check_address(ip_address(address), 443, policy())


def test_metadata_service_needs_its_own_permission() -> None:
    """Whoever opens a network has named all of its addresses; nothing wider opens one."""
    check_address("169.254.169.254", 80, policy(allow_network="169.254.0.0/16"))
    with pytest.raises(BlockedTarget):
        check_address("169.254.169.254", 80, policy(allow_network="10.0.0.0/8"))


@pytest.mark.parametrize("port", [22, 25, 6667])
def test_ports_of_other_protocols_are_refused(port: int) -> None:
    assert port in BAD_PORTS


@pytest.mark.parametrize("port", [80, 443, 8000, 8080, 8443, 5000, 32400])
def test_ports_of_media_servers_are_not_refused(port: int) -> None:
    assert port not in BAD_PORTS


@pytest.mark.parametrize(
    ("host", "pattern", "expected"),
    [
        pytest.param("media.example", "media.example", True, id="itself"),
        pytest.param("media.example.", "media.example", True, id="with a dot at the end"),
        pytest.param("a.media.example", "media.example", False, id="a host below a name"),
        pytest.param("a.media.example", "*.media.example", True, id="a host below a pattern"),
        pytest.param("a.media.example.", "*.media.example", True, id="below, with a dot"),
        pytest.param("a.b.media.example", "*.media.example", True, id="two levels below"),
        pytest.param("media.example", "*.media.example", False, id="the pattern's own name"),
        pytest.param("xmedia.example", "*.media.example", False, id="the same ending"),
        pytest.param("media.example.org", "media.example", False, id="the same beginning"),
        pytest.param("media.example", "*", True, id="any"),
        pytest.param("::1", "::1", True, id="IPv6"),
        pytest.param("media.example", "other.example", False, id="another"),
    ],
)
def test_host_pattern(host: str, pattern: str, *, expected: bool) -> None:
    assert matches_host(host, (pattern,)) == expected
    assert matches_host(host, ("unrelated.example", pattern)) == expected
    assert not matches_host(host, ())


def test_policy_takes_each_of_its_rules_from_the_settings() -> None:
    settings = Settings.parse(
        allow_network="10.0.0.0/8",
        allow_endpoint="127.0.0.1:80",
        allow_host="a.example",
        deny_host="b.example",
    )
    found = TargetPolicy.from_settings(settings)

    assert found.rules == ()  # those come with the one who asks
    for rule in fields(TargetPolicy):
        if rule.init and rule.name != "rules":
            assert getattr(found, rule.name) == getattr(settings, rule.name) != ()


RULE = HostRule(allow_host=("*.example",), deny_host=("b.example",))


@pytest.mark.parametrize(
    ("host", "rule", "permitted"),
    [
        pytest.param("a.example", HostRule(), True, id="no lists"),
        pytest.param("a.example", RULE, True, id="allowed"),
        pytest.param("b.example", RULE, False, id="allowed and denied"),
        pytest.param("a.org", RULE, False, id="not allowed"),
        pytest.param("a.org", HostRule(deny_host=("b.example",)), True, id="not denied"),
        pytest.param("b.example", HostRule(deny_host=("b.example",)), False, id="denied"),
        pytest.param("b.example.", HostRule(deny_host=("b.example",)), False, id="with a dot"),
    ],
)
def test_rule_of_a_user(host: str, rule: HostRule, *, permitted: bool) -> None:
    assert rule.permits(host) == permitted


def test_each_narrowing_must_permit() -> None:
    wide = policy()
    narrow = wide.narrowed(HostRule(allow_host=("a.example", "b.example")))
    narrower = narrow.narrowed(HostRule(allow_host=("b.example", "c.example")))

    check_target(parse_link("http://c.example/"), wide)
    check_target(parse_link("http://a.example/"), narrow)
    check_target(parse_link("http://b.example/"), narrower)
    for host in ("a.example", "c.example"):
        with pytest.raises(BlockedTarget, match="Your access does not cover this host"):
            check_target(parse_link(f"http://{host}/"), narrower)


def test_what_is_remembered_of_many_hosts_permits_no_other() -> None:
    strict = policy(**DENIED)
    for number in range(3000):
        check_target(parse_link(f"https://host{number}.example/"), strict)
        with pytest.raises(BlockedTarget):
            check_target(parse_link(f"https://host{number}.cdn.example/"), strict)
