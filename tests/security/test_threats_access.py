"""Attacks on who may use it: T19 to T25, and T31."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar
from program import begun
from proxies import Proxy, StartProxy
from timely import done_within
from upstreams import CONTENT, Honest, raw_upstream, response
from yarl import URL

from streamproxy import sign_url

TOKEN = "s3cret-token-of-some-length"
KEY = "0123456789abcdef"
# Seconds in which nothing is looked at of who has guessed wrong five times.
FIRST_WAIT_S = 1


@pytest.fixture
async def attacker() -> AsyncIterator[ClientSession]:
    """A browser that keeps its cookies."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield session


@pytest.fixture
async def locked(start_proxy: StartProxy) -> Proxy:
    return await start_proxy(access_token=TOKEN)


async def status_of(client: ClientSession, url: str, **fields: str) -> int:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    async with client.get(URL(url, encoded=True), headers=headers, allow_redirects=False) as got:
        await got.read()
        return got.status


async def test_t19_stranger_on_the_network_is_not_let_in(
    tmp_path: Path, attacker: ClientSession
) -> None:
    async with begun("--host", "0.0.0.0", "--port", "0", cwd=tmp_path) as process:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        address = line.partition(": open ")[2].partition("?")[0]
        for target in ("", "stream?url=http://127.0.0.1:2/", "api/validate?url=x"):
            assert await status_of(attacker, address + target) == 401


async def test_t20_guesses_are_not_looked_at_for_long(
    start_proxy: StartProxy, attacker: ClientSession
) -> None:
    async def guess() -> list[int]:
        url = (await start_proxy(access_token=TOKEN)).url("/api/validate", "x")
        return [
            await status_of(attacker, url, Authorization=f"Bearer {token}")
            for token in (*range(20), TOKEN)
        ]

    assert await done_within(FIRST_WAIT_S, guess) == [401] * 5 + [429] * 16


async def test_t21_session_cannot_be_made_up(locked: Proxy, attacker: ClientSession) -> None:
    name = f"streamproxy-{locked.port}"
    for value in (TOKEN, "token.ZGVmYXVsdA.9999999999." + "0" * 64, "token.ZGVmYXVsdA.9999999999."):
        assert (
            await status_of(attacker, locked.url("/stream", "x"), Cookie=f"{name}={value}") == 401
        )


async def test_t22_token_does_not_stay_in_the_address(
    locked: Proxy, attacker: ClientSession
) -> None:
    async with attacker.get(locked.url("/") + f"?url=x&token={TOKEN}") as got:
        assert got.status == 200
        assert str(got.url.query_string) == "url=x"
        assert TOKEN not in str(got.headers) + await got.text()


async def test_t23_signed_link_lets_in_to_that_link_alone(
    start_proxy: StartProxy, attacker: ClientSession
) -> None:
    proxy = await start_proxy(signing_key=KEY)
    origin = proxy.url("")
    async with raw_upstream(Honest()) as site:
        right = sign_url(site.link(), KEY, ttl_s=60)
        assert await status_of(attacker, origin + right) == 200
        forged = {
            right.replace("film.mp4", "other.mp4"): 403,
            right[:-1] + ("A" if right[-1] != "A" else "B"): 403,
            sign_url(site.link(), "another-key-of-16", ttl_s=60): 403,
            sign_url(site.link(), KEY, expires_at=1_000_000_000): 410,
            sign_url(site.link(), KEY, ttl_s=60, client="203.0.113.0/24"): 403,
            right + right.partition("&")[2].join("&&"): 403,
            right.partition("&sig")[0]: 401,
            right.replace("/stream", "/"): 401,
        }
        for link, status in forged.items():
            assert await status_of(attacker, origin + link) == status, link
        assert site.used == 1


async def test_t24_redirect_leads_nobody_beyond_their_rights(
    start_proxy: StartProxy, tmp_path: Path, attacker: ClientSession
) -> None:
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    acl = f'[tokens.kiosk]\nsha256 = "{digest}"\nallow_host = ["127.0.0.1"]\nmax_file_size = 1000\n'
    (tmp_path / "acl.toml").write_text(acl)
    proxy = await start_proxy(acl_file=str(tmp_path / "acl.toml"))
    bearer = f"Bearer {TOKEN}"
    async with raw_upstream(Honest()) as site:
        location = f"http://localhost:{site.port}/film.mp4"
        fields = {"Location": location, "Content-Length": "0"}
        async with raw_upstream(response("302 Found", fields)) as redirect:
            for link, status in {
                location: 403,
                redirect.link(): 403,
                site.link(): 413,  # a mebibyte
            }.items():
                url = proxy.url("/stream", link)
                assert await status_of(attacker, url, Authorization=bearer) == status


async def test_t25_client_cannot_pretend_another_address(
    start_proxy: StartProxy, attacker: ClientSession
) -> None:
    async def guess() -> list[int]:
        url = (await start_proxy(access_token=TOKEN)).url("/stream", "x")
        return [
            await status_of(
                attacker,
                url,
                Authorization="Bearer wrong",
                X_Forwarded_For=f"198.51.100.{number}",
                Forwarded=f"for=198.51.100.{number}",
                X_Real_IP=f"198.51.100.{number}",
            )
            for number in range(10)
        ]

    assert await done_within(FIRST_WAIT_S, guess) == [401] * 5 + [429] * 5


async def test_t25_signed_link_for_a_network_is_not_for_who_pretends_it(
    start_proxy: StartProxy, attacker: ClientSession
) -> None:
    proxy = await start_proxy(signing_key=KEY)
    async with raw_upstream(Honest(content=CONTENT)) as site:
        link = sign_url(site.link(), KEY, ttl_s=60, client="203.0.113.0/24")
        url = proxy.url("") + link
        assert await status_of(attacker, url, X_Forwarded_For="203.0.113.5") == 403


async def test_t31_viewer_learns_nothing_of_others(
    start_proxy: StartProxy, attacker: ClientSession
) -> None:
    proxy = await start_proxy(access_token=TOKEN, signing_key=KEY, trusted_proxy="127.0.0.1")
    for route in ("/metrics", "/api/sessions", "/api/sessions/events", "/admin"):
        for forwarded in ("127.0.0.1", "::1", "localhost", "unknown", ""):
            url = proxy.url(route)
            assert await status_of(attacker, url, X_Forwarded_For=forwarded) == 401
            signed = url + sign_url("http://a.example/", KEY, ttl_s=60).partition("/stream")[2]
            assert await status_of(attacker, signed, X_Forwarded_For=forwarded) == 401
