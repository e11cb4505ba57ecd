"""Nothing that a stranger's server sends acts as a page in our origin."""

import pytest
from inert import assert_inert
from proxies import Proxy
from upstreams import CONTENT, MP4_START, Honest, raw_upstream

HTML = b"<!DOCTYPE html><html><script>evil()</script>"
BODIES = {
    "html": HTML,
    "html after white space": b"\r\n \t" + HTML,
    "html after a mark": b"\xef\xbb\xbf" + HTML,
    "html in UTF-16": HTML.decode().encode("utf-16"),
    "html after zeros": b"\x00\x00" + HTML,
    "html after a comment": b"<!-- x --><script>evil()</script>",
    "html after text": b"x" * 600 + HTML,
    "html in a film": MP4_START + HTML,
    "script": b"<script>evil()</script>",
    "image with a handler": b"<img src=x onerror=evil()>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='evil()'/>",
    "svg with a head": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
    "xhtml": b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>",
    "xml with a prefix": b"<x:html xmlns:x='http://www.w3.org/1999/xhtml'><x:script>1</x:script>",
    "xml with a style sheet": b"<?xml-stylesheet href='evil.xsl' type='text/xsl'?><MPD/>",
    "javascript": b"evil();",
    "json": b'{"evil": 1}',
    "css": b"*{background:url(https://evil.example/)}",
    "pdf": b"%PDF-1.7 evil",
    "flash": b"CWS\x0aevil",
    "wasm": b"\x00asm\x01\x00\x00\x00",
    "mhtml": b"From: <x>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related\r\n\r\n",
    "zip": b"PK\x03\x04evil",
    "gzip": b"\x1f\x8b\x08\x00",
    "executable": b"MZ\x90\x00",
    "gif that is a script": b"GIF89a=1;evil()",
    "subtitles that are a page": b"WEBVTT\n\n<script>evil()</script>",
    "playlist that is a page": b"#EXTM3U\n<script>evil()</script>",
}
REFUSED_TYPES = [
    *("text/html", "TEXT/HTML", "text/html;charset=utf-7", "application/xhtml+xml", "text/xml"),
    *("application/xml", "image/svg+xml", "application/mathml+xml", "application/rss+xml"),
    *("application/ttml+xml", "video/x+xml", "audio/x+xml", "Video/SVG+XML", "text/xsl"),
    *("application/xslt+xml", "text/javascript", "application/javascript", "text/ecmascript"),
    *("application/x-javascript", "audio/x-evil+xml;a=b", "application/json", "text/css"),
    *("text/cache-manifest", "application/manifest+json", "application/wasm", "application/pdf"),
    *("application/x-shockwave-flash", "application/java-archive", "application/x-java-applet"),
    *("application/hta", "text/x-component", "message/rfc822", "multipart/related"),
    *("multipart/x-mixed-replace;boundary=x", "multipart/form-data", "application/x-mimearchive"),
    *("application/vnd.ms-htmlhelp", "application/x-msdownload", "application/signed-exchange"),
    *("application/webbundle", "application/speculationrules+json", "image/x-icon", "image/bmp"),
    *("text/event-stream", "application/vnd.apple.installer+xml", "model/vrml", "font/woff2"),
]
PASSING_TYPES = {
    "video/mp4": "video/mp4",
    "video/webm;codecs=vp9": "video/webm",
    "audio/mpeg": "audio/mpeg",
    "audio/x-mpegurl": "audio/x-mpegurl",
    "application/vnd.apple.mpegurl": "application/vnd.apple.mpegurl",
    "application/dash+xml": "application/dash+xml",
    "text/vtt; charset=utf-8": "text/vtt",
    "application/x-subrip": "application/x-subrip",
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
    "image/avif": "image/avif",
}


@pytest.mark.parametrize("declared", REFUSED_TYPES)
async def test_type_that_a_browser_runs_or_shows_is_415(proxy: Proxy, declared: str) -> None:
    async with raw_upstream(Honest(content=CONTENT[:4], media_type=declared)) as upstream:
        for asked in (None, "0-1", "2-3"):
            got = await proxy.stream(upstream.link("/film.mp4"), asked)
            assert got.status == 415
            assert_inert(got)
        assert (await proxy.validate(upstream.link("/film.mp4")))["code"] == "not_media"


@pytest.mark.parametrize("declared", PASSING_TYPES)
async def test_media_subtitles_playlists_and_posters_pass(proxy: Proxy, declared: str) -> None:
    async with raw_upstream(Honest(content=b"what they are", media_type=declared)) as upstream:
        got = await proxy.stream(upstream.link())
        assert (got.status, got.headers["Content-Type"]) == (200, PASSING_TYPES[declared])
        assert await got.read() == b"what they are"
        assert_inert(got)


@pytest.mark.parametrize("body", BODIES)
async def test_lying_type_gives_its_body_no_power(proxy: Proxy, body: str) -> None:
    """Refused, or sent as a type that runs nothing, that no browser may doubt."""
    kinds = [*PASSING_TYPES, "application/octet-stream", "text/plain", "unknown/unknown", "", "x"]
    allowed = {*PASSING_TYPES.values(), "application/octet-stream"}
    for declared in kinds:
        honest = Honest(content=BODIES[body], media_type=declared)
        async with raw_upstream(honest) as upstream:
            for target, asked in (("/film.mp4", None), ("/evil.html", None), ("/evil.svg", "1-3")):
                got = await proxy.stream(upstream.link(target), asked)
                assert_inert(got)
                if got.status == 415:
                    assert got.content_type == "application/problem+json"
                    continue
                assert got.headers["Content-Type"] in allowed
                if got.content_type.startswith("text/") or got.content_type.endswith("xml"):
                    assert got.headers["Content-Security-Policy"].endswith("; sandbox")


async def test_only_what_a_browser_shows_as_a_document_is_sandboxed(proxy: Proxy) -> None:
    """A film that is opened directly would not play in a sandbox."""
    sandboxed = set()
    for declared in PASSING_TYPES:
        async with raw_upstream(Honest(content=b"x", media_type=declared)) as upstream:
            got = await proxy.stream(upstream.link())
        if "sandbox" in got.headers["Content-Security-Policy"]:
            sandboxed.add(got.content_type)
    assert sandboxed == {"application/dash+xml", "text/vtt"}


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/health", 200),
        ("GET", "/static/js/main.js", 200),
        ("GET", "/static/no-such-file", 404),
        ("GET", "/static/../pyproject.toml", 404),
        ("GET", "/no/such/route", 404),
        ("POST", "/stream", 405),
        ("OPTIONS", "/stream", 405),
        ("GET", "/stream", 400),
        ("GET", "/stream?url=http://10.0.0.1/", 403),
        ("GET", "/stream?url=%3Cscript%3E", 400),
        ("GET", "/api/validate", 400),
        ("GET", "/api/validate?url=http://10.0.0.1/", 200),
    ],
)
async def test_every_answer_is_inert(proxy: Proxy, method: str, target: str, status: int) -> None:
    async with proxy.client.request(method, proxy.url(target)) as got:
        assert got.status == status
        assert_inert(got, is_page=target == "/")
        assert b"<script>" not in await got.read() or target == "/"


async def test_answer_about_a_link_that_plays_is_inert(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as upstream:
        url = proxy.url("/api/validate", upstream.link("/%3Cscript%3E.mp4"))
        async with proxy.client.get(url) as got:
            assert (await got.json())["valid"]
            assert_inert(got)
