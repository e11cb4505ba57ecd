"""What a client gets from honest upstreams: the right bytes, and a head that says which."""

import asyncio

import pytest
from proxies import Proxy, StartProxy
from upstreams import CONTENT, MP4_START, Exchange, Honest, raw_upstream, response

SIZE = len(CONTENT)


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "ignores-ranges"])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        pytest.param("0-0", 0, 0, id="first-byte"),
        pytest.param("10-4099", 10, 4099, id="closed"),
        pytest.param(f"{SIZE - 1}-", SIZE - 1, SIZE - 1, id="last-byte"),
        pytest.param("300000-", 300000, SIZE - 1, id="open"),
        pytest.param("-5", SIZE - 5, SIZE - 1, id="suffix"),
        pytest.param(f"-{SIZE + 1}", 0, SIZE - 1, id="suffix-longer-than-body"),
        pytest.param(f"1000-{10**30}", 1000, SIZE - 1, id="clamped"),
        pytest.param("0-99, 50-149\t,150-199", 0, 199, id="joined"),
        pytest.param(f"500-,-{SIZE}", 0, SIZE - 1, id="joined-with-suffix"),
    ],
)
async def test_range_is_answered_with_exactly_that_part(
    proxy: Proxy, ranges: bool, asked: str, first: int, last: int
) -> None:
    async with raw_upstream(Honest(ranges=ranges)) as upstream:
        got = await proxy.stream(upstream.link(), asked)
        assert await got.read() == CONTENT[first : last + 1]
    assert got.status == 206
    assert got.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert got.headers["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "ignores-ranges"])
@pytest.mark.parametrize(
    "asked",
    ["0-9,20-29", "5-1", "x", "", "\uff11-\uff12"],
    ids=["gap", "backwards", "word", "empty", "wide"],
)
async def test_range_that_cannot_be_one_part_is_answered_with_the_whole(
    proxy: Proxy, ranges: bool, asked: str
) -> None:
    async with raw_upstream(Honest(ranges=ranges)) as upstream:
        got = await proxy.stream(upstream.link(), asked)
        assert await got.read() == CONTENT
    assert got.status == 200
    assert "Content-Range" not in got.headers


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "ignores-ranges"])
@pytest.mark.parametrize("asked", [f"{SIZE}-", f"{10**30}-", "-0"])
async def test_range_outside_the_file_is_416_with_its_length(
    proxy: Proxy, ranges: bool, asked: str
) -> None:
    async with raw_upstream(Honest(ranges=ranges)) as upstream:
        got = await proxy.stream(upstream.link(), asked)
        problem = await got.json(content_type="application/problem+json")
    assert (got.status, problem["code"]) == (416, "range_not_satisfiable")
    assert got.headers["Content-Range"] == f"bytes */{SIZE}"


async def test_empty_file_has_no_first_byte(proxy: Proxy) -> None:
    async with raw_upstream(Honest(content=b"")) as upstream:
        whole = await proxy.stream(upstream.link())
        part = await proxy.stream(upstream.link(), "0-")
        assert (whole.status, await whole.read()) == (200, b"")
    assert (part.status, part.headers["Content-Range"]) == (416, "bytes */0")


async def test_position_beyond_max_skip_is_answered_with_the_whole(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(max_skip=1000)
    async with raw_upstream(Honest(ranges=False)) as upstream:
        inside = await proxy.stream(upstream.link(), "1000-1009")
        outside = await proxy.stream(upstream.link(), "1001-1009")
        assert await inside.read() == CONTENT[1000:1010]
        assert await outside.read() == CONTENT
    assert (inside.status, outside.status) == (206, 200)


@pytest.mark.parametrize("asked", [None, "100-199", f"{SIZE}-"])
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "ignores-ranges"])
async def test_head_answers_what_get_would(proxy: Proxy, asked: str | None, ranges: bool) -> None:
    async with raw_upstream(Honest(ranges=ranges)) as upstream:
        fields = {"Range": f"bytes={asked}"} if asked else {}
        got = await proxy.stream(upstream.link(), asked)
        await got.read()
        head = await proxy.client.head(proxy.url("/stream", upstream.link()), headers=fields)
        assert await head.read() == b""
        assert [exchange.head[:4] for exchange in upstream.exchanges] == [b"GET "] * 2
    assert head.status == got.status
    if got.status != 416:
        of_each = {"date", "x-request-id"}
        same, of_head = (
            {name: value for name, value in fields.items() if name.lower() not in of_each}
            for fields in (got.headers, head.headers)
        )
        assert of_head == same


async def test_head_then_get_on_one_connection(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as upstream:
        for _ in range(3):
            head = await proxy.client.head(proxy.url("/stream", upstream.link()))
            got = await proxy.stream(upstream.link(), "5-9")
            assert (head.status, await got.read()) == (200, CONTENT[5:10])


class TestConditions:
    async def test_if_none_match_of_this_version_is_304(self, proxy: Proxy) -> None:
        async with raw_upstream(Honest()) as upstream:
            got = await proxy.stream(upstream.link(), If_None_Match='"v1"')
            assert (got.status, await got.read()) == (304, b"")
            assert got.headers["ETag"] == '"v1"'
            other = await proxy.stream(upstream.link(), If_None_Match='"v0"')
            assert (other.status, await other.read()) == (200, CONTENT)

    async def test_if_modified_since_reaches_the_upstream(self, proxy: Proxy) -> None:
        async with raw_upstream(response("304 Not Modified", {"ETag": '"v1"'})) as upstream:
            date = "Sat, 13 Jan 2024 10:00:00 GMT"
            got = await proxy.stream(upstream.link(), If_Modified_Since=date)
            assert got.status == 304
            assert upstream.exchanges[0].field("If-Modified-Since") == date

    async def test_304_that_nobody_asked_for_is_502(self, proxy: Proxy) -> None:
        async with raw_upstream(response("304 Not Modified", {})) as upstream:
            assert (await proxy.stream(upstream.link())).status == 502

    @pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "ignores-ranges"])
    @pytest.mark.parametrize(
        ("if_range", "status"),
        [
            pytest.param('"v1"', 206, id="this-version"),
            pytest.param('"v0"', 200, id="another-version"),
            pytest.param('W/"v1"', 200, id="weak"),
            pytest.param("Sat, 13 Jan 2024 10:00:00 GMT", 206, id="date"),
            pytest.param("Sat, 13 Jan 2024 10:00:01 GMT", 200, id="another-date"),
        ],
    )
    async def test_if_range_sends_the_part_only_of_the_named_version(
        self, proxy: Proxy, ranges: bool, if_range: str, status: int
    ) -> None:
        async with raw_upstream(Honest(ranges=ranges)) as upstream:
            got = await proxy.stream(upstream.link(), "10-19", If_Range=if_range)
            expected = CONTENT[10:20] if status == 206 else CONTENT
            assert (got.status, await got.read()) == (status, expected)

    async def test_upstream_that_ignores_if_range_is_asked_for_the_whole(
        self, proxy: Proxy
    ) -> None:
        async def answer(exchange: Exchange) -> None:
            fields = {"ETag": '"v2"', "Content-Type": "video/mp4"}
            if exchange.field("Range"):
                fields |= {"Content-Range": "bytes 0-4/10", "Content-Length": "5"}
                await exchange.send(response("206 Partial Content", fields, b"new-v"))
            else:
                fields["Content-Length"] = "10"
                await exchange.send(response("200 OK", fields, b"new-versio"))

        async with raw_upstream(answer) as upstream:
            got = await proxy.stream(upstream.link(), "0-4", If_Range='"v1"')
            assert (got.status, await got.read()) == (200, b"new-versio")

    async def test_416_of_an_upstream_that_ignores_if_range_is_not_believed(
        self, proxy: Proxy
    ) -> None:
        async def answer(exchange: Exchange) -> None:
            if exchange.field("Range"):
                fields = {"Content-Range": "bytes */10", "Content-Length": "0"}
                await exchange.send(response("416 Range Not Satisfiable", fields))
            else:
                fields = {"ETag": '"v2"', "Content-Type": "video/mp4", "Content-Length": "10"}
                await exchange.send(response("200 OK", fields, b"new-versio"))

        async with raw_upstream(answer) as upstream:
            other = await proxy.stream(upstream.link(), "50-", If_Range='"v1"')
            assert (other.status, await other.read()) == (200, b"new-versio")
            same = await proxy.stream(upstream.link(), "50-", If_Range='"v2"')
            assert (same.status, same.headers["Content-Range"]) == (416, "bytes */10")


class TestMediaTypes:
    @pytest.mark.parametrize(
        ("declared", "target", "start", "sent"),
        [
            ("video/mp4; codecs=avc1", "/x", b"", "video/mp4"),
            ("VIDEO/WebM", "/x", b"", "video/webm"),
            (None, "/x", MP4_START, "video/mp4"),
            ("application/octet-stream", "/x", b"\x1a\x45\xdf\xa3\x42\x82\x84webm", "video/webm"),
            (
                "binary/octet-stream",
                "/x",
                b"\x1a\x45\xdf\xa3\x42\x82\x88matroska",
                "video/x-matroska",
            ),
            ("text/plain", "/x", b"ID3\x04", "audio/mpeg"),
            ("text/plain", "/film.mkv?x=1", b"anything", "video/x-matroska"),
            ("application/octet-stream", "/data", b"anything", "application/octet-stream"),
        ],
    )
    async def test_type_is_cleaned_or_corrected(
        self, proxy: Proxy, declared: str | None, target: str, start: bytes, sent: str
    ) -> None:
        honest = Honest(content=start + CONTENT, media_type=declared)
        async with raw_upstream(honest) as upstream:
            for asked in (None, "0-99"):
                got = await proxy.stream(upstream.link(target), asked)
                assert got.headers["Content-Type"] == sent
                assert await got.read() == (start + CONTENT)[: 100 if asked else None]

    @pytest.mark.parametrize(
        ("declared", "body"),
        [
            ("text/html; charset=utf-8", b"<p>"),
            ("application/json", b"{}"),
            ("image/svg+xml", b"<svg>"),
            ("text/plain", b"just a text"),
            ("application/octet-stream", b"\xef\xbb\xbf  <!DOCTYPE html><title>"),
            (None, b"%PDF-1.7"),
        ],
    )
    async def test_what_is_no_media_is_415(
        self, proxy: Proxy, declared: str | None, body: bytes
    ) -> None:
        async with raw_upstream(Honest(content=body, media_type=declared)) as upstream:
            got = await proxy.stream(upstream.link("/page"))
            problem = await got.json(content_type="application/problem+json")
        assert (got.status, problem["code"]) == (415, "not_media")

    async def test_name_of_the_file_is_offered(self, proxy: Proxy) -> None:
        async with raw_upstream(Honest()) as upstream:
            got = await proxy.stream(upstream.link("/a/My%20%C3%BCber%20film.mp4?sig=1"))
        assert got.headers["Content-Disposition"] == (
            "inline; filename=\"My _ber film.mp4\"; filename*=UTF-8''My%20%C3%BCber%20film.mp4"
        )


async def test_only_listed_fields_pass_each_way(proxy: Proxy) -> None:
    hostile = {
        "Content-Length": "4",
        "Content-Type": "video/mp4",
        "Cache-Control": "max-age=60",
        "Set-Cookie": "a=b",
        "Refresh": "0",
        "X-Accel-Redirect": "/etc/passwd",
        "Clear-Site-Data": "*",
        "Content-Security-Policy": "default-src *",
        "Service-Worker-Allowed": "/",
        "Access-Control-Allow-Origin": "*",
        "ETag": "unquoted\x01",
    }
    async with raw_upstream(response("200 OK", hostile, b"film")) as upstream:
        got = await proxy.stream(
            upstream.link(),
            Cookie="secret=1",
            Authorization="Bearer x",
            X_Own="1",
            Referer="http://a",
        )
        assert await got.read() == b"film"
        sent = upstream.exchanges[0].head.decode()
    names = {line.partition(":")[0] for line in sent.split("\r\n")[1:] if line}
    assert names == {"Host", "User-Agent", "Accept", "Accept-Encoding"}
    assert "Accept-Encoding: identity" in sent
    assert {name.title() for name in got.headers} == {
        *("Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Length"),
        *("Content-Security-Policy", "Content-Type", "Date", "Server", "X-Content-Type-Options"),
        "X-Request-Id",
    }
    assert got.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_coded_body_passes_whole_and_is_502_for_a_range(proxy: Proxy) -> None:
    fields = {"Content-Encoding": "gzip", "Content-Type": "video/mp4", "Content-Length": "5"}
    async with raw_upstream(response("200 OK", fields, b"\x1f\x8bzip")) as upstream:
        whole = await proxy.stream(upstream.link())
        part = await proxy.stream(upstream.link(), "0-1")
        assert (await whole.read(), whole.headers["Content-Encoding"]) == (b"\x1f\x8bzip", "gzip")
    assert part.status == 502


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param({"Transfer-Encoding": "chunked"}, id="chunked"),
        pytest.param({}, id="close-delimited"),
    ],
)
async def test_body_of_unknown_length_passes_to_its_end(
    proxy: Proxy, framing: dict[str, str]
) -> None:
    body = b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n" if framing else b"firstsecond"
    answer = response("200 OK", {"Content-Type": "video/mp4"} | framing, body)
    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link(), "3-4")
        assert (got.status, await got.read()) == (200, b"firstsecond")
        assert "Content-Length" not in got.headers


@pytest.mark.parametrize("status", [400, 403, 405, 416, 501])
async def test_server_that_refuses_ranges_is_asked_for_the_whole(proxy: Proxy, status: int) -> None:
    async def answer(exchange: Exchange) -> None:
        if exchange.field("Range"):
            await exchange.send(response(f"{status} No", {"Content-Length": "0"}))
        else:
            await Honest(ranges=False)(exchange)

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link(), "7-9")
        assert (got.status, await got.read()) == (206, CONTENT[7:10])
        assert (await proxy.validate(upstream.link()))["supports_range"] is False


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
async def test_client_of_http_1_0_gets_an_end_to_a_body_of_unknown_length(
    proxy: Proxy, connection: str
) -> None:
    body = response("200 OK", {"Content-Type": "video/mp4"}, b"first")
    async with raw_upstream(body) as upstream:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        target = proxy.url("/stream", upstream.link()).partition(str(proxy.port))[2]
        writer.write(f"GET {target} HTTP/1.0\r\nConnection: {connection}\r\n\r\n".encode())
        received = await asyncio.wait_for(reader.read(), 20)
        writer.close()
    assert received.endswith(b"\r\n\r\nfirst")
    assert b"Transfer-Encoding" not in received
