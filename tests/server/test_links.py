"""Links on their way: byte for byte to their server, hop by hop, and never where they must not."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        (target, target)
        for target in (
            "/film.mp4",
            "/a%20b/%2Fc%2fd/%C3%BC.mp4",
            "/a+b~c;d=e,f!$&'()*:@",
            "/film.mp4?",
            "/film.mp4?a=&b&=c&&d=%2B+%20",
            "/film.mp4?sig=a%2Fb%3D%3D&X-Amz-Date=20240113T000000Z&x=1/2?3",
            "//double//slash/",
            "/a/../b/./c",
            "/%zz%",
            '/a|b^c`{d}"<>[e]',
            "/?only=query",
            "/" + "x" * 32000,
        )
    ]
    + [
        ("/film.mp4#fragment?no", "/film.mp4"),
        ("/über film.mp4?q=é", "/%C3%BCber%20film.mp4?q=%C3%A9"),
        ("", "/"),
        ("?x=1", "/?x=1"),
    ],
    ids=lambda value: value[:24],
)
async def test_link_reaches_its_server_byte_for_byte(proxy: Proxy, target: str, seen: str) -> None:
    async with raw_upstream(Honest()) as upstream:
        got = await proxy.stream(upstream.link(target), "0-9")
        assert (got.status, await got.read()) == (206, CONTENT[:10])
        assert upstream.exchanges[0].target == seen.encode()


async def test_bytes_that_are_no_utf8_stay_what_they_are(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as upstream:
        link = f"http%3A%2F%2F127.0.0.1%3A{upstream.port}%2F%E9%25E9.mp4"
        async with proxy.client.get(f"{proxy.url('/stream')}?url={link}") as got:
            assert got.status == 200
        assert upstream.exchanges[0].target == b"/%E9%E9.mp4"


async def test_credentials_go_to_their_own_origin_only(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as other:

        async def answer(exchange: Exchange) -> None:
            if exchange.target == b"/a":
                await exchange.send(response("302 Found", {"Location": "b"}))
            elif exchange.target == b"/b":
                await exchange.send(response("302 Found", {"Location": other.link()}))

        async with raw_upstream(answer) as upstream:
            link = upstream.link("/a").replace("//", "//us%40er:pa%3Ass@")
            got = await proxy.stream(link, "0-9")
            assert await got.read() == CONTENT[:10]
            sent = [exchange.field("Authorization") for exchange in upstream.exchanges]
        assert sent == ["Basic dXNAZXI6cGE6c3M="] * 2
        assert other.exchanges[0].field("Authorization") is None


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_range_and_bytes_survive_each_hop(self, proxy: Proxy, status: int) -> None:
        target = "/film.mp4?sig=%2F+~&e="

        async def answer(exchange: Exchange) -> None:
            number = (
                int(exchange.target.removeprefix(b"/") or b"0")
                if b"?" not in exchange.target
                else 9
            )
            if number < 9:
                location = target if number == 8 else f"/{number + 1}"
                fields = {"Location": location, "Content-Length": "0"}
                await exchange.send(response(f"{status} Moved", fields))
            else:
                await Honest()(exchange)

        async with raw_upstream(answer, keep_alive=True) as upstream:
            got = await proxy.stream(upstream.link("/0"), "5-9")
            assert (got.status, await got.read()) == (206, CONTENT[5:10])
            assert upstream.exchanges[-1].target == target.encode()
            assert {exchange.field("Range") for exchange in upstream.exchanges} == {"bytes=5-9"}
            assert upstream.used == 1

    @pytest.mark.parametrize(("hops", "status"), [(10, 200), (11, 502)])
    async def test_chain_has_a_limit(self, proxy: Proxy, hops: int, status: int) -> None:
        async def answer(exchange: Exchange) -> None:
            number = int(exchange.target[1:])
            if number < hops:
                await exchange.send(response("302 Found", {"Location": f"/{number + 1}"}))
            else:
                await Honest()(exchange)

        async with raw_upstream(answer) as upstream:
            got = await proxy.stream(upstream.link("/0"))
            assert got.status == status
            if status == 502:
                assert (await got.json(content_type=None))["code"] == "too_many_redirects"

    @pytest.mark.parametrize(
        ("location", "status", "code"),
        [
            ("http://10.0.0.1/", 403, "blocked_target"),
            ("//169.254.169.254/latest/meta-data", 403, "blocked_target"),
            ("http://[::ffff:10.0.0.1]/", 403, "blocked_target"),
            ("file:///etc/passwd", 400, "unsupported_scheme"),
            ("javascript:alert(1)", 400, "unsupported_scheme"),
            ("http://", 400, "invalid_url"),
            ("http://0x7f.1/", 400, "invalid_url"),
            ("http://127.0.0.1:22/", 403, "blocked_target"),
        ],
    )
    async def test_each_hop_is_judged_like_the_first(
        self, proxy: Proxy, location: str, status: int, code: str
    ) -> None:
        async with raw_upstream(response("302 Found", {"Location": location})) as upstream:
            got = await proxy.stream(upstream.link())
            problem = await got.json(content_type=None)
            assert (got.status, problem["code"]) == (status, code)
            assert (await proxy.validate(upstream.link()))["code"] == code

    async def test_redirect_that_leads_nowhere_is_502(self, proxy: Proxy) -> None:
        async with raw_upstream(response("302 Found", {"Content-Length": "0"})) as upstream:
            assert (await proxy.stream(upstream.link())).status == 502

    async def test_body_of_a_redirect_is_not_read(self, proxy: Proxy) -> None:
        async def answer(exchange: Exchange) -> None:
            if exchange.target == b"/film.mp4":
                await exchange.send(response("302 Found", {"Location": "/there"}))
                while True:
                    await exchange.send(b"x" * 65536)
            await Honest()(exchange)

        async with raw_upstream(answer) as upstream:
            got = await proxy.stream(upstream.link(), "0-9")
            assert await got.read() == CONTENT[:10]


class TestBlocked:
    """Without allow_network nothing that is not public is connected to, by whatever name."""

    @pytest.mark.parametrize(
        "host",
        [
            *("127.0.0.1", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"),
            *(
                "[::]",
                "[::127.0.0.1]",
                "[64:ff9b::7f00:1]",
                "127.0.0.2",
            ),
        ],
    )
    async def test_canary_hears_nothing(self, start_proxy: StartProxy, host: str) -> None:
        proxy = await start_proxy(allow_network=())
        async with AsyncExitStack() as stack:
            canaries = [await stack.enter_async_context(raw_upstream(Honest()))]
            link = f"http://{host}:{canaries[0].port}/film.mp4"
            for route in ("/stream", "/api/validate"):
                async with proxy.client.get(proxy.url(route, link)) as got:
                    problem = await got.json(content_type=None)
                    assert problem["code"] == "blocked_target"
                    assert "127.0.0.1" not in problem.get("detail", problem.get("error"))
            assert canaries[0].connections == 0

    @pytest.mark.parametrize(
        "host",
        [
            *("2130706433", "0x7f000001", "127.1", "0177.0.0.1", "127.0.0.1.", "127.0.0.01"),
            "\uff11\uff12\uff17.0.0.1",
        ],
    )
    async def test_number_that_is_no_canonical_address_is_no_host(
        self, proxy: Proxy, host: str
    ) -> None:
        async with raw_upstream(Honest()) as canary:
            got = await proxy.stream(f"http://{host}:{canary.port}/film.mp4")
            assert (got.status, (await got.json(content_type=None))["code"]) == (400, "invalid_url")
            assert canary.connections == 0

    async def test_name_with_a_permitted_address_is_reached_by_that(self, proxy: Proxy) -> None:
        async with raw_upstream(Honest()) as upstream:
            got = await proxy.stream(f"http://localhost:{upstream.port}/film.mp4", "0-9")
            assert await got.read() == CONTENT[:10]

    async def test_endpoint_permits_one_port_only(self, start_proxy: StartProxy) -> None:
        async with raw_upstream(Honest()) as one, raw_upstream(Honest()) as other:
            endpoint = f"127.0.0.1:{one.port}"
            proxy = await start_proxy(allow_network=(), allow_endpoint=endpoint)
            assert (await proxy.stream(one.link(), "0-9")).status == 206
            assert (await proxy.stream(other.link(), "0-9")).status == 403
            assert other.connections == 0

    async def test_hosts_by_pattern(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(allow_host="localhost, 127.0.0.1", deny_host="127.0.0.1")
        async with raw_upstream(Honest()) as upstream:
            assert (await proxy.stream(f"http://localhost:{upstream.port}/")).status == 200
            assert (await proxy.stream(upstream.link())).status == 403
            assert (await proxy.stream("http://example.com/")).status == 403

    async def test_lent_session_is_held_to_the_policy_too(self, start_proxy: StartProxy) -> None:
        async with ClientSession() as lent, raw_upstream(Honest()) as canary:
            proxy = await start_proxy(app_options={"session": lent}, allow_network=())
            got = await proxy.stream(f"http://localhost:{canary.port}/film.mp4")
            assert (got.status, canary.connections) == (403, 0)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "missing_url"),
        ("?url=", "missing_url"),
        ("?url=%20", "missing_url"),
        ("?url=http://a/&url=http://b/", "missing_url"),
        ("?url=film.mp4", "invalid_url"),
        ("?url=http:/a/", "invalid_url"),
        ("?url=http:%5C%5Ca/", "invalid_url"),
        ("?url=http://a%0D%0AHost:b/", "invalid_url"),
        ("?url=http://user:pass@/", "invalid_url"),
        ("?url=http://example.com@a/", "invalid_url"),
        ("?url=http://a:99999/", "invalid_url"),
        ("?url=ftp://a/", "unsupported_scheme"),
        ("?url=data:video/mp4,x", "unsupported_scheme"),
        ("?url=http://a:25/", "blocked_target"),
        ("?url=http://a/" + "x" * 33000, "invalid_url"),
    ],
    ids=lambda value: value[:30],
)
async def test_bad_link_is_named(proxy: Proxy, query: str, code: str) -> None:
    status = 403 if code == "blocked_target" else 400
    async with proxy.client.get(proxy.url("/stream") + query) as got:
        assert (got.status, (await got.json(content_type=None))["code"]) == (status, code)
    async with proxy.client.get(proxy.url("/api/validate") + query) as got:
        answer = await got.json()
        assert got.status == (400 if code == "missing_url" else 200)
        assert (answer["valid"], answer["code"]) == (False, code)


async def test_name_without_address_is_502(proxy: Proxy) -> None:
    got = await proxy.stream("http://no-such-host.invalid/film.mp4")
    assert (got.status, (await got.json(content_type=None))["code"]) == (502, "dns_failure")


async def test_server_that_does_not_speak_tls_is_502(proxy: Proxy) -> None:
    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 This is not TLS\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        got = await proxy.stream(f"https://127.0.0.1:{port}/film.mp4")
        assert (got.status, (await got.json(content_type=None))["code"]) == (502, "tls_error")


async def test_many_links_at_once(proxy: Proxy) -> None:
    async with raw_upstream(Honest(), keep_alive=True) as upstream:

        async def one(start: int) -> bytes:
            got = await proxy.stream(upstream.link(), f"{start}-{start + 4999}")
            return await got.read()

        bodies = await asyncio.gather(*(one(start) for start in range(0, 500_000, 5000)))
        assert b"".join(bodies) == CONTENT[:500_000]


async def test_link_that_leads_back_to_the_proxy_is_refused(proxy: Proxy) -> None:
    own = proxy.url("/stream", "http://example.com/film.mp4")
    assert (await proxy.validate(own))["code"] == "blocked_target"
    async with raw_upstream(b"") as upstream:
        loop = {"Location": proxy.url("/stream", upstream.link()), "Content-Length": "0"}

        async def answer(exchange: Exchange) -> None:
            await exchange.send(response("302 Found", loop))

        upstream.answer = answer
        got = await proxy.stream(upstream.link())
        assert (got.status, len(upstream.exchanges)) == (403, 1)
