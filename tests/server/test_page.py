"""The page's own files: in the reader's language, for everybody, and never stale."""

import json
import re

import pytest
from proxies import Proxy, StartProxy

from streamproxy import __version__

TOKEN = "s3cret-token-of-some-length"
HEADINGS = {"en": "<h1>Paste a link. It plays.</h1>", "de": "<h1>Link einfügen. Läuft.</h1>"}
SIGN_IN = {"en": ">Sign in</h1>", "de": ">Anmelden</h1>"}
PUBLIC = ("/sw.js", "/offline", "/static/manifest.webmanifest", "/static/icon-512.png")


@pytest.mark.parametrize("language", ["en", "de"])
async def test_page_is_in_the_language_of_the_reader(proxy: Proxy, language: str) -> None:
    wanted = {"Accept-Language": f"fr, {language}-AT;q=0.5"}
    for route in ("/", "/offline"):
        async with proxy.client.get(proxy.url(route), headers=wanted) as response:
            text = await response.text()
            assert response.headers["Content-Language"] == language
            assert "Accept-Language" in response.headers["Vary"]
            assert f'<html lang="{language}"' in text
            assert route != "/" or HEADINGS[language] in text


@pytest.mark.parametrize("language", ["en", "de"])
async def test_form_to_sign_in_is_in_the_language_of_the_reader(
    start_proxy: StartProxy, language: str
) -> None:
    proxy = await start_proxy(access_token=TOKEN)
    wanted = {"Accept-Language": language}
    async with proxy.client.get(proxy.url("/"), headers=wanted) as response:
        assert response.status == 401
        assert response.headers["Content-Language"] == language
        assert response.headers["Vary"] == "Accept-Language"
        assert SIGN_IN[language] in await response.text()


@pytest.mark.parametrize("name", ["js/main.js", "css/base.css", "icon.svg", "icon-192.png"])
async def test_static_file_is_kept_but_asked_for_anew_each_time(proxy: Proxy, name: str) -> None:
    address = proxy.url(f"/static/{name}")
    async with proxy.client.get(address) as response:
        assert response.headers["Cache-Control"] == "no-cache"
        assert await response.read()
        fields = response.headers
    for condition in (
        {"If-None-Match": fields["ETag"]},
        {"If-Modified-Since": fields["Last-Modified"]},
    ):
        async with proxy.client.get(address, headers=condition) as response:
            assert response.status == 304
            assert response.headers["Cache-Control"] == "no-cache"


async def test_manifest_leads_to_the_page_wherever_it_is(proxy: Proxy) -> None:
    async with proxy.client.get(proxy.url("/static/manifest.webmanifest")) as response:
        assert response.content_type == "application/manifest+json"
        manifest = json.loads(await response.text())
    assert manifest["start_url"] == manifest["scope"] == "../"
    for icon in manifest["icons"]:
        async with proxy.client.get(proxy.url(f"/static/{icon['src']}")) as response:
            assert response.content_type == icon["type"]
            picture = await response.read()
        if icon["type"] == "image/png":
            # The width and the height in a PNG's first chunk (RFC 2083, section 4.1.1).
            sides = [int.from_bytes(picture[at : at + 4]) for at in (16, 20)]
            assert icon["sizes"] == f"{sides[0]}x{sides[1]}"


async def test_worker_changes_with_the_version_and_may_do_no_more_than_ask(proxy: Proxy) -> None:
    async with proxy.client.get(proxy.url("/sw.js")) as response:
        assert response.content_type == "text/javascript"
        assert response.headers["Cache-Control"] == "no-cache"
        policy = response.headers["Content-Security-Policy"]
        assert policy == "default-src 'none'; connect-src 'self'"
        assert f"{{PAGE}} {__version__}`" in await response.text()


@pytest.mark.parametrize("route", PUBLIC)
async def test_what_is_for_everybody_needs_nobody_to_sign_in(
    start_proxy: StartProxy, route: str
) -> None:
    proxy = await start_proxy(access_token=TOKEN)
    async with proxy.client.get(proxy.url(route)) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("url=http://a.example/f", "stream?url=http%3A%2F%2Fa.example%2Ff"),
        ("url=http://a.example/f&t=1m30", "stream?url=http%3A%2F%2Fa.example%2Ff#t=90.0"),
        ("url=http://a.example/f&t=soon", "stream?url=http%3A%2F%2Fa.example%2Ff"),
        ("url=%20http://a.example/%2B%2520+", "stream?url=http%3A%2F%2Fa.example%2F%2B%2520"),
        ("url=http://a.example/%FF", "stream?url=http%3A%2F%2Fa.example%2F%FF"),
        ('url="><script>', "stream?url=%22%3E%3Cscript%3E"),
        ("url=a&url=b", "stream?url=a"),
        ("url=", None),
        ("t=90", None),
    ],
)
async def test_link_is_there_for_whoever_runs_no_scripts(
    proxy: Proxy, query: str, source: str | None
) -> None:
    async with proxy.client.get(f"{proxy.url('/')}?{query}") as response:
        noscript = re.findall(r"<noscript>(.*?)</noscript>", await response.text(), re.DOTALL)
    [found] = noscript
    assert re.findall(r'<video[^>]* src="([^"]*)"', found) == ([] if source is None else [source])


async def test_link_of_another_site_is_not_played_before_it_is_asked_for(proxy: Proxy) -> None:
    address = f"{proxy.url('/')}?url=http://a.example/f"
    fields = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    fields |= {"Sec-Fetch-Dest": "document"}
    async with proxy.client.get(address, headers=fields) as response:
        text = await response.text()
    assert 'value="http://a.example/f"' in text
    assert "stream?url=" not in text
