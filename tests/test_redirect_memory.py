"""What is kept of followed redirects: little, and not for long."""

import pytest
from multidict import CIMultiDict

from streamproxy.targets.links import Link
from streamproxy.upstream.hops import RedirectMemory, may_be_kept


def link(target: str) -> Link:
    return Link("https", "example.com", 443, target)


def test_chain_is_found_for_a_minute_from_when_it_was_followed() -> None:
    memory, hops = RedirectMemory(), (link("/a"), link("/b"))
    memory.add(hops, now=100.0)
    assert memory.find(link("/a"), now=159.9) == hops
    assert memory.find(link("/b"), now=159.9) == (link("/b"),)
    assert memory.find(link("/a"), now=160.0) == (link("/a"),)
    assert not memory.forget(link("/a"))  # gone with its time


def test_forgotten_chain_is_followed_anew() -> None:
    memory = RedirectMemory()
    memory.add((link("/a"), link("/b")), now=0.0)
    assert memory.forget(link("/a"))
    assert memory.find(link("/a"), now=0.0) == (link("/a"),)


def test_oldest_of_many_chains_makes_room() -> None:
    memory = RedirectMemory()
    for number in range(257):
        memory.add((link(f"/{number}"), link("/b")), now=0.0)
    assert memory.find(link("/0"), now=0.0) == (link("/0"),)
    assert memory.find(link("/1"), now=0.0) == (link("/1"), link("/b"))


def test_chain_of_enormous_links_replaces_nothing_and_is_not_kept() -> None:
    memory = RedirectMemory()
    memory.add((link("/a"), link("/b")), now=0.0)
    memory.add((link("/a"), link("/" + "b" * 16384)), now=0.0)
    assert memory.find(link("/a"), now=0.0) == (link("/a"),)


def test_credentials_make_another_link() -> None:
    memory = RedirectMemory()
    own = Link("https", "example.com", 443, "/a", authorization="Basic eDp5")
    memory.add((own, link("/b")), now=0.0)
    assert memory.find(link("/a"), now=0.0) == (link("/a"),)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([], True),
        (["private, max-age=60"], True),
        (["max-age=0"], False),
        (["max-age=0123"], True),
        (["No-Store"], False),
        (["public", "no-cache"], False),
        (["x-no-store"], True),
    ],
)
def test_cache_control_of_a_redirect_is_heeded(values: list[str], kept: bool) -> None:
    assert may_be_kept(CIMultiDict([("cache-control", value) for value in values])) == kept
