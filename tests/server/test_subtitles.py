"""GET and POST /subtitles over the wire: what comes, what is refused, and who holds what."""

import asyncio
import io
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from proxies import Proxy, StartProxy, serve
from upstreams import Exchange, Honest, raw_upstream, response

from streamproxy import Settings, create_app, sign_url
from streamproxy.subtitles.convert import MAX_FILE_SIZE

SRT = b"1\n00:00:01,000 --> 00:00:02,500\n<i>Hi</i> & you\n"
WEBVTT = "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n<i>Hi</i> &amp; you\n"
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
KEY = "0123456789abcdef"
# Seconds of computing in which what costs little is answered, also while much is done beside it.
SOON = 0.5


def subtitles(content: bytes = SRT, media_type: str | None = "application/x-subrip") -> Honest:
    return Honest(content=content, media_type=media_type)


async def get(proxy: Proxy, link: str, more: str = "", **fields: str) -> ClientResponse:
    url = proxy.url("/subtitles", link) + more
    got = await proxy.client.get(url, headers={k.replace("_", "-"): v for k, v in fields.items()})
    proxy.responses.append(got)
    return got


async def post(proxy: Proxy, body: Any, more: str = "", **fields: str) -> ClientResponse:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    if isinstance(body, bytes):
        body = io.BytesIO(body)
    got = await proxy.client.post(proxy.url("/subtitles") + more, data=body, headers=headers)
    proxy.responses.append(got)
    return got


async def refusal(got: ClientResponse) -> tuple[int, str]:
    problem: dict[str, Any] = await got.json(content_type="application/problem+json")
    return got.status, problem["code"]


async def test_link_is_answered_as_webvtt_that_can_do_nothing(proxy: Proxy) -> None:
    async with raw_upstream(subtitles()) as upstream:
        got = await get(proxy, upstream.link("/film.de.srt"), Range="bytes=0-5")
        assert (got.status, await got.text()) == (200, WEBVTT)

        assert upstream.exchanges[0].field("Range") is None
    assert got.headers["Content-Type"] == "text/vtt; charset=utf-8"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert got.headers["Content-Disposition"] == 'inline; filename="film.de.vtt"'
    assert got.headers["Cache-Control"] == "private, max-age=60"
    assert got.headers["Content-Length"] == str(len(WEBVTT))


async def test_body_is_answered_as_webvtt(proxy: Proxy) -> None:
    got = await post(proxy, SRT)

    assert (got.status, await got.text()) == (200, WEBVTT)
    assert got.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("media_type", ["text/plain", "text/html", "application/zip", None])
async def test_type_that_the_site_gives_decides_nothing(
    proxy: Proxy, media_type: str | None
) -> None:
    async with raw_upstream(subtitles(media_type=media_type)) as upstream:
        got = await get(proxy, upstream.link())
        assert (got.status, await got.text()) == (200, WEBVTT)


async def test_encoding_comes_from_the_query_then_the_field_then_a_guess(proxy: Proxy) -> None:
    text = SRT.replace(b"you", "Ж".encode("cp1251"))
    async with raw_upstream(subtitles(text, "text/plain; charset=windows-1251")) as upstream:
        by_field = await get(proxy, upstream.link())
        by_query = await get(proxy, upstream.link(), "&encoding=windows-1252")
        assert "& Ж".replace("&", "&amp;") in await by_field.text()
        assert "&amp; Æ" in await by_query.text()
    assert "Ж" in await (await post(proxy, text, "?encoding=CP1251")).text()


@pytest.mark.parametrize("query", ["encoding=zlib", "encoding=punycode", "encoding=a&encoding=b"])
async def test_unknown_encoding_is_refused_with_those_that_are_known(
    proxy: Proxy, query: str
) -> None:
    async with raw_upstream(subtitles()) as upstream:
        got = await get(proxy, upstream.link(), f"&{query}")
        problem = await got.json(content_type=None)

        assert upstream.connections == 0
    assert (got.status, problem["code"]) == (400, "unknown_encoding")
    assert "windows-1250" in problem["detail"]


async def test_no_store_of_the_site_stays(proxy: Proxy) -> None:
    fields = {"Content-Length": str(len(SRT)), "Cache-Control": "public, no-store"}
    async with raw_upstream(response("200 OK", fields, SRT)) as upstream:
        got = await get(proxy, upstream.link())
    assert got.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    "content", [b"", b"<!doctype html><p>1 --> 2", bytes(range(256)) * 64, b"just a text\n"]
)
async def test_what_holds_no_subtitles_is_refused(proxy: Proxy, content: bytes) -> None:
    async with raw_upstream(subtitles(content)) as upstream:
        assert await refusal(await get(proxy, upstream.link())) == (415, "not_subtitles")
    assert await refusal(await post(proxy, content)) == (415, "not_subtitles")


@pytest.mark.parametrize(
    "fields", [{"Content_Encoding": "gzip"}, {"Content_Type": "multipart/form-data; boundary=x"}]
)
async def test_body_that_is_wrapped_is_refused(proxy: Proxy, fields: dict[str, str]) -> None:
    assert await refusal(await post(proxy, b"", **fields)) == (415, "not_subtitles")


class TestSize:
    async def test_declared_too_large_is_refused_unread(self, proxy: Proxy) -> None:
        fields = {"Content-Length": str(MAX_FILE_SIZE + 1), "Content-Type": "video/mp4"}
        async with raw_upstream(response("200 OK", fields)) as upstream:
            assert await refusal(await get(proxy, upstream.link())) == (413, "too_large")

    async def test_is_counted_where_none_is_declared(self, proxy: Proxy) -> None:
        async def endless(exchange: Exchange) -> None:
            await exchange.send(response("200 OK", {"Content-Type": "text/plain"}))
            while True:
                await exchange.send(b"x" * 65536)

        async with raw_upstream(endless) as upstream:
            assert await refusal(await get(proxy, upstream.link())) == (413, "too_large")

    @pytest.mark.parametrize("chunked", [False, True])
    async def test_of_a_body_is_limited(self, proxy: Proxy, *, chunked: bool) -> None:
        async def pieces() -> Any:
            for _ in range(MAX_FILE_SIZE // 65536 + 1):
                yield b"x" * 65536

        body = pieces() if chunked else b"x" * (MAX_FILE_SIZE + 1)
        assert await refusal(await post(proxy, body)) == (413, "too_large")

    async def test_largest_file_passes(self, proxy: Proxy) -> None:
        got = await post(proxy, SRT + b"\n" * (MAX_FILE_SIZE - len(SRT)))
        assert await got.text() == WEBVTT

    async def test_that_the_owner_permits_counts_where_it_is_smaller(
        self, start_proxy: StartProxy
    ) -> None:
        proxy = await start_proxy(max_file_size=100)
        async with raw_upstream(subtitles(SRT * 10)) as upstream:
            assert await refusal(await get(proxy, upstream.link())) == (413, "too_large")


class TestGuards:
    async def test_policy_holds_for_links(self, proxy: Proxy) -> None:
        assert await refusal(await get(proxy, "http://10.0.0.1/a.srt")) == (403, "blocked_target")
        assert await refusal(await get(proxy, "file:///etc/passwd")) == (400, "unsupported_scheme")

    async def test_policy_holds_for_redirects(self, proxy: Proxy) -> None:
        fields = {"Location": "http://10.0.0.1/a.srt", "Content-Length": "0"}
        async with raw_upstream(response("302 Found", fields)) as upstream:
            assert await refusal(await get(proxy, upstream.link())) == (403, "blocked_target")

    async def test_exactly_one_link_is_asked_for(self, proxy: Proxy) -> None:
        for query in ("", "?url=", "?url=http://a.example/&url=http://b.example/"):
            async with proxy.client.get(proxy.url("/subtitles") + query) as got:
                assert await refusal(got) == (400, "missing_url")

    async def test_head_is_not_offered(self, proxy: Proxy) -> None:
        async with proxy.client.head(proxy.url("/subtitles", "http://a.example/")) as got:
            assert (got.status, got.headers["Allow"]) == (405, "GET,POST")

    async def test_pages_of_other_sites_are_refused(self, proxy: Proxy) -> None:
        async with raw_upstream(subtitles()) as upstream:
            fields = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}
            got = await get(proxy, upstream.link(), **fields)
            assert await refusal(got) == (403, "foreign_site")
            assert upstream.connections == 0
        assert await refusal(await post(proxy, SRT, **fields)) == (403, "foreign_site")
        # So says a browser of before Fetch Metadata.
        got = await post(proxy, SRT, Origin="https://evil.example")
        assert await refusal(got) == (403, "foreign_site")

    async def test_who_shows_not_who_they_are_gets_nothing(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(access_token="s3cret")
        async with raw_upstream(subtitles()) as upstream:
            got = await get(proxy, upstream.link())
            assert await refusal(got) == (401, "authentication_required")
            assert upstream.connections == 0
            got = await get(proxy, upstream.link(), Authorization="Bearer s3cret")
            assert await got.text() == WEBVTT
        assert await refusal(await post(proxy, SRT)) == (401, "authentication_required")

    async def test_signature_opens_its_own_link_alone(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(signing_key=KEY)
        async with raw_upstream(subtitles()) as upstream:
            film = sign_url(upstream.link("/film.mp4"), KEY, ttl_s=60).partition("&sig=")[2]
            own = sign_url(upstream.link("/film.srt"), KEY, ttl_s=60).partition("&sig=")[2]
            got = await get(proxy, upstream.link("/film.srt"), f"&sig={film}")
            assert await refusal(got) == (403, "invalid_signature")
            got = await get(proxy, upstream.link("/film.srt"), f"&sig={own}&encoding=utf-8")
            assert await got.text() == WEBVTT
        got = await post(proxy, SRT, f"?url=http://a.example/&sig={own}")
        assert await refusal(got) == (401, "authentication_required")

    async def test_rates_count_subtitles(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(rate_limit="1/hour")
        assert (await post(proxy, SRT)).headers["RateLimit-Remaining"] == "0"
        assert await refusal(await post(proxy, SRT)) == (429, "rate_limited")

    async def test_rights_hold(self, start_proxy: StartProxy, tmp_path: Path) -> None:
        (tmp_path / "acl.toml").write_text(
            '[default]\ndeny_host = ["localhost"]\nmax_streams = 1\n'
        )
        proxy = await start_proxy(acl_file=str(tmp_path / "acl.toml"))
        got = await get(proxy, "http://localhost:8000/a.srt")
        assert await refusal(got) == (403, "blocked_target")


class TestPlaces:
    async def test_are_taken_beside_a_film_and_given_back(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(max_streams_per_client=1)
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            if exchange.target == b"/slow.srt":
                arrived.set()
                await go_on.wait()
            await subtitles()(exchange)

        async with raw_upstream(Honest()) as films, raw_upstream(answer) as upstream:
            film = await proxy.stream(films.link())
            slow = asyncio.create_task(get(proxy, upstream.link("/slow.srt")))
            await arrived.wait()
            assert await refusal(await get(proxy, upstream.link())) == (503, "too_many_streams")
            assert await refusal(await post(proxy, SRT)) == (503, "too_many_streams")
            go_on.set()
            assert await (await slow).text() == WEBVTT
            assert await (await post(proxy, SRT)).text() == WEBVTT
            assert film.status == 200

    async def test_client_that_leaves_frees_the_upstream(
        self, start_proxy: StartProxy, *, handler_cancellation: bool
    ) -> None:
        proxy = await start_proxy(handler_cancellation=handler_cancellation, read_timeout=30)
        arrived, left = asyncio.Event(), asyncio.Event()

        async def silent(exchange: Exchange) -> None:
            arrived.set()
            await exchange.wait_closed()
            left.set()

        async with raw_upstream(silent) as upstream:
            asking = asyncio.create_task(get(proxy, upstream.link()))
            await arrived.wait()
            asking.cancel()
            await asyncio.wait_for(left.wait(), 20)


async def test_site_that_breaks_off_is_no_short_file(proxy: Proxy) -> None:
    fields = {"Content-Length": str(len(SRT) + 1)}
    async with raw_upstream(response("200 OK", fields, SRT)) as upstream:
        assert await refusal(await get(proxy, upstream.link())) == (502, "upstream_protocol")


async def test_site_that_compresses_is_refused(proxy: Proxy) -> None:
    fields = {"Content-Encoding": "gzip", "Content-Length": "3"}
    async with raw_upstream(response("200 OK", fields, b"\x1f\x8b\x08")) as upstream:
        assert await refusal(await get(proxy, upstream.link())) == (502, "upstream_protocol")


@pytest.mark.parametrize(
    "piece",
    [b"\n", b"0:0 --> 0:1\n" + b"<b><i></b></i>" * 1000 + b"\n", b"{1}{2}" + b"{y:" * 5000 + b"\n"],
    ids=["lines", "tags", "MicroDVD"],
)
async def test_others_are_served_while_a_hostile_file_is_read(proxy: Proxy, piece: bytes) -> None:
    body = piece * (MAX_FILE_SIZE // len(piece))
    converting = asyncio.create_task(post(proxy, body))
    waits = []  # by what is computed meanwhile: a machine that stalls makes nobody late here
    while not converting.done():
        began = time.process_time()
        async with proxy.client.get(proxy.url("/health")) as got:
            assert got.status == 200
        waits.append(time.process_time() - began)
    converting.result().close()

    # The whole takes seconds; the answers to others come at once.
    assert len(waits) > 10
    assert max(waits) < SOON


async def test_mounted_proxy_reads_subtitles() -> None:
    parent = web.Application()
    parent.add_subapp("/video/", create_app(Settings.parse(allow_network="127.0.0.0/8")))
    async with AsyncExitStack() as stack, raw_upstream(subtitles()) as upstream:
        proxy = await serve(parent, stack)
        async with proxy.client.get(proxy.url("/video/subtitles", upstream.link())) as got:
            assert await got.text() == WEBVTT
        async with proxy.client.post(proxy.url("/video/subtitles"), data=SRT) as got:
            assert await got.text() == WEBVTT


async def test_log_names_the_link_without_its_query(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "streamproxy")
    async with raw_upstream(subtitles()) as upstream:
        await (await get(proxy, upstream.link("/film.srt?token=secret"))).read()

        link = upstream.link("/film.srt")
    assert f"Subtitles request for: {link}" in caplog.text
    assert f"GET /subtitles of {link[:-9]}" in caplog.text
    assert f"status 200, {len(WEBVTT)} bytes" in caplog.text
    assert "secret" not in caplog.text


WITHOUT = """
import sys
sys.modules["pysubs2"] = sys.modules["charset_normalizer"] = None  # as if not installed
from streamproxy.errors import UnsupportedSubtitles
from streamproxy.subtitles.convert import to_webvtt
assert "\\xe9" in to_webvtt(b"0:01 --> 0:02\\n\\xe9\\n").decode()  # windows-1252
try:
    to_webvtt(b"[V4+ Styles]\\nDialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,Hi\\n")
except UnsupportedSubtitles as exc:
    print(exc.hint)
"""


def test_without_the_extra_the_error_names_it() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT], capture_output=True, text=True, check=False
    )
    assert "pip install 'streamproxy[subtitles]'" in done.stdout, done.stderr
