"""Upstreams that break off: the stream goes on at the same byte."""

import asyncio
import itertools

import pytest
from breaks import (
    OTHER,
    SIZE,
    TYPE,
    Break,
    asked_of,
    close,
    in_turn,
    play,
    play_to_the_cut,
    refuse,
)
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response
from viewers import watch

# What the client asks for, how many bytes of it come, and what is asked for then.
BREAKS = {
    "whole": (None, 5000, f"bytes=5000-{SIZE - 1}"),
    "the last byte": (None, SIZE - 1, f"bytes={SIZE - 1}-{SIZE - 1}"),
    "closed": ("1000-9999", 500, "bytes=1500-9999"),
    "the last byte of a range": ("1000-9999", 8999, "bytes=9999-9999"),
    "open": ("1000-", 500, f"bytes=1500-{SIZE - 1}"),
    "suffix": ("-9000", 500, f"bytes={SIZE - 8500}-{SIZE - 1}"),
}


async def break_off(proxy: Proxy, end: str, asked: str | None, at: int, resumed: str) -> None:
    """Play what breaks off after *at* bytes, and look at what is asked for and what comes."""
    broken = Break(at, end)
    async with raw_upstream(in_turn(broken)) as upstream:
        body = await play(proxy, upstream, broken, asked=asked)
    first = None if asked is None else f"bytes={asked}"
    assert asked_of(upstream) == [(first, None), (resumed, '"v1"')]
    start = int(resumed.removeprefix("bytes=").split("-")[0]) - at
    end_pos = int(resumed.split("-")[1])
    assert body == CONTENT[start : end_pos + 1]


class TestGoingOn:
    """The missing bytes are asked for, and no others."""

    @pytest.mark.parametrize("end", ["close", "cut", "reset"])
    @pytest.mark.parametrize(("asked", "at", "resumed"), BREAKS.values(), ids=BREAKS)
    async def test_at_the_byte_where_it_broke_off(
        self, proxy: Proxy, end: str, asked: str | None, at: int, resumed: str
    ) -> None:
        await break_off(proxy, end, asked, at, resumed)

    async def test_at_the_byte_where_it_fell_silent(self, start_proxy: StartProxy) -> None:
        """All at once: each takes as long as the silence is waited for."""
        proxy = await start_proxy(read_timeout=1.5)
        async with asyncio.TaskGroup() as group:
            for asked, at, resumed in BREAKS.values():
                group.create_task(break_off(proxy, "stall", asked, at, resumed))

    @pytest.mark.parametrize("asked", [None, "1000-"])
    async def test_before_any_byte_of_the_body(self, proxy: Proxy, asked: str | None) -> None:
        broken = Break(0)
        async with raw_upstream(in_turn(broken)) as upstream:
            body = await play(proxy, upstream, broken, asked=asked)
        start = 0 if asked is None else 1000
        assert body == CONTENT[start:]
        assert asked_of(upstream)[1:] == [(f"bytes={start}-{SIZE - 1}", '"v1"')]

    async def test_of_a_body_whose_length_is_unknown(self, proxy: Proxy) -> None:
        fields = TYPE | {"ETag": '"v1"', "Transfer-Encoding": "chunked"}

        async def chunked(exchange: Exchange) -> None:
            await exchange.send(response("200 OK", fields, b"1388\r\n"), CONTENT[:5000])

        broken = Break(5000, answer=chunked)
        async with raw_upstream(in_turn(broken)) as upstream:
            assert await play(proxy, upstream, broken) == CONTENT
        assert asked_of(upstream) == [(None, None), ("bytes=5000-", '"v1"')]

    async def test_where_only_the_end_of_the_framing_is_missing(self, proxy: Proxy) -> None:
        """No byte is missing, which the upstream's 416 to the range after the last one tells."""
        fields = TYPE | {"ETag": '"v1"', "Transfer-Encoding": "chunked"}

        async def chunked(exchange: Exchange) -> None:
            body = b"%x\r\n%b\r\n" % (SIZE, CONTENT)
            await exchange.send(response("200 OK", fields), body)

        async with raw_upstream(in_turn(chunked)) as upstream:
            seen = await watch(proxy, upstream.link())
        assert seen.body == CONTENT
        assert seen.is_complete

    async def test_after_a_reset_where_only_the_end_would_tell_the_length(
        self, proxy: Proxy
    ) -> None:
        async def unframed(exchange: Exchange) -> None:
            await exchange.send(response("200 OK", TYPE | {"ETag": '"v1"'}), CONTENT)

        broken = Break(5000, "reset", answer=unframed)
        async with raw_upstream(in_turn(broken)) as upstream:
            assert await play(proxy, upstream, broken) == CONTENT
        assert asked_of(upstream) == [(None, None), ("bytes=5000-", '"v1"')]

    @pytest.mark.parametrize(
        ("at", "resumed"),
        [
            pytest.param(1500, "bytes=1500-1999", id="in the range"),
            pytest.param(1000, "bytes=1000-1999", id="at its start"),
            pytest.param(500, "bytes=1000-1999", id="before it"),
        ],
    )
    async def test_where_a_range_is_cut_out_of_the_whole(
        self, proxy: Proxy, at: int, resumed: str
    ) -> None:
        """The upstream ignored the range at first, and heeds it when it is asked again."""

        async def whole(exchange: Exchange) -> None:
            fields = TYPE | {"ETag": '"v1"', "Content-Length": str(SIZE)}
            await exchange.send(response("200 OK", fields), CONTENT)

        broken = Break(at, answer=whole)
        async with raw_upstream(in_turn(broken)) as upstream:
            got = await proxy.stream(upstream.link(), "1000-1999")
            body = await got.content.readexactly(max(0, at - 1000))
            broken.received.set()
            assert body + await got.content.read() == CONTENT[1000:2000]
        assert asked_of(upstream)[1:] == [(resumed, '"v1"')]

    async def test_no_further_than_the_range(self, proxy: Proxy) -> None:
        """The upstream says truly which part it sends, and sends more of it."""
        broken = Break(500)
        fields = TYPE | {"ETag": '"v1"', "Content-Range": f"bytes 1500-1999/{SIZE}"}
        more = response("206 Partial Content", fields, CONTENT[1500:3000])

        async def send_more(exchange: Exchange) -> None:
            await exchange.send(more)

        async with raw_upstream(in_turn(broken, send_more)) as upstream:
            assert await play(proxy, upstream, broken, asked="1000-1999") == CONTENT[1000:2000]

    async def test_when_the_framing_breaks(self, proxy: Proxy) -> None:
        fields = TYPE | {"ETag": '"v1"', "Transfer-Encoding": "chunked"}
        received = asyncio.Event()

        async def garble(exchange: Exchange) -> None:
            body = b"1388\r\n%b\r\n" % CONTENT[:5000]
            await exchange.send(response("200 OK", fields), body)
            await asyncio.wait_for(received.wait(), 60)
            await exchange.send(b"no length\r\n")
            await exchange.wait_closed()

        async with raw_upstream(in_turn(garble)) as upstream:
            got = await proxy.stream(upstream.link())
            body = await got.content.readexactly(5000)
            received.set()
            async with asyncio.timeout(20):
                assert body + await got.content.read() == CONTENT
        assert asked_of(upstream)[1:] == [("bytes=5000-", '"v1"')]

    async def test_after_a_pause_in_which_the_upstream_hung_up(self, proxy: Proxy) -> None:
        """The client stops reading until the upstream cannot send, and is cut off for it."""
        content = CONTENT * 64  # more than all buffers on the way hold
        is_cut = asyncio.Event()

        async def film(exchange: Exchange) -> None:
            fields = TYPE | {"ETag": '"v1"', "Content-Length": str(len(content))}
            await exchange.send(response("200 OK", fields))
            try:
                for start in range(0, len(content), 65536):
                    chunk = content[start : start + 65536]
                    await asyncio.wait_for(exchange.send(chunk), 0.5)
            except TimeoutError:
                exchange.reset()
                is_cut.set()

        async with raw_upstream(in_turn(film, then=Honest(content))) as upstream:
            got = await proxy.stream(upstream.link())
            await asyncio.wait_for(is_cut.wait(), 20)
            assert await got.content.read() == content
        assert len(upstream.exchanges) == 2

    async def test_is_logged(self, proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        breaks = [Break(5000), Break(1000)]
        async with raw_upstream(in_turn(*breaks)) as upstream:
            await play(proxy, upstream, *breaks)
        resuming = [
            record.getMessage()
            for record in caplog.records
            if record.name == "streamproxy.upstream.body"
        ]
        assert len(resuming) == 2
        assert resuming[0].startswith("Resuming at byte 5000 in 0.1 s (attempt 1): ")
        assert resuming[1].startswith("Resuming at byte 6000 in 0.1 s (attempt 1): ")
        assert caplog.records[-1].name == "streamproxy.middlewares.log_access"
        assert caplog.records[-1].getMessage().endswith(" s, complete, resumes: 2")
        assert f"status 200, {SIZE} bytes, " in caplog.records[-1].getMessage()


class TestSignedLinks:
    """A final address expires while a film is paused; the pasted link leads to a fresh one."""

    @pytest.mark.parametrize("status", [401, 403, 404, 410])
    async def test_chain_is_walked_again(self, proxy: Proxy, status: int) -> None:
        signed = itertools.count(1)
        breaks = iter([Break(5000), Break(1000)])
        pending = list(breaks)

        async def site(exchange: Exchange) -> None:
            if exchange.target == b"/film.mp4":
                fields = {"Location": f"/signed/{next(signed)}", "Content-Length": "0"}
                await exchange.send(response("302 Found", fields))
            elif exchange.target == b"/signed/1" and len(pending) < 2:
                await refuse(status)(exchange)
            elif pending:
                await pending.pop(0)(exchange)
            else:
                await Honest()(exchange)

        first, second = pending
        async with raw_upstream(site) as upstream:
            assert await play(proxy, upstream, first, second) == CONTENT
        assert [each.target.decode() for each in upstream.exchanges] == [
            *("/film.mp4", "/signed/1"),
            *("/signed/1", "/film.mp4", "/signed/2"),
            "/signed/2",
        ]
        resumed = (f"bytes=5000-{SIZE - 1}", '"v1"')
        assert asked_of(upstream)[2:] == [resumed] * 3 + [(f"bytes=6000-{SIZE - 1}", '"v1"')]

    async def test_link_that_no_longer_leads_anywhere_is_a_cut(self, proxy: Proxy) -> None:
        broken = Break(5000)
        site = in_turn(
            refuse(302, Location="/signed"),
            broken,
            refuse(403),
            refuse(302, Location="/signed"),
            then=refuse(403),
        )
        async with raw_upstream(site) as upstream:
            await play_to_the_cut(proxy, upstream, broken)
        assert len(upstream.exchanges) == 5

    async def test_other_version_behind_the_fresh_link_is_a_cut(self, proxy: Proxy) -> None:
        broken = Break(5000)
        site = in_turn(
            refuse(302, Location="/signed"),
            broken,
            refuse(410),
            then=Honest(OTHER, etag='"v2"'),
        )
        async with raw_upstream(site) as upstream:
            await play_to_the_cut(proxy, upstream, broken)
        assert len(upstream.exchanges) == 4

    async def test_server_that_is_gone_may_have_been_one_of_several(self, proxy: Proxy) -> None:
        """It is tried once more; then the pasted link leads to another one."""
        broken = Break(5000)
        async with raw_upstream(Honest()) as second, raw_upstream(broken) as first:
            site = in_turn(
                refuse(302, Location=first.link()), then=refuse(302, Location=second.link())
            )
            async with raw_upstream(site) as balancer:
                got = await proxy.stream(balancer.link())
                body = await got.content.readexactly(5000)
                first.answer = close
                broken.received.set()
                assert body + await got.content.read() == CONTENT
            resumed = [(f"bytes=5000-{SIZE - 1}", '"v1"')]
            assert asked_of(first)[1:] == asked_of(balancer)[1:] == asked_of(second) == resumed
