"""What /api/validate says of a link before it plays."""

import asyncio

import pytest
from proxies import Proxy
from upstreams import CONTENT, MP4_START, Exchange, Honest, raw_upstream, response

KEYS = {
    *("valid", "content_type", "content_length", "accept_ranges", "supports_range"),
    *("seekable", "filename", "final_url", "container", "etag", "last_modified", "moov_at_end"),
    "codecs",
}
FAILURE_KEYS = {
    *("valid", "error", "code", "hint", "upstream_status", "retryable", "request_id"),
}


async def test_everything_that_one_look_tells(proxy: Proxy) -> None:
    content = MP4_START + b"\x00\x00\x00\x10moov" + CONTENT
    async with raw_upstream(Honest(content=content)) as upstream:
        answer = await proxy.validate(upstream.link("/a/My%20film.mp4?sig=secret"))
        assert upstream.exchanges[0].field("Range") == "bytes=0-8191"
        assert len(upstream.exchanges) == 1
    assert answer == {
        "valid": True,
        "content_type": "video/mp4",
        "content_length": str(len(content)),
        "accept_ranges": "bytes",
        "supports_range": True,
        "seekable": True,
        "filename": "My film.mp4",
        "final_url": upstream.link(""),
        "container": "mp4",
        "etag": '"v1"',
        "last_modified": "Sat, 13 Jan 2024 10:00:00 GMT",
        "moov_at_end": False,
        "codecs": None,
    }


async def test_ranges_that_are_promised_but_do_not_work_are_not_believed(proxy: Proxy) -> None:
    fields = {"Content-Type": "video/webm", "Accept-Ranges": "bytes", "Content-Length": "4"}
    async with raw_upstream(response("200 OK", fields, b"film")) as upstream:
        answer = await proxy.validate(upstream.link())
    assert (answer["supports_range"], answer["accept_ranges"]) == (False, "none")
    assert (answer["seekable"], answer["content_length"]) == (True, "4")  # we cut it ourselves


async def test_unknown_length_is_null_and_not_seekable(proxy: Proxy) -> None:
    async with raw_upstream(
        response("200 OK", {"Content-Type": "video/webm"}, b"film")
    ) as upstream:
        answer = await proxy.validate(upstream.link())
    assert set(answer) == KEYS
    assert (answer["valid"], answer["content_length"], answer["seekable"]) == (True, None, False)


async def test_final_url_is_where_redirects_lead_without_its_query(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as other:
        location = {"Location": other.link("/film.mp4?sig=secret"), "Content-Length": "0"}
        async with raw_upstream(response("302 Found", location)) as upstream:
            answer = await proxy.validate(upstream.link("/go"))
    assert answer["final_url"] == other.link("")
    assert answer["filename"] == "film.mp4"


@pytest.mark.parametrize("declared", ["video/mp4", "application/octet-stream", None])
async def test_page_is_known_by_its_bytes_whatever_it_is_called(
    proxy: Proxy, declared: str | None
) -> None:
    honest = Honest(content=b"<!DOCTYPE html><html>", media_type=declared)
    async with raw_upstream(honest) as upstream:
        answer = await proxy.validate(upstream.link())
    assert set(answer) == FAILURE_KEYS
    assert (answer["valid"], answer["code"], answer["upstream_status"]) == (
        False,
        "not_media",
        None,
    )


async def test_empty_file_is_no_media(proxy: Proxy) -> None:
    async with raw_upstream(Honest(content=b"")) as upstream:
        answer = await proxy.validate(upstream.link())
    assert (answer["valid"], answer["code"], answer["error"]) == (
        False,
        "not_media",
        "The file is empty.",
    )


async def test_at_most_64_kib_are_read_where_ranges_are_ignored(proxy: Proxy) -> None:
    async def answer(exchange: Exchange) -> None:
        fields = {"Content-Type": "video/mp4", "Content-Length": str(2**30)}
        await exchange.send(response("200 OK", fields, CONTENT[: 8 * 1024]))
        await exchange.wait_closed()

    async with raw_upstream(answer) as upstream:
        # The upstream sends no more than the probe needs: it must not wait for more.
        found = await asyncio.wait_for(proxy.validate(upstream.link()), 20)
        await asyncio.wait_for(upstream.closed.wait(), 20)
    assert (found["valid"], found["supports_range"], found["seekable"]) == (True, False, False)


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "ignores-ranges"])
async def test_play_finds_a_warm_connection(proxy: Proxy, ranges: bool) -> None:
    content = CONTENT if ranges else CONTENT[:60_000]
    async with raw_upstream(Honest(content, ranges=ranges), keep_alive=True) as upstream:
        assert (await proxy.validate(upstream.link()))["valid"] is True
        got = await proxy.stream(upstream.link(), "0-")
        assert await got.read() == content
        assert upstream.used == 1


async def test_health(proxy: Proxy) -> None:
    async with proxy.client.get(proxy.url("/health")) as got:
        assert (got.status, (await got.json())["status"]) == (200, "ok")


def film_of_three_parts() -> bytes:
    """Return an MP4 whose index comes last, with a long table between its two tracks."""
    long_table = {"vide": box("stsz", bytes(50_000)), "soun": b""}
    tracks = [
        box("trak", box("mdia", handler(kind), box("minf", box("stbl", entry, long_table[kind]))))
        for kind, entry in (("vide", entries("jpeg")), ("soun", entries("ac-3")))
    ]
    return MP4_START + box("mdat", bytes(100_000)) + box("moov", *tracks)


def box(name: str, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return (8 + len(body)).to_bytes(4, "big") + name.encode() + body


def handler(kind: str) -> bytes:
    return box("hdlr", bytes(8), kind.encode(), bytes(13))


def entries(name: str) -> bytes:
    return box("stsd", bytes(7), b"\1", box(name, bytes(78)))


async def test_all_tracks_are_named_where_they_are_asked_for(proxy: Proxy) -> None:
    content = film_of_three_parts()
    async with raw_upstream(Honest(content)) as upstream:
        assert (await proxy.validate(upstream.link()))["codecs"] is None
        assert len(upstream.exchanges) == 1
        url = f"{proxy.url('/api/validate', upstream.link())}&tracks=1"
        async with proxy.client.get(url) as got:
            answer = await got.json()
        asked = [exchange.field("Range") for exchange in upstream.exchanges[1:]]
    assert answer["codecs"] == ["jpeg", "ac-3"]
    assert set(answer) == KEYS
    moov = content.index(b"moov") - 4
    second = content.rindex(b"trak") - 4
    assert asked == [
        "bytes=0-8191",
        *(f"bytes={at}-{at + 8191}" for at in (moov, second)),
    ]


async def test_tracks_that_cannot_be_reached_are_no_failure(proxy: Proxy) -> None:
    content = MP4_START + box("mdat", bytes(10))[:4] + b"mdat" + bytes(20_000)
    fields = {"Content-Type": "video/mp4", "Content-Length": str(len(content))}
    for answer_all in (Honest(content), response("200 OK", fields, content)):
        async with raw_upstream(answer_all) as upstream:
            url = f"{proxy.url('/api/validate', upstream.link())}&tracks=1"
            async with proxy.client.get(url) as got:
                answer = await got.json()
        assert (answer["valid"], answer["codecs"]) == (True, None)
