"""The table of docs/targets.md that says what wins over what, row by row."""

import socket
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from streamproxy.errors import BlockedTarget
from streamproxy.settings import Settings
from streamproxy.targets.links import parse_link
from streamproxy.targets.policy import HostRule, TargetPolicy, check_target
from streamproxy.upstream.own import OwnEndpoints
from streamproxy.upstream.resolver import BlockedAddress, GuardedResolver, judge_address

PAGE = Path(__file__).parents[2] / "docs" / "targets.md"


def rows() -> list[list[str]]:
    text = PAGE.read_text(encoding="utf-8").partition("\n## What wins over what\n")[2]
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[2:]]


def given(cell: str) -> dict[str, str]:
    return {} if cell == "none" else dict(pair.split("=", 1) for pair in cell.split())


class Answers(AbstractResolver):
    """A name server that knows one name."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


async def judge(link_text: str, policy: TargetPolicy, addresses: str) -> str:
    """Judge as the client does, hop by hop: the link, then what it leads to."""
    own = OwnEndpoints()
    own.add(("127.0.0.1", 5000))
    link = parse_link(link_text)
    try:
        check_target(link, policy)
        if link.address is None:
            resolver = GuardedResolver(policy, Answers(addresses.split()), own=own)
            for answer in await resolver.resolve(link.host, link.port):
                judge_address(answer["host"], answer["port"], policy, own)
        else:
            assert addresses == "itself"
            judge_address(str(link.address), link.port, policy, own)
    except BlockedTarget as exc:
        return f"refused: {exc.detail}"
    except BlockedAddress as exc:
        return f"refused: {exc.refusal.detail}"
    return "permitted"


@pytest.mark.parametrize("row", rows(), ids=lambda row: " ".join(row[:3]))
async def test_row_of_the_page_is_what_happens(row: list[str]) -> None:
    settings, of_the_user, link, addresses, outcome = row
    policy = TargetPolicy.from_settings(Settings.parse(**given(settings)))
    if of_the_user != "none":
        lists = {name: tuple(value.split(",")) for name, value in given(of_the_user).items()}
        policy = policy.narrowed(HostRule(**lists))

    assert await judge(link, policy, addresses) == outcome


def test_table_sets_every_rule_against_another() -> None:
    words = " ".join(" ".join(row[:2]) for row in rows())

    for rule in ("deny_host", "allow_host", "allow_network", "allow_endpoint"):
        assert words.count(f"{rule}=") >= 2
    assert len({row[4].partition(":")[2] for row in rows()}) >= 9
