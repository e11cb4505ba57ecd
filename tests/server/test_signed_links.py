"""Signed links: who has one streams that link, until its end, and nothing else."""

import asyncio
import time
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from aiohttp import ClientResponse
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response
from yarl import URL

from streamproxy import sign_url

KEY = "0123456789abcdef"
OLD_KEY = "fedcba9876543210"


async def fetch(proxy: Proxy, target: str, method: str = "GET", **fields: str) -> ClientResponse:
    """Ask for a target, byte for byte; the response is not yet read."""
    url = URL(f"http://127.0.0.1:{proxy.port}{target}", encoded=True)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    response = await proxy.client.request(method, url, headers=headers)
    proxy.responses.append(response)
    return response


async def refusal(proxy: Proxy, target: str, **fields: str) -> tuple[int, str]:
    """Return status and code of the problem that is the answer."""
    got = await fetch(proxy, target, **fields)
    problem: dict[str, Any] = await got.json(content_type=None)
    return got.status, problem["code"]


async def test_signed_link_streams_without_signing_in(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=KEY)
    async with raw_upstream(Honest()) as upstream:
        signed = sign_url(upstream.link(), KEY, ttl_s=60)
        got = await fetch(proxy, signed)
        assert (got.status, await got.read()) == (200, CONTENT)
        for start in (0, 500_000, 1000):
            part = await fetch(proxy, signed, Range=f"bytes={start}-{start + 9}")
            assert (part.status, await part.read()) == (206, CONTENT[start : start + 10])
        head = await fetch(proxy, signed, method="HEAD")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(CONTENT)))
        looked_at = await fetch(proxy, signed.replace("/stream", "/api/validate"))
        assert (await looked_at.json())["valid"] is True
        assert await refusal(proxy, signed.partition("&sig")[0]) == (401, "authentication_required")


async def test_expired_link_says_so(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=KEY)
    async with raw_upstream(Honest()) as upstream:
        expired = sign_url(upstream.link(), KEY, expires_at=time.time())
        assert await refusal(proxy, expired) == (410, "link_expired")
        assert await refusal(proxy, expired, Range="bytes=0-9") == (410, "link_expired")
        assert (await fetch(proxy, expired, method="HEAD")).status == 410
        validate = expired.replace("/stream", "/api/validate")
        assert await refusal(proxy, validate) == (410, "link_expired")
    assert upstream.connections == 0


async def test_running_stream_outlives_its_link(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=KEY, read_timeout=10)
    go_on = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        fields = {"Content-Type": "video/mp4", "Content-Length": "10"}
        await exchange.send(response("200 OK", fields, b"first"))
        await go_on.wait()
        await exchange.send(b"after")

    async with raw_upstream(answer) as upstream:
        end = int(time.time()) + 5
        signed = sign_url(upstream.link(), KEY, expires_at=end)
        got = await fetch(proxy, signed)
        assert await got.content.readexactly(5) == b"first"
        await asyncio.sleep(end - time.time())
        assert await refusal(proxy, signed) == (410, "link_expired")
        go_on.set()
        assert await got.content.read() == b"after"


async def test_changed_link_is_refused(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=KEY)
    async with raw_upstream(Honest()) as upstream:
        signed = sign_url(upstream.link("/film.mp4?a=1"), KEY, ttl_s=60)
        url, _, sig = signed.partition("&sig=")
        other_url = sign_url(upstream.link("/other.mp4"), KEY, ttl_s=60).partition("&sig=")[0]
        for target in (
            f"{url}2&sig={sig}",
            f"{url}%00&sig={sig}",
            f"{url}%20&sig={sig}",
            f"{other_url}&sig={sig}",
            f"{url}&sig=",
            f"{url}&sig={sig[:-1]}",
            f"{url}&sig={sig}A",
            f"{url}&sig={sig}%00",
            f"{url}&sig={sig}&sig={sig}",
            f"{url}&sig={sig}&sig=",
            f"{url}&sig={sig}&%73ig=x",
            f"{url}&{other_url.partition('?')[2]}&sig={sig}",
            f"{url}&url=&sig={sig}",
            f"/stream?sig={sig}",
            f"/stream?url=&sig={sig}",
            url + "&sig=" + sign_url(upstream.link(), OLD_KEY, ttl_s=60).partition("&sig=")[2],
        ):
            assert await refusal(proxy, target) == (403, "invalid_signature"), target
    assert upstream.connections == 0


async def test_credentials_do_not_heal_a_wrong_signature(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=KEY, access_token="a-long-access-token")
    fields = {"Authorization": "Bearer a-long-access-token"}
    async with raw_upstream(Honest()) as upstream:
        signed = sign_url(upstream.link(), KEY, ttl_s=60)
        assert await refusal(proxy, f"{signed}x", **fields) == (403, "invalid_signature")
        plain = await fetch(proxy, signed.partition("&sig")[0], **fields)
        assert (plain.status, await plain.read()) == (200, CONTENT)


async def test_signature_opens_no_other_route(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=KEY, access_token="a-long-access-token")
    signed = sign_url("http://a.example/film.mp4", KEY, ttl_s=60)
    page = await fetch(proxy, signed.replace("/stream", "/"))
    assert 'name="secret"' in await page.text()  # it asks to sign in


@pytest.mark.parametrize(
    "link_bytes",
    [
        b"/caf\xe9.mp4?a=b+c%20d%2Be&f==&g",
        "/ä ö.mp4?x=%e4%E4".encode(),
        b"/%2e%2F?;;a=1;b&&",
        b"/a'b\"c<d>`{}|^",
    ],
)
async def test_link_reaches_its_server_byte_for_byte(
    start_proxy: StartProxy, link_bytes: bytes
) -> None:
    proxy = await start_proxy(signing_key=KEY)
    async with raw_upstream(Honest()) as upstream:
        link = upstream.link("").encode() + link_bytes
        signed = sign_url(link.decode("utf-8", "surrogateescape"), KEY, ttl_s=60)
        got = await fetch(proxy, signed, Range="bytes=0-4")
        assert await got.read() == CONTENT[:5]
        expected = quote(link_bytes, safe="".join(map(chr, range(0x21, 0x7F))))
        assert upstream.exchanges[0].target.decode() == expected


async def test_link_may_be_encoded_in_another_way_on_its_journey(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=KEY)
    async with raw_upstream(Honest()) as upstream:
        signed = sign_url(upstream.link("/a b/film.mp4"), KEY, ttl_s=60)
        for target in (
            signed.replace("%20", "+"),
            signed.replace("%2F", "/").replace("%3A", ":"),
            signed.replace("~", "%7E"),
            "/stream?" + "&".join(reversed(urlsplit(signed).query.split("&"))),
            f"{signed}&t=90",
        ):
            got = await fetch(proxy, target, Range="bytes=0-4")
            assert (got.status, await got.read()) == (206, CONTENT[:5])


async def test_link_for_a_network_is_for_no_other(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=KEY, trusted_proxy="127.0.0.1")
    async with raw_upstream(Honest()) as upstream:
        signed = sign_url(upstream.link(), KEY, ttl_s=60, client="203.0.113.0/24")
        got = await fetch(proxy, signed, X_Forwarded_For="1.1.1.1, 203.0.113.7")
        assert (got.status, await got.read()) == (200, CONTENT)
        for fields in ({}, {"X_Forwarded_For": "203.0.113.7, 198.51.100.1"}):
            assert await refusal(proxy, signed, **fields) == (403, "invalid_signature")


async def test_every_key_verifies(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=f"{KEY},{OLD_KEY}")
    async with raw_upstream(Honest()) as upstream:
        for key in (KEY, OLD_KEY):
            got = await fetch(proxy, sign_url(upstream.link(), key, ttl_s=60), Range="bytes=0-4")
            assert await got.read() == CONTENT[:5]


async def test_signed_link_may_not_fetch_what_nobody_may(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=KEY)
    signed = sign_url("http://10.0.0.1/film.mp4", KEY, ttl_s=60)
    assert await refusal(proxy, signed) == (403, "blocked_target")


async def test_signature_and_key_are_not_logged(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "streamproxy")
    proxy = await start_proxy(signing_key=KEY)
    async with raw_upstream(Honest()) as upstream:
        signed = sign_url(upstream.link("/film.mp4?token=s3cret"), KEY, ttl_s=60)
        await (await fetch(proxy, signed)).read()
        await refusal(proxy, f"{signed}x")
    assert "/film.mp4" in caplog.text
    for secret in (KEY, "s3cret", signed.rpartition("~")[2]):
        assert secret not in caplog.text
