"""Attacks on the origin of the page: T13 to T18. What a browser makes of it: tests/browser."""

import re

import pytest
from proxies import Proxy, StartProxy, code_of
from upstreams import CONTENT, Honest, raw_upstream, response

SCRIPT = b"<script>boom(1)</script>"
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}


@pytest.mark.parametrize(
    "media_type",
    [
        *("text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml"),
        *("text/javascript", "application/javascript", "text/css", "application/pdf"),
        *("application/x-shockwave-flash", "application/wasm", "multipart/x-mixed-replace"),
        *(
            "message/rfc822",
            "application/json",
            "text/html; charset=utf-7",
            "TEXT/HTML",
            "text/htm l",
        ),
    ],
)
async def test_t13_what_a_browser_would_run_is_no_media(proxy: Proxy, media_type: str) -> None:
    async with raw_upstream(Honest(content=SCRIPT, media_type=media_type)) as site:
        assert await code_of(proxy, site.link("/film.mp4")) == (415, "not_media")


@pytest.mark.parametrize("media_type", ["video/mp4", "image/png", "text/vtt", None])
async def test_t13_page_under_a_lying_type_is_inert(proxy: Proxy, media_type: str | None) -> None:
    async with raw_upstream(Honest(content=SCRIPT, media_type=media_type)) as site:
        got = await proxy.stream(site.link("/page.html"))

    assert not got.content_type.startswith("text/html")
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in got.headers["Content-Security-Policy"]


async def test_t14_fields_that_act_on_the_browser_do_not_pass(proxy: Proxy) -> None:
    acting = {
        "Set-Cookie": "session=stolen",
        "Content-Security-Policy-Report-Only": "default-src *",
        "Clear-Site-Data": '"*"',
        "Service-Worker-Allowed": "/",
        "Refresh": "0; url=https://evil.example/",
        "Link": "<https://evil.example/>; rel=preload",
        "Access-Control-Allow-Origin": "*",
        "X-Accel-Redirect": "/etc/passwd",
        "Location": "https://evil.example/",
    }
    fields = {"Content-Type": "video/mp4", "Content-Length": "1048576"} | acting
    async with raw_upstream(response("200 OK", fields, CONTENT)) as site:
        got = await proxy.stream(site.link())
        assert await got.read() == CONTENT
    assert got.headers.keys().isdisjoint(acting)


@pytest.mark.parametrize(
    "name",
    ['a"; filename="x.html', "a%0d%0aSet-Cookie:%20x=y", "a%00.mp4", "..%2f..%2fpasswd", "%ff%fe"],
)
async def test_t15_file_name_splits_nothing(proxy: Proxy, name: str) -> None:
    fields = {
        "Content-Type": "video/mp4",
        "Content-Length": "5",
        "Content-Disposition": f"inline; filename*=UTF-8''{name}",
    }
    async with raw_upstream(response("200 OK", fields, b"bytes")) as site:
        got = await proxy.stream(site.link(f"/{name}"))
        assert await got.read() == b"bytes"
    disposition = got.headers["Content-Disposition"]
    assert "Set-Cookie" not in got.headers
    assert re.fullmatch(
        r'inline(; filename="[^"\\]*")?(; filename\*=[\w\'%.~!#$&+^`|-]*)?', disposition
    )
    assert "/" not in disposition
    assert ".." not in disposition


async def test_t16_page_takes_no_script_but_its_own(proxy: Proxy) -> None:
    hostile = 'javascript:boom(1)//"><script>boom(1)</script>'
    async with proxy.client.get(proxy.url("/", hostile)) as got:
        page = await got.text()

    parts = got.headers["Content-Security-Policy"].split("; ")
    policy = dict(part.split(" ", 1) for part in parts)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in str(policy)
    assert got.headers["Referrer-Policy"] == "no-referrer"
    # The link stands in it, for those without scripts: as text, and behind our own path.
    assert "javascript:" not in page.replace('value="javascript:', "")
    assert "<script>boom" not in page
    assert not re.search(r"<script(?! type=\"module\" src=)|\son\w+=|<style|style=", page)


@pytest.mark.parametrize("route", ["/stream", "/api/validate"])
async def test_t17_foreign_page_cannot_use_the_proxy(proxy: Proxy, route: str) -> None:
    async with raw_upstream(Honest()) as site:
        for fields in (FOREIGN, FOREIGN | {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}):
            async with proxy.client.get(proxy.url(route, site.link()), headers=fields) as got:
                assert got.status == 403
                assert "Access-Control-Allow-Origin" not in got.headers
        assert site.connections == 0


async def test_t17_wildcard_goes_without_credentials(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(cors_origin="*")
    origin = {"Origin": "https://evil.example"}
    async with proxy.client.get(proxy.url("/health"), headers=origin) as got:
        assert got.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in got.headers


@pytest.mark.parametrize("target", ["/", "/api/validate", "/stream"])
async def test_t18_name_of_another_site_gets_nothing(proxy: Proxy, target: str) -> None:
    fields = {"Host": "evil.example", "Sec-Fetch-Site": "same-origin"}
    async with raw_upstream(Honest()) as site:
        async with proxy.client.get(proxy.url(target, site.link()), headers=fields) as got:
            assert got.status == 421
        assert site.connections == 0
