"""Upstreams that break off: the stream goes on where it can, and else the client sees the cut."""

import asyncio
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientPayloadError
from proxies import Proxy, StartProxy, code_of, read_stream
from upstreams import CONTENT, Answer, Exchange, Honest, RawUpstream, raw_upstream, response
from viewers import watch

SIZE = len(CONTENT)
MODIFIED = "Sat, 13 Jan 2024 10:00:00 GMT"
YOUNG = "Sat, 13 Jan 2024 12:00:00 GMT"  # the Date of Honest
TYPE = {"Content-Type": "video/mp4"}


class Shortened(Exchange):
    """An exchange whose body ends after *at* bytes."""

    at = 0

    async def send(self, *parts: bytes) -> None:
        """Send the head and what is left of the body."""
        head, body = parts
        await super().send(head, body[: self.at])


@dataclass
class Break:
    """An answer that breaks off after *at* bytes of the body.

    It waits until they are received: what is on its way when a connection ends may be lost.

    :param end: close, reset or stall.
    """

    at: int
    end: str = "close"
    answer: Answer = field(default_factory=Honest)
    received: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, exchange: Exchange) -> None:
        shortened = Shortened(exchange.head, exchange.reader, exchange.writer)
        shortened.at = self.at
        await self.answer(shortened)
        await asyncio.wait_for(self.received.wait(), 5)
        if self.end == "reset":
            exchange.reset()
        elif self.end == "stall":
            await exchange.wait_closed()


async def close(exchange: Exchange) -> None:
    """Close the connection without a word."""


async def reset(exchange: Exchange) -> None:
    """Cut the connection without a word."""
    exchange.reset()


def refuse(status: int, **fields: str) -> Answer:
    """Return an answer that refuses."""
    lines = {"Content-Length": "0"} | {
        name.replace("_", "-"): value for name, value in fields.items()
    }

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response(f"{status} No", lines))

    return answer


def part(content_range: str, body: bytes, **fields: str) -> Answer:
    """Return an answer that sends a part as it is told to, whatever was asked."""
    lines = TYPE | {"Content-Range": content_range, "ETag": '"v1"'}
    lines |= {name.replace("_", "-"): value for name, value in fields.items()}

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("206 Partial Content", lines, body))

    return answer


def in_turn(*answers: Answer, then: Answer | None = None) -> Answer:
    """Return an answer that is another one for each request; *then* for all that follow."""
    following: Iterator[Answer] = itertools.chain(answers, itertools.repeat(then or Honest()))

    async def answer(exchange: Exchange) -> None:
        await next(following)(exchange)

    return answer


async def play(
    proxy: Proxy, upstream: RawUpstream, *breaks: Break, asked: str | None = None
) -> bytes:
    """Return what a client receives that lets the upstream break off, time after time."""
    got = await proxy.stream(upstream.link(), asked)
    assert got.status == (200 if asked is None else 206)
    body = b""
    for broken in breaks:
        body += await got.content.readexactly(broken.at)
        broken.received.set()
    return body + await got.content.read()


async def play_to_the_cut(
    proxy: Proxy, upstream: RawUpstream, broken: Break, asked: str | None = None
) -> None:
    """Receive what comes before the break, and then the cut, before which nothing comes."""
    got = await proxy.stream(upstream.link(), asked)
    await got.content.readexactly(broken.at)
    broken.received.set()
    with pytest.raises(ClientPayloadError):
        await got.content.readexactly(1)


def asked_of(upstream: RawUpstream) -> list[tuple[str | None, str | None]]:
    """Return the Range and the If-Range of each request."""
    return [(each.field("Range"), each.field("If-Range")) for each in upstream.exchanges]


class TestGoingOn:
    """The missing bytes are asked for, and no others."""

    @pytest.mark.parametrize("end", ["close", "reset", "stall"])
    @pytest.mark.parametrize(
        ("asked", "at", "resumed"),
        [
            pytest.param(None, 5000, f"bytes=5000-{SIZE - 1}", id="whole"),
            pytest.param(None, SIZE - 1, f"bytes={SIZE - 1}-{SIZE - 1}", id="the last byte"),
            pytest.param("1000-9999", 500, "bytes=1500-9999", id="closed"),
            pytest.param("1000-9999", 8999, "bytes=9999-9999", id="the last byte of a range"),
            pytest.param("1000-", 500, f"bytes=1500-{SIZE - 1}", id="open"),
            pytest.param("-9000", 500, f"bytes={SIZE - 8500}-{SIZE - 1}", id="suffix"),
        ],
    )
    async def test_at_the_byte_where_it_broke_off(
        self, start_proxy: StartProxy, end: str, asked: str | None, at: int, resumed: str
    ) -> None:
        proxy = await start_proxy(read_timeout=0.3)
        broken = Break(at, end)
        async with raw_upstream(in_turn(broken)) as upstream:
            body = await play(proxy, upstream, broken, asked=asked)
        first = None if asked is None else f"bytes={asked}"
        assert asked_of(upstream) == [(first, None), (resumed, '"v1"')]
        start = int(resumed.removeprefix("bytes=").split("-")[0]) - at
        end_pos = int(resumed.split("-")[1])
        assert body == CONTENT[start : end_pos + 1]

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
        """The upstream says which part it sends, but sends more."""
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
            await asyncio.wait_for(received.wait(), 5)
            await exchange.send(b"no length\r\n")
            await exchange.wait_closed()

        async with raw_upstream(in_turn(garble)) as upstream:
            got = await proxy.stream(upstream.link())
            body = await got.content.readexactly(5000)
            received.set()
            async with asyncio.timeout(5):
                assert body + await got.content.read() == CONTENT
        assert asked_of(upstream)[1:] == [("bytes=5000-", '"v1"')]

    async def test_after_a_pause_in_which_the_upstream_hung_up(self, proxy: Proxy) -> None:
        """The client stops reading until the upstream cannot send, and is cut off for it."""
        content = CONTENT * 24
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
        assert caplog.records[-1].getMessage().endswith(" s, complete, resumed 2 times")
        assert f"status 200, {SIZE} bytes, " in caplog.records[-1].getMessage()


class TestValidators:
    """Without a strong validator nobody can tell that it is still the same file."""

    async def test_strong_last_modified_will_do(self, proxy: Proxy) -> None:
        film = Honest(etag="")
        broken = Break(5000, answer=film)
        async with raw_upstream(in_turn(broken, then=film)) as upstream:
            assert await play(proxy, upstream, broken) == CONTENT
        assert asked_of(upstream) == [(None, None), (f"bytes=5000-{SIZE - 1}", MODIFIED)]

    @pytest.mark.parametrize("asked", [None, "1000-"])
    @pytest.mark.parametrize(
        "film",
        [
            pytest.param(Honest(etag='W/"v1"', last_modified=YOUNG), id="weak tag"),
            pytest.param(Honest(etag="v1", last_modified=YOUNG), id="no tag"),
            pytest.param(Honest(etag="", last_modified=""), id="nothing at all"),
        ],
    )
    async def test_weak_or_missing_one_is_a_cut(
        self, proxy: Proxy, film: Honest, asked: str | None
    ) -> None:
        broken = Break(5000, answer=film)
        async with raw_upstream(in_turn(broken, then=film)) as upstream:
            await play_to_the_cut(proxy, upstream, broken, asked)
        assert len(upstream.exchanges) == 1

    async def test_owner_can_accept_fields_that_agree(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(resume_without_validator=True)
        film = Honest(etag='W/"v1"', last_modified=YOUNG)
        broken = Break(5000, answer=film)
        async with raw_upstream(in_turn(broken, then=film)) as upstream:
            assert await play(proxy, upstream, broken) == CONTENT
        assert asked_of(upstream) == [(None, None), (f"bytes=5000-{SIZE - 1}", None)]

    @pytest.mark.parametrize(
        "now",
        [
            pytest.param(Honest(etag='W/"v1"', last_modified=MODIFIED), id="date"),
            pytest.param(Honest(etag='W/"v2"', last_modified=YOUNG), id="weak tag"),
            pytest.param(Honest(CONTENT[1:], etag='W/"v1"', last_modified=YOUNG), id="length"),
        ],
    )
    async def test_fields_that_differ_are_a_cut_also_for_such_owners(
        self, start_proxy: StartProxy, now: Honest
    ) -> None:
        proxy = await start_proxy(resume_without_validator=True)
        broken = Break(5000, answer=Honest(etag='W/"v1"', last_modified=YOUNG))
        async with raw_upstream(in_turn(broken, then=now)) as upstream:
            await play_to_the_cut(proxy, upstream, broken)
        assert len(upstream.exchanges) == 2


class TestNeverMixed:
    """What is not the missing bytes of the same version ends the stream, at once and visibly."""

    OTHER = bytes(255 - byte for byte in CONTENT)
    REST = OTHER[5000:]
    FITTING = f"bytes 5000-{SIZE - 1}/{SIZE}"

    @pytest.mark.parametrize(
        "now",
        [
            pytest.param(Honest(OTHER, etag='"v2"'), id="200 with another version"),
            pytest.param(Honest(ranges=False), id="200 with the same version"),
            pytest.param(part(FITTING, REST, ETag='"v2"'), id="another tag"),
            pytest.param(part(FITTING, REST, ETag='W/"v1"'), id="the tag, now weak"),
            pytest.param(part(FITTING, REST, ETag=""), id="no tag"),
            pytest.param(part(f"bytes 5000-{SIZE}/{SIZE + 1}", REST + b"x"), id="longer"),
            pytest.param(part(f"bytes 5000-{SIZE - 1}/{SIZE + 1}", REST), id="another total"),
            pytest.param(part(f"bytes 5000-{SIZE - 2}/{SIZE - 1}", REST[1:]), id="shorter"),
            pytest.param(part(f"bytes 5000-{SIZE - 1}/*", REST), id="no total"),
            pytest.param(part(f"bytes 5001-{SIZE - 1}/{SIZE}", REST[1:]), id="a byte too late"),
            pytest.param(part(f"bytes 4999-{SIZE - 1}/{SIZE}", b"x" + REST), id="too early"),
            pytest.param(part(f"bytes 5000-{SIZE - 2}/{SIZE}", REST[1:]), id="not to the end"),
            pytest.param(part(f"bytes 0-{SIZE - 1}/{SIZE}", OTHER), id="the whole as a part"),
            pytest.param(part("rubbish", REST), id="no Content-Range"),
            pytest.param(part(FITTING, REST, Content_Encoding="gzip"), id="content coding"),
            pytest.param(part(FITTING, REST, Transfer_Encoding="gzip"), id="transfer coding"),
            pytest.param(
                part(FITTING, REST, Content_Type="multipart/byteranges; boundary=x"),
                id="several parts",
            ),
            pytest.param(refuse(416, Content_Range=f"bytes */{SIZE}"), id="416"),
            pytest.param(refuse(404), id="404"),
            pytest.param(refuse(403), id="403, and no other way to walk"),
            pytest.param(refuse(412), id="412"),
        ],
    )
    async def test_anything_else_is_a_cut(self, proxy: Proxy, now: Answer) -> None:
        broken = Break(5000)
        async with raw_upstream(in_turn(broken, then=now)) as upstream:
            await play_to_the_cut(proxy, upstream, broken)
        assert len(upstream.exchanges) == 2

    async def test_version_is_the_first_one_also_after_several_breaks(self, proxy: Proxy) -> None:
        breaks = [Break(5000), Break(1000)]
        changed = Honest(self.OTHER, etag='"v2"')
        async with raw_upstream(in_turn(*breaks, then=changed)) as upstream:
            got = await proxy.stream(upstream.link())
            for broken in breaks:
                await got.content.readexactly(broken.at)
                broken.received.set()
            with pytest.raises(ClientPayloadError):
                await got.content.readexactly(1)
        assert asked_of(upstream)[2] == (f"bytes=6000-{SIZE - 1}", '"v1"')


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
            then=Honest(TestNeverMixed.OTHER, etag='"v2"'),
        )
        async with raw_upstream(site) as upstream:
            await play_to_the_cut(proxy, upstream, broken)
        assert len(upstream.exchanges) == 4


class TestAttempts:
    """How often, and when."""

    @pytest.mark.parametrize("attempts", [0, 1, 2])
    @pytest.mark.parametrize(
        "failure",
        [
            pytest.param(close, id="close"),
            pytest.param(reset, id="reset"),
            pytest.param(refuse(500), id="500"),
            pytest.param(refuse(503, Retry_After="0"), id="503"),
            pytest.param(refuse(429), id="429"),
            pytest.param(response("200 OK", {"Content-Length": "x"}), id="no HTTP"),
        ],
    )
    async def test_cut_after_as_many_as_set(
        self, start_proxy: StartProxy, failure: Answer | bytes, attempts: int
    ) -> None:
        proxy = await start_proxy(resume_attempts=attempts)
        broken = Break(5000)

        async def fail(exchange: Exchange) -> None:
            if isinstance(failure, bytes):
                await exchange.send(failure)
            else:
                await failure(exchange)

        async with raw_upstream(in_turn(broken, then=fail)) as upstream:
            await play_to_the_cut(proxy, upstream, broken)
        assert len(upstream.exchanges) == 1 + attempts

    async def test_site_that_is_gone_for_a_moment(self, proxy: Proxy) -> None:
        """Its port is closed, then open again, as when a server is restarted."""
        broken = Break(5000)
        async with raw_upstream(broken) as upstream:
            got = await proxy.stream(upstream.link())
            body = await got.content.readexactly(5000)
        broken.received.set()
        await asyncio.sleep(0.3)
        restarted = RawUpstream(Honest())
        async with await asyncio.start_server(restarted.serve, "127.0.0.1", upstream.port):
            assert body + await got.content.read() == CONTENT
        assert asked_of(restarted) == [(f"bytes=5000-{SIZE - 1}", '"v1"')]

    async def test_progress_begins_the_count_anew(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(resume_attempts=1)
        breaks = [Break(1000) for _ in range(5)]
        async with raw_upstream(in_turn(*breaks)) as upstream:
            assert await play(proxy, upstream, *breaks) == CONTENT
        starts = [range_ and range_.split("-")[0] for range_, _ in asked_of(upstream)]
        assert starts == [None, *(f"bytes={at}" for at in (1000, 2000, 3000, 4000, 5000))]

    async def test_server_that_closes_after_each_bit_still_brings_the_whole(
        self, proxy: Proxy
    ) -> None:
        """It waits for nobody, so that its bytes and its close come in one go."""
        film = Honest(CONTENT[:20_000])

        async def bit(exchange: Exchange) -> None:
            shortened = Shortened(exchange.head, exchange.reader, exchange.writer)
            shortened.at = 1000
            await film(shortened)

        async with raw_upstream(bit) as upstream:
            assert await read_stream(proxy, upstream.link()) == CONTENT[:20_000]
        assert len(upstream.exchanges) == 20

    @pytest.mark.parametrize(
        ("retry_after", "at_least", "at_most"),
        [("1", 1.0, 1.5), ("0", 0.0, 0.8), ("soon", 0.0, 0.8)],
    )
    @pytest.mark.parametrize("status", [429, 503])
    async def test_retry_after_is_obeyed(
        self, proxy: Proxy, status: int, retry_after: str, at_least: float, at_most: float
    ) -> None:
        broken, times = Break(5000), list[float]()
        following = in_turn(broken, refuse(status, Retry_After=retry_after))

        async def answer(exchange: Exchange) -> None:
            times.append(asyncio.get_running_loop().time())
            await following(exchange)

        async with raw_upstream(answer) as upstream:
            assert await play(proxy, upstream, broken) == CONTENT
        assert len(times) == 3
        assert at_least <= times[2] - times[1] < at_most


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
        assert asyncio.get_running_loop().time() - started < 1.2
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
        assert asyncio.get_running_loop().time() - started < 1
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
        assert 1.0 <= times[1] - times[0] < 1.5

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
        assert upstream.connections == 2

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
                await asyncio.wait_for(strayed.wait(), 1)
        assert len(upstream.exchanges) == upstream.connections == 3

    async def test_resuming_does_not_read_on_where_it_broke_off(
        self, start_proxy: StartProxy
    ) -> None:
        """The rest comes after all, on the old connection: too late, and never taken twice."""
        proxy = await start_proxy(read_timeout=0.3)
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
            await asyncio.wait_for(is_late.wait(), 1)
        assert re.fullmatch(r"bytes=5000-\d+", upstream.exchanges[1].field("Range") or "")
