"""Upstreams that break off: nothing is joined on that may be of another version."""

import pytest
from aiohttp import ClientPayloadError
from breaks import (
    MODIFIED,
    OTHER,
    SIZE,
    TYPE,
    YOUNG,
    Break,
    asked_of,
    in_turn,
    part,
    play,
    play_to_the_cut,
    refuse,
)
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Answer, Exchange, Honest, raw_upstream, response


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

    @pytest.mark.parametrize(
        ("before", "now"),
        [
            pytest.param({"ETag": '"v1"'}, {"ETag": '"v2"'}, id="tag"),
            pytest.param(
                {"Last-Modified": MODIFIED, "Date": YOUNG},
                {"Last-Modified": YOUNG, "Date": YOUNG},
                id="date",
            ),
        ],
    )
    async def test_end_of_another_version_is_no_end(
        self, proxy: Proxy, before: dict[str, str], now: dict[str, str]
    ) -> None:
        """The file was replaced by one that ends just where it broke off; If-Range is ignored."""

        async def chunked(exchange: Exchange) -> None:
            fields = TYPE | before | {"Transfer-Encoding": "chunked"}
            await exchange.send(response("200 OK", fields, b"%x\r\n" % SIZE), CONTENT)

        broken = Break(5000, answer=chunked)
        ended = response("416 No", now | {"Content-Range": "bytes */5000", "Content-Length": "0"})

        async def end(exchange: Exchange) -> None:
            await exchange.send(ended)

        async with raw_upstream(in_turn(broken, then=end)) as upstream:
            await play_to_the_cut(proxy, upstream, broken)
        assert len(upstream.exchanges) == 2

    async def test_version_is_the_first_one_also_after_several_breaks(self, proxy: Proxy) -> None:
        breaks = [Break(5000), Break(1000)]
        changed = Honest(OTHER, etag='"v2"')
        async with raw_upstream(in_turn(*breaks, then=changed)) as upstream:
            got = await proxy.stream(upstream.link())
            for broken in breaks:
                await got.content.readexactly(broken.at)
                broken.received.set()
            with pytest.raises(ClientPayloadError):
                await got.content.readexactly(1)
        assert asked_of(upstream)[2] == (f"bytes=6000-{SIZE - 1}", '"v1"')
