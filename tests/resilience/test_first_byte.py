"""Upstreams that fail before the first byte, and connections that are used again."""

import asyncio
import re
import time
from email.utils import formatdate

import pytest
from breaks import (
    MODIFIED,
    TYPE,
    Shortened,
    asked_of,
    close,
    in_turn,
    refuse,
    reset,
)
from proxies import Proxy, StartProxy, code_of, read_stream
from upstreams import CONTENT, Answer, Exchange, Honest, raw_upstream, response
from viewers import watch


class TestBeforeTheFirstByte:
    """Nothing was sent to the client yet: asked again, a few times, and then told."""

    @pytest.mark.parametrize("asked", [None, "1000-1999"])
    @pytest.mark.parametrize(
        "failure",
        [
            pytest.param(close, id="close"),
            pytest.param(reset, id="reset"),
            pytest.param(refuse(502), id="502"),
            pytest.param(refuse(503), id="503"),
            pytest.param(refuse(503, Retry_After="0"), id="503, again at once"),
            pytest.param(refuse(504), id="504"),
        ],
    )
    async def test_third_time_lucky(self, proxy: Proxy, failure: Answer, asked: str | None) -> None:
        async with raw_upstream(in_turn(failure, failure)) as upstream:
            seen = await watch(proxy, upstream.link(), asked)
        assert seen.is_complete
        assert seen.body == (CONTENT if asked is None else CONTENT[1000:2000])
        assert len(upstream.exchanges) == 3
        assert len(set(asked_of(upstream))) == 1

    @pytest.mark.parametrize("attempts", [0, 1, 2])
    @pytest.mark.parametrize(
        ("failure", "status"),
        [
            pytest.param(close, 502, id="close"),
            pytest.param(reset, 502, id="reset"),
            pytest.param(refuse(502), 502, id="502"),
            pytest.param(refuse(503, Retry_After="0"), 503, id="503"),
            pytest.param(refuse(504), 502, id="504"),
        ],
    )
    @pytest.mark.parametrize("asked", [None, "1000-1999"])
    async def test_no_more_often_than_set(
        self,
        start_proxy: StartProxy,
        failure: Answer,
        status: int,
        attempts: int,
        asked: str | None,
    ) -> None:
        proxy = await start_proxy(retry_attempts=attempts)
        async with raw_upstream(failure) as upstream:
            assert (await code_of(proxy, upstream.link(), asked))[0] == status
        assert len(upstream.exchanges) == 1 + attempts

    async def test_all_within_one_time_budget(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(connect_timeout=0.3, read_timeout=0.3, retry_attempts=10)
        started = asyncio.get_running_loop().time()
        async with raw_upstream(close) as upstream:
            assert await code_of(proxy, upstream.link()) == (504, "read_timeout")
        assert asyncio.get_running_loop().time() - started < 6
        assert len(upstream.exchanges) <= 5

    @pytest.mark.parametrize(
        ("status", "seen"), [(400, 502), (401, 502), (403, 403), (404, 404), (410, 410), (429, 429)]
    )
    async def test_4xx_is_an_answer(self, proxy: Proxy, status: int, seen: int) -> None:
        async with raw_upstream(refuse(status, Retry_After="0")) as upstream:
            assert await code_of(proxy, upstream.link()) == (seen, "upstream_status")
        assert len(upstream.exchanges) == 1

    @pytest.mark.parametrize("status", [429, 503])
    async def test_server_that_asks_for_patience_is_passed_on_at_once(
        self, proxy: Proxy, status: int
    ) -> None:
        started = asyncio.get_running_loop().time()
        async with raw_upstream(refuse(status, Retry_After="60")) as upstream:
            got = await proxy.stream(upstream.link())
            assert (got.status, got.headers["Retry-After"]) == (status, "60")
        assert asyncio.get_running_loop().time() - started < 10
        assert len(upstream.exchanges) == 1

    async def test_server_without_a_clock_is_passed_on_at_once_too(self, proxy: Proxy) -> None:
        """It says until when to wait, and not of when that is."""
        until = formatdate(time.time() + 3600, usegmt=True)
        async with raw_upstream(refuse(503, Retry_After=until)) as upstream:
            got = await proxy.stream(upstream.link())
            assert (got.status, got.headers["Retry-After"]) == (503, until)
        assert len(upstream.exchanges) == 1

    async def test_short_patience_is_had_in_full(self, proxy: Proxy) -> None:
        times = list[float]()
        following = in_turn(refuse(503, Retry_After="1"))

        async def answer(exchange: Exchange) -> None:
            times.append(asyncio.get_running_loop().time())
            await following(exchange)

        async with raw_upstream(answer) as upstream:
            assert await read_stream(proxy, upstream.link()) == CONTENT
        assert len(times) == 2
        assert 1.0 <= times[1] - times[0] < 10

    async def test_retry_after_beyond_the_calendar_says_nothing(self, proxy: Proxy) -> None:
        never = f"Sat, 13 Jan {10**20} 10:00:00 GMT"
        async with raw_upstream(refuse(503, Retry_After=never, Date=MODIFIED)) as upstream:
            assert await code_of(proxy, upstream.link()) == (503, "upstream_status")

    async def test_connection_that_dies_when_it_is_used_again(self, proxy: Proxy) -> None:
        film = Honest(CONTENT[:5000])

        async def answer(exchange: Exchange) -> None:
            if len(upstream.exchanges) == 2:
                exchange.writer.close()
            else:
                await film(exchange)

        async with raw_upstream(answer, keep_alive=True) as upstream:
            for _ in range(2):
                assert await read_stream(proxy, upstream.link()) == CONTENT[:5000]
        assert len(upstream.exchanges) == 3
        assert upstream.used == 2

    async def test_cut_while_the_type_is_looked_at(self, proxy: Proxy) -> None:
        """The first bytes must tell what the field does not; the client has seen none yet."""
        film = Honest(media_type="application/octet-stream")

        async def head_only(exchange: Exchange) -> None:
            await film(Shortened(exchange.head, exchange.reader, exchange.writer))

        async with raw_upstream(in_turn(head_only, then=film)) as upstream:
            assert await read_stream(proxy, upstream.link()) == CONTENT
        assert len(upstream.exchanges) == 2


class TestPooledConnections:
    """What nobody asked for is never the answer to a later request."""

    @pytest.mark.parametrize("delay_s", [0, 0.05], ids=["at once", "later"])
    async def test_answer_to_nothing_is_dropped_with_its_connection(
        self, proxy: Proxy, delay_s: float
    ) -> None:
        film = Honest(CONTENT[:5000])
        stray = response("200 OK", TYPE | {"Content-Length": "5000", "ETag": '"v1"'}, b"x" * 5000)

        strayed = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            strayed.clear()
            await film(exchange)
            await asyncio.sleep(delay_s)
            await exchange.send(stray)
            strayed.set()

        async with raw_upstream(answer, keep_alive=True) as upstream:
            for asked in (None, "100-199", None):
                got = await proxy.stream(upstream.link(), asked)
                body = await got.read()
                assert body == (CONTENT[:5000] if asked is None else CONTENT[100:200])
                await asyncio.wait_for(strayed.wait(), 20)
        assert len(upstream.exchanges) == upstream.used == 3

    @pytest.mark.parametrize("framing", ["length", "chunks"])
    async def test_half_an_answer_to_nothing_is_dropped_with_its_connection(
        self, proxy: Proxy, framing: str
    ) -> None:
        """At once: it would begin the next answer, and what follows would fill the memory."""
        fields = TYPE | {"Content-Range": "bytes 0-4/100", "Content-Length": "5"}
        whole = response("206 Partial Content", fields, b"hello")
        if framing == "chunks":
            del fields["Content-Length"]
            fields["Transfer-Encoding"] = "chunked"
            whole = response("206 Partial Content", fields, b"5\r\nhello\r\n0\r\n\r\n")
        is_over = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            if len(upstream.exchanges) > 1:
                await exchange.send(whole[30:] if exchange.number == 1 else b"", whole)
                return
            await exchange.send(whole)
            await asyncio.sleep(0.1)
            await exchange.send(whole[:30])
            await exchange.wait_closed()
            is_over.set()

        async with raw_upstream(answer, keep_alive=True) as upstream:
            for _ in range(2):
                got = await proxy.stream(upstream.link(), "0-4")
                assert (got.status, await got.read()) == (206, b"hello")
                await asyncio.wait_for(is_over.wait(), 10)
            assert upstream.used == 2

    @pytest.mark.parametrize("framing", ["length", "chunks"])
    @pytest.mark.parametrize(
        "content_range", ["bytes 0-99/1000", None], ids=["another part", "no part at all"]
    )
    async def test_lie_ends_the_connection_on_which_the_true_answer_may_follow(
        self, proxy: Proxy, content_range: str | None, framing: str
    ) -> None:
        films = {b"/film.mp4": CONTENT[:1000], b"/other.mp4": CONTENT[1500:2500]}

        def part(content_range: str | None, body: bytes) -> bytes:
            fields = TYPE | {"ETag": '"v1"', "Content-Length": str(len(body))}
            if content_range is not None:
                fields["Content-Range"] = content_range
            if framing == "chunks":
                del fields["Content-Length"]
                fields["Transfer-Encoding"] = "chunked"
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            return response("206 Partial Content", fields, body)

        async def answer(exchange: Exchange) -> None:
            if len(upstream.exchanges) == 2:
                await exchange.send(part(content_range, CONTENT[:100]))
                await asyncio.sleep(0.3)  # until somebody else asks
            content = films[exchange.target]
            first, last = map(int, re.findall(r"\d+", exchange.field("Range") or ""))
            await exchange.send(part(f"bytes {first}-{last}/1000", content[first : last + 1]))

        async with raw_upstream(answer, keep_alive=True) as upstream:
            link, other = upstream.link(), upstream.link("/other.mp4")
            assert await (await proxy.stream(link, "0-99")).read() == CONTENT[:100]
            assert await code_of(proxy, link, "100-199") == (502, "upstream_protocol")
            got = await proxy.stream(other, "100-199")
            assert await got.read() == CONTENT[1600:1700]
            await asyncio.sleep(0.4)
            got = await proxy.stream(other, "200-299")
            assert await got.read() == CONTENT[1700:1800]
        assert upstream.used == 2

    async def test_resuming_does_not_read_on_where_it_broke_off(
        self, start_proxy: StartProxy
    ) -> None:
        """The rest comes after all, on the old connection: too late, and never taken twice."""
        proxy = await start_proxy(read_timeout=1.5)
        is_late = asyncio.Event()

        async def late(exchange: Exchange) -> None:
            shortened = Shortened(exchange.head, exchange.reader, exchange.writer)
            shortened.at = 5000
            await Honest()(shortened)
            await exchange.wait_closed()
            is_late.set()

        async with raw_upstream(in_turn(late)) as upstream:
            got = await proxy.stream(upstream.link())
            assert await got.content.read() == CONTENT
            await asyncio.wait_for(is_late.wait(), 20)
        assert re.fullmatch(r"bytes=5000-\d+", upstream.exchanges[1].field("Range") or "")
