"""What name servers answer: judged one by one, when they answer and when it is connected.

In these tests 127.0.0.1 is permitted and 127.0.0.2 is not; both really listen.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientPayloadError, ClientSession
from aiohttp.abc import AbstractResolver, ResolveResult
from proxies import Proxy, serve
from upstreams import CONTENT, Exchange, Honest, RawUpstream, raw_upstream, response

from streamproxy import Settings, create_app
from streamproxy.targets.policy import TargetPolicy
from streamproxy.upstream.connector import GuardedConnector
from streamproxy.upstream.resolver import BlockedAddress, GuardedResolver, SystemResolver

GOOD, BAD = "127.0.0.1", "127.0.0.2"
SETTINGS = Settings.parse(allow_network=f"{GOOD}/32", connect_timeout=20, read_timeout=30)
POLICY = TargetPolicy.from_settings(SETTINGS)


@dataclass
class NameServer(AbstractResolver):
    """Gives one list of addresses after another; the last one again and again."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        pass


@dataclass
class Scene:
    """A proxy, its name server, an upstream on the good address, a canary on the bad one."""

    proxy: Proxy
    names: NameServer
    connector: GuardedConnector
    upstream: RawUpstream
    canaries: list[asyncio.StreamWriter]

    def link(self, name: str = "media.example") -> str:
        """Return a link by name to the port that both addresses listen on."""
        return f"http://{name}:{self.upstream.port}/film.mp4"

    async def outcome(self, link: str | None = None) -> tuple[int, str]:
        """Return status and code of a request for one byte; of a success only the status."""
        got = await self.proxy.stream(link or self.link(), "0-0")
        if got.status < 400:
            return got.status, ""
        return got.status, (await got.json(content_type=None))["code"]


@asynccontextmanager
async def scene(*answers: Sequence[str]) -> AsyncIterator[Scene]:
    """Set the scene for these answers."""
    names = NameServer(list(answers))
    canaries: list[asyncio.StreamWriter] = []
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(raw_upstream(Honest()))
        canary = await asyncio.start_server(
            lambda _, writer: canaries.append(writer), BAD, upstream.port
        )
        await stack.enter_async_context(canary)
        connector = GuardedConnector(POLICY, resolver=names)
        session = await stack.enter_async_context(ClientSession(connector=connector))
        proxy = await serve(create_app(SETTINGS, session=session), stack)
        yield Scene(proxy, names, connector, upstream, canaries)
        for writer in canaries:
            writer.close()


BLOCKED = (403, "blocked_target")
REACHED = (206, "")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param([GOOD], REACHED, id="permitted"),
        pytest.param([BAD], BLOCKED, id="not permitted"),
        pytest.param([BAD, GOOD], REACHED, id="mixed, the other one first"),
        pytest.param([GOOD, BAD], REACHED, id="mixed, the other one last"),
        pytest.param([BAD] * 15 + [GOOD], REACHED, id="the sixteenth"),
        pytest.param([BAD] * 16 + [GOOD], BLOCKED, id="the seventeenth"),
        pytest.param(["169.254.169.254", "10.0.0.1", "::1"], BLOCKED, id="many kinds"),
        pytest.param(["not an address"], BLOCKED, id="no address"),
        pytest.param(["127.1", "0x7f000001", "2130706433", ""], BLOCKED, id="other spellings"),
        pytest.param(["fe80::1%1"], BLOCKED, id="a zone"),
        pytest.param([f"::ffff:{BAD}"], BLOCKED, id="mapped"),
        pytest.param([f"64:ff9b::{GOOD}"], BLOCKED, id="the permitted one through NAT64"),
        pytest.param(["nonsense", GOOD], REACHED, id="nonsense beside a permitted one"),
    ],
)
async def test_answer_of_a_name_server(answer: list[str], expected: tuple[int, str]) -> None:
    async with scene(answer) as on:
        assert await on.outcome() == expected
        assert on.canaries == []
        assert on.upstream.used == int(expected == REACHED)
        assert bool(on.upstream.connections) == (expected == REACHED)


async def test_no_more_than_sixteen_answers_are_kept() -> None:
    resolver = GuardedResolver(POLICY, NameServer([[GOOD] * 100]))
    assert len(await resolver.resolve("media.example", 80)) == 16


async def test_name_that_changes_its_address_is_judged_anew() -> None:
    async with scene([GOOD], [BAD], [GOOD]) as on:
        assert await on.outcome() == REACHED
        on.connector.clear_dns_cache()
        assert await on.outcome() == BLOCKED
        on.connector.clear_dns_cache()
        assert await on.outcome() == REACHED
        assert on.canaries == []


async def test_connection_goes_to_the_address_that_was_judged() -> None:
    """Between the two there is no second look-up that could answer differently."""
    async with scene([GOOD], [BAD]) as on:
        assert await on.outcome() == REACHED
        assert on.names.asked == ["media.example"]
        assert await on.outcome() == REACHED  # from the cache
        assert on.names.asked == ["media.example"]
        assert on.canaries == []


async def test_name_that_a_redirect_leads_to_is_judged() -> None:
    async with scene([GOOD], [BAD]) as on:
        there = {"Location": on.link("inside.example"), "Content-Length": "0"}

        async def answer(exchange: Exchange) -> None:
            await exchange.send(response("302 Found", there))

        on.upstream.answer = answer
        assert await on.outcome() == BLOCKED
        assert on.names.asked == ["media.example", "inside.example"]
        assert on.canaries == []


async def test_stream_that_is_resumed_does_not_follow_a_name_that_has_moved() -> None:
    async with scene([GOOD], [BAD]) as on:
        whole = {"ETag": '"v1"', "Content-Type": "video/mp4", "Content-Length": str(len(CONTENT))}

        async def answer(exchange: Exchange) -> None:
            on.connector.clear_dns_cache()
            await exchange.send(response("200 OK", whole, CONTENT[:5000]))  # and cuts

        on.upstream.answer = answer
        got = await on.proxy.stream(on.link())
        assert await got.content.readexactly(5000) == CONTENT[:5000]
        with pytest.raises(ClientPayloadError):
            await got.content.readany()
        assert len(on.upstream.exchanges) == 1
        assert on.canaries == []


async def test_cached_answer_is_judged_again_when_it_is_connected_to() -> None:
    async with scene([GOOD]) as on:
        assert await on.outcome() == REACHED
        on.connector.own.add((GOOD, on.upstream.port))  # what was permitted no longer is
        assert await on.outcome() == BLOCKED
        assert on.names.asked == ["media.example"]
        assert on.upstream.used == 1


async def test_refusal_does_not_tell_the_address() -> None:
    async with scene([BAD]) as on:
        got = await on.proxy.stream(on.link())
        assert BAD not in await got.text()


class TestSystemResolver:
    async def test_finds_what_the_system_finds(self) -> None:
        resolver = SystemResolver()
        found = await resolver.resolve("localhost", 80, socket.AF_INET)
        assert {(answer["host"], answer["port"]) for answer in found} == {("127.0.0.1", 80)}
        with pytest.raises(socket.gaierror):
            await resolver.resolve("no-such-host.invalid")
        await resolver.close()

    async def test_keeps_the_zone_for_the_policy_to_see(self) -> None:
        resolver = SystemResolver()
        found = await resolver.resolve("fe80::1%1", 80, socket.AF_INET6)
        assert [answer["host"] for answer in found] == ["fe80::1%1"]
        with pytest.raises(BlockedAddress, match="link-local"):
            await GuardedResolver(POLICY, resolver).resolve("fe80::1%1", 80, socket.AF_INET6)
        await resolver.close()

    async def test_waits_for_nobody_elses_threads(self) -> None:
        """Files are served, and other parts look names up, in the threads of the loop."""
        loop, free = asyncio.get_running_loop(), threading.Event()
        with ThreadPoolExecutor(1) as threads:
            loop.set_default_executor(threads)
            busy = loop.run_in_executor(None, free.wait, 30)
            resolver = SystemResolver()
            try:
                async with asyncio.timeout(10):
                    assert await resolver.resolve("localhost", 80)
                assert not busy.done()
            finally:
                free.set()
                await busy
                await resolver.close()
