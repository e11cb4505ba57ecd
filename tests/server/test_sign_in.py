"""Signing in: by header, by form, by the token in the address; and what is left of it."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar
from proxies import Proxy, StartProxy
from timely import done_within
from upstreams import raw_upstream, response
from yarl import URL

from streamproxy.access.passwords import hash_password

TOKEN = "s3cret-token-of-some-length"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LINK = "http://127.0.0.1:2/film.mp4"  # refused: whoever gets that far has come in


@pytest.fixture
async def browser() -> AsyncIterator[ClientSession]:
    """A client that keeps cookies, also those of an address."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield session


@pytest.fixture
async def locked(start_proxy: StartProxy, browser: ClientSession) -> Proxy:
    return replace(await start_proxy(access_token=TOKEN), client=browser)


@pytest.fixture
async def with_users(start_proxy: StartProxy, browser: ClientSession, tmp_path: Path) -> Proxy:
    users = tmp_path / "users"
    users.write_text(f"anna:{hash_password('correct horse')}\n")
    return replace(await start_proxy(users_file=str(users)), client=browser)


def basic(credentials: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"}


def came_in(response: ClientResponse) -> bool:
    return response.status == 502


async def ask(proxy: Proxy, route: str = "/stream", **options: Any) -> ClientResponse:
    link = LINK if route == "/stream" else None
    async with proxy.client.get(
        proxy.url(route, link), allow_redirects=False, **options
    ) as response:
        await response.read()
        return response


async def sign_in(proxy: Proxy, secret: str, user: str = "", query: str = "") -> ClientResponse:
    form = {"user": user, "secret": secret}
    url = URL(proxy.url("/login") + query, encoded=True)
    async with proxy.client.post(url, data=form, allow_redirects=False) as response:
        await response.read()
        return response


async def test_nobody_comes_in_without_a_token(locked: Proxy) -> None:
    for route in ("/stream", "/api/validate", "/nothing"):
        response = await ask(locked, route)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="streamproxy"'
        assert response.headers["Cache-Control"] == "no-store"


async def test_refusal_of_validate_is_no_answer_about_the_link(locked: Proxy) -> None:
    async with locked.client.get(locked.url("/api/validate", LINK)) as response:
        answer = await response.json()

    assert response.status == 401
    assert (answer["valid"], answer["code"]) == (False, "authentication_required")


async def test_health_and_the_files_of_the_page_need_nobody(locked: Proxy) -> None:
    assert (await ask(locked, "/health")).status == 200
    assert (await ask(locked, "/static/css/base.css")).status == 200


async def test_bearer_comes_in(locked: Proxy) -> None:
    assert came_in(await ask(locked, headers={"Authorization": f"Bearer {TOKEN}"}))


@pytest.mark.parametrize(
    "fields",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": TOKEN},
        {"Cookie": f"streamproxy={TOKEN}"},
        {"X-Access-Token": TOKEN},
    ],
)
async def test_anything_else_does_not(locked: Proxy, fields: dict[str, str]) -> None:
    assert (await ask(locked, headers=fields)).status == 401


async def test_two_authorization_fields_are_none(locked: Proxy) -> None:
    fields = [("Authorization", "Bearer wrong"), ("Authorization", f"Bearer {TOKEN}")]

    assert (await ask(locked, headers=fields)).status == 401


async def test_basic_comes_in(with_users: Proxy) -> None:
    assert came_in(await ask(with_users, headers=basic("anna:correct horse")))
    response = await ask(with_users, headers=basic("anna:wrong"))
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith('Basic realm="streamproxy"')


async def test_scripts_are_not_told_of_basic(with_users: Proxy) -> None:
    fields = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}

    response = await ask(with_users, headers=fields)

    assert response.headers["WWW-Authenticate"] == 'Bearer realm="streamproxy"'


async def test_page_asks_who_is_there(locked: Proxy) -> None:
    async with locked.client.get(locked.url("/", LINK)) as response:
        page = await response.text()

    assert response.status == 401
    assert 'method="post"' in page
    assert "script-src" not in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"] == "no-store"


async def test_form_begins_a_session_and_leads_back(locked: Proxy) -> None:
    response = await sign_in(locked, TOKEN, query="?url=http%3A%2F%2Fa%2Fb%3Fc&token=x&t=9")

    assert response.status == 303
    assert response.headers["Location"] == "./?url=http%3A%2F%2Fa%2Fb%3Fc&t=9"
    cookie = response.cookies[f"streamproxy-{locked.port}"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert TOKEN not in cookie.value
    assert came_in(await ask(locked))  # the client keeps cookies
    assert (await ask(locked, "/")).status == 200


async def test_form_takes_a_name_and_a_password(with_users: Proxy) -> None:
    assert (await sign_in(with_users, "wrong", "anna")).status == 401
    assert (await sign_in(with_users, "correct horse", "anna")).status == 303
    assert came_in(await ask(with_users))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", FORM["Content-Type"]),
        (b"secret=wrong", FORM["Content-Type"]),
        (b"secret=\xff\xfe", FORM["Content-Type"] + "; charset=utf-8"),
        (b"secret=x", FORM["Content-Type"] + "; charset=nonsense"),
        (b"user=&secret=x&" * 20, FORM["Content-Type"]),
    ],
)
async def test_form_that_is_not_right_is_shown_again(
    locked: Proxy, body: bytes, content_type: str
) -> None:
    async with locked.client.post(
        locked.url("/login"), data=body, headers={"Content-Type": content_type}
    ) as response:
        page = await response.text()

    assert response.status == 401
    assert 'role="alert"' in page
    assert not response.cookies


@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain"]
)
async def test_what_is_no_form_is_not_read(locked: Proxy, content_type: str) -> None:
    fields = {"Content-Type": content_type}
    async with locked.client.post(locked.url("/login"), data=b"--x", headers=fields) as got:
        assert got.status == 415


async def test_form_that_is_too_large_is_not_read(locked: Proxy) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 4096

    for body in (b"secret=" + b"x" * 9000, endless()):
        async with locked.client.post(locked.url("/login"), data=body, headers=FORM) as got:
            assert got.status == 413


async def test_form_in_an_encoding_that_takes_minutes_is_read_as_utf_8(locked: Proxy) -> None:
    body = b"secret=" + b"-a9" * 2500
    fields = {"Content-Type": FORM["Content-Type"] + "; charset=punycode"}
    async with locked.client.post(locked.url("/login"), data=body, headers=fields) as got:
        assert got.status == 401


async def test_form_that_does_not_come_to_its_end_is_given_up(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(access_token=TOKEN, header_timeout=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    head = f"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM['Content-Type']}"
    writer.write(f"{head}\r\nContent-Length: 100\r\n\r\nsecret=".encode())
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("target", ["//evil.example/", "/\\evil.example/", "/nothing"])
async def test_token_leads_to_no_other_site(locked: Proxy, target: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", locked.port)
    head = f"GET {target}?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    assert "Location" not in answer
    assert "Set-Cookie" not in answer


async def test_token_in_the_address_is_exchanged_once(locked: Proxy) -> None:
    async with locked.client.get(
        f"{locked.url('/')}?t=5&token={TOKEN}&url=x", allow_redirects=False
    ) as response:
        assert response.status == 303
    assert response.headers["Location"] == "./?t=5&url=x"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert came_in(await ask(locked))


async def test_wrong_token_in_the_address_is_not(locked: Proxy) -> None:
    async with locked.client.get(f"{locked.url('/')}?token=wrong") as response:
        page = await response.text()

    assert response.status == 401
    assert 'role="alert"' in page
    assert 'action="login"' in page
    assert not response.cookies


async def test_signing_out_ends_the_session(locked: Proxy) -> None:
    await sign_in(locked, TOKEN)
    async with locked.client.post(locked.url("/logout"), allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "./")

    assert (await ask(locked)).status == 401


async def test_forged_session_is_nobody(locked: Proxy) -> None:
    response = await sign_in(locked, TOKEN)
    name = f"streamproxy-{locked.port}"
    value = response.cookies[name].value
    locked.client.cookie_jar.clear()

    assert came_in(await ask(locked, cookies={name: value}))
    assert (await ask(locked, cookies={name: value[:-1] + "x"})).status == 401


async def test_brute_force_is_slowed_and_a_session_is_not(
    start_proxy: StartProxy, browser: ClientSession
) -> None:
    async def attack() -> list[ClientResponse]:
        locked = replace(await start_proxy(access_token=TOKEN), client=browser)
        await sign_in(locked, TOKEN)
        answers = []
        async with ClientSession() as attacker:
            for guess in range(30):
                fields = {"Authorization": f"Bearer {guess}"}
                async with attacker.get(locked.url("/stream", LINK), headers=fields) as response:
                    answers.append(response)
            # The right one tells nothing either, by whatever way it comes.
            async with attacker.get(locked.url("/") + f"?token={TOKEN}") as response:
                answers.append(response)
            async with attacker.post(locked.url("/login"), data={"secret": TOKEN}) as response:
                answers.append(response)
        assert came_in(await ask(locked))
        return answers

    answers = await done_within(1, attack)  # the first wait
    assert [response.status for response in answers] == [401] * 5 + [429] * 27
    last_guess, in_the_address, _ = answers[-3:]
    assert "WWW-Authenticate" not in last_guess.headers  # not now
    assert in_the_address.headers["Retry-After"] > "0"


async def test_logging_in_from_another_site_is_refused(locked: Proxy) -> None:
    for fields in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
    ):
        async with locked.client.post(
            locked.url("/login"), data={"secret": TOKEN}, headers=fields
        ) as response:
            assert response.status == 403
            assert not response.cookies


async def test_login_leads_to_the_page_where_nobody_posts(locked: Proxy) -> None:
    response = await ask(locked, "/login")

    assert (response.status, response.headers["Location"]) == (303, "./")


async def test_proxy_without_a_lock_has_no_login(proxy: Proxy) -> None:
    for route in ("/login", "/logout"):
        async with proxy.client.post(proxy.url(route), data={"secret": "x"}) as response:
            assert response.status == 404


async def test_what_is_streamed_to_somebody_is_kept_by_no_cache_between(locked: Proxy) -> None:
    film = {"Content-Type": "video/mp4", "Cache-Control": "public, max-age=60, s-maxage=9"}
    async with raw_upstream(response("200 OK", film | {"Content-Length": "5"}, b"bytes")) as site:
        fields = {"Authorization": f"Bearer {TOKEN}"}
        async with locked.client.get(locked.url("/stream", site.link()), headers=fields) as got:
            assert await got.read() == b"bytes"
    assert got.headers["Cache-Control"] == "private, max-age=60"


async def test_programs_are_told_of_basic_and_people_see_the_form(with_users: Proxy) -> None:
    for accept, scheme in {"*/*": "Basic", "text/html,*/*;q=0.8": "Bearer"}.items():
        got = await ask(with_users, "/", headers={"Accept": accept})
        assert got.status == 401
        assert got.headers["WWW-Authenticate"].startswith(scheme)
