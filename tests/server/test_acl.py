"""ACLs at work: hosts at every hop, streams at a time, sizes."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy import SettingsError, create_app
from streamproxy.settings import Settings

TOKENS = {"kiosk": "kiosk-token-0123456789", "owner": "owner-token-0123456789"}
ACL = """
[tokens.kiosk]
sha256 = "{kiosk}"
deny_host = ["localhost"]
max_streams = 1
max_file_size = "2MiB"

[tokens.owner]
sha256 = "{owner}"
"""


@pytest.fixture
async def proxy(start_proxy: StartProxy, tmp_path: Path) -> Proxy:
    digests = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in TOKENS.items()}
    (tmp_path / "acl.toml").write_text(ACL.format(**digests))
    return await start_proxy(acl_file=str(tmp_path / "acl.toml"))


async def ask(proxy: Proxy, name: str, link: str, route: str = "/stream") -> tuple[int, Any]:
    """Return status and code, or body, of a request of the token of that name."""
    fields = {"Authorization": f"Bearer {TOKENS[name]}"}
    async with proxy.client.get(proxy.url(route, link), headers=fields) as got:
        if "json" in got.content_type:
            return got.status, (await got.json(content_type=None))["code"]
        return got.status, await got.read()


async def test_host_that_somebody_may_not_fetch_is_refused_to_them_alone(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as upstream:
        link = f"http://localhost:{upstream.port}/film.mp4"

        assert await ask(proxy, "kiosk", link) == (403, "blocked_target")
        assert await ask(proxy, "kiosk", link, "/api/validate") == (200, "blocked_target")
        assert upstream.connections == 0
        assert await ask(proxy, "owner", link) == (200, CONTENT)


async def test_redirect_leads_nobody_around_their_hosts(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as target:
        fields = {"Location": f"http://localhost:{target.port}/film.mp4", "Content-Length": "0"}
        async with raw_upstream(response("302 Found", fields)) as redirect:
            assert await ask(proxy, "kiosk", redirect.link()) == (403, "blocked_target")
            assert target.connections == 0
            assert await ask(proxy, "owner", redirect.link()) == (200, CONTENT)


async def test_redirects_that_another_one_followed_are_judged_anew(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as target:
        fields = {"Location": target.link(), "Content-Length": "0"}
        async with raw_upstream(response("302 Found", fields)) as between:
            fields["Location"] = f"http://localhost:{between.port}/"
            async with raw_upstream(response("302 Found", fields)) as redirect:
                for _ in range(2):
                    assert await ask(proxy, "owner", redirect.link()) == (200, CONTENT)
                assert len(redirect.exchanges) == 1  # remembered, but not for those who may not
                assert await ask(proxy, "kiosk", redirect.link()) == (403, "blocked_target")


async def test_size_that_somebody_may_not_fetch_is_refused_to_them_alone(proxy: Proxy) -> None:
    film = CONTENT * 3
    async with raw_upstream(Honest(content=film)) as upstream:
        assert await ask(proxy, "kiosk", upstream.link()) == (413, "too_large")
        assert await ask(proxy, "owner", upstream.link()) == (200, film)


async def test_streams_of_somebody_are_counted_for_them_alone(proxy: Proxy) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        if exchange.target == b"/slow.mp4":
            arrived.set()
            await go_on.wait()
        await Honest()(exchange)

    async with raw_upstream(answer) as upstream:
        slow = asyncio.create_task(ask(proxy, "kiosk", upstream.link("/slow.mp4")))
        await arrived.wait()

        assert await ask(proxy, "kiosk", upstream.link()) == (503, "too_many_streams")
        assert await ask(proxy, "owner", upstream.link()) == (200, CONTENT)
        go_on.set()
        assert await slow == (200, CONTENT)
        assert await ask(proxy, "kiosk", upstream.link()) == (200, CONTENT)


async def test_tokens_in_the_file_lock_the_proxy(proxy: Proxy) -> None:
    async with proxy.client.get(proxy.url("/stream", "http://127.0.0.1:2/")) as got:
        assert got.status == 401


def test_mistake_in_the_file_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "acl.toml").write_text("[defaults]")

    with pytest.raises(SettingsError, match=r"acl_file: .*: line 1: "):
        create_app(Settings.parse(acl_file=str(tmp_path / "acl.toml")))


async def test_default_holds_where_nobody_is_asked(start_proxy: StartProxy, tmp_path: Path) -> None:
    (tmp_path / "acl.toml").write_text('[default]\nmax_file_size = "2MiB"\n')
    proxy = await start_proxy(acl_file=str(tmp_path / "acl.toml"))

    async with raw_upstream(Honest(content=CONTENT * 3)) as upstream:
        got = await proxy.stream(upstream.link())

    assert got.status == 413


@pytest.mark.parametrize("given", [{"access_token": "s3cret"}, {"signing_key": "0123456789abcdef"}])
def test_no_auth_and_a_lock_contradict(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"auth: .* contradicts") as caught:
        create_app(Settings.parse(auth=False, **given))

    assert "s3cret" not in str(caught.value)
