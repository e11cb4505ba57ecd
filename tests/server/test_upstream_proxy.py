"""upstream_proxy: everything goes through it, and is judged before."""

import asyncio
import logging
import socket
import ssl
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from aiohttp import ClientSession, web
from forwarders import Forwarder, Kind, forwarding, http, socks
from program import run, running
from proxies import StartProxy, code_of, serve
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy import Settings, SettingsError, create_app
from streamproxy.targets.policy import TargetPolicy
from streamproxy.upstream.connector import open_session

KINDS = [
    pytest.param("http", http, id="http"),
    pytest.param("socks4", socks, id="socks4"),
    pytest.param("socks5", socks, id="socks5"),
]
ONLY_UPSTREAMS = "127.0.0.1/32"
# The proxies stand on an address that is no permitted target.
ELSEWHERE = "127.0.0.2"


async def detail_of(
    start_proxy: StartProxy, upstream_proxy: str, link: str, *, connect_timeout: float = 20
) -> tuple[int, str, str]:
    proxy = await start_proxy(upstream_proxy=upstream_proxy, connect_timeout=connect_timeout)
    problem = await (await proxy.stream(link)).json(content_type="application/problem+json")
    return problem["status"], problem["code"], problem["detail"]


@pytest.mark.parametrize(("scheme", "kind"), KINDS)
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_every_fetch_goes_through_it(
    start_proxy: StartProxy, scheme: str, kind: Kind, name: str
) -> None:
    async def answer(exchange: Exchange) -> None:
        if exchange.target == b"/a":
            there = {"Location": f"http://{name}:{upstream.port}/b?q=%2F", "Content-Length": "0"}
            await exchange.send(response("302 Found", there | {"Connection": "close"}))
        else:
            await Honest(connection="close")(exchange)

    async with (
        forwarding(kind, Forwarder(host=ELSEWHERE)) as through,
        raw_upstream(answer) as upstream,
    ):
        proxy = await start_proxy(
            upstream_proxy=f"{scheme}://{ELSEWHERE}:{through.port}", allow_network=ONLY_UPSTREAMS
        )
        link = f"http://{name}:{upstream.port}/a"
        got = await proxy.stream(link, "5-99")
        assert (got.status, await got.read()) == (206, CONTENT[5:100])
        assert (await proxy.validate(link))["valid"] is True
        assert [exchange.target for exchange in upstream.exchanges] == [b"/a", b"/b?q=%2F"] * 2
        assert {e.field("Host") for e in upstream.exchanges} == {f"{name}:{upstream.port}"}
        assert len(through.targets) == 4
        if scheme == "http":
            assert through.targets[1] == f"http://{name}:{upstream.port}/b?q=%2F"
        else:  # never a name: what was judged is what is connected to
            assert set(through.targets) == {f"127.0.0.1:{upstream.port}"}


@pytest.mark.parametrize(("scheme", "kind"), KINDS)
@pytest.mark.parametrize(
    "link",
    [
        "http://10.0.0.1/",
        "http://127.0.0.3/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://inside.example:25/",
        "http://denied.example/",
        f"http://{ELSEWHERE}:{{port}}/",
    ],
)
async def test_links_are_judged_before_the_proxy_is_asked(
    start_proxy: StartProxy, scheme: str, kind: Kind, link: str
) -> None:
    async with forwarding(kind, Forwarder(host=ELSEWHERE)) as through:
        proxy = await start_proxy(
            upstream_proxy=f"{scheme}://{ELSEWHERE}:{through.port}",
            allow_network=ONLY_UPSTREAMS,
            deny_host="denied.example",
        )
        assert await code_of(proxy, link.format(port=through.port)) == (403, "blocked_target")
        assert (through.targets, through.heads) == ([], [])


@pytest.mark.parametrize(("scheme", "kind"), KINDS)
async def test_name_of_a_private_address_is_refused_before_the_proxy_is_asked(
    start_proxy: StartProxy, scheme: str, kind: Kind
) -> None:
    async with forwarding(kind) as through:
        proxy = await start_proxy(
            upstream_proxy=f"{scheme}://127.0.0.1:{through.port}", allow_network=()
        )
        assert await code_of(proxy, "http://localhost:8080/") == (403, "blocked_target")
        assert await code_of(proxy, "http://no-such-host.invalid/") == (502, "dns_failure")
        assert (through.targets, through.heads) == ([], [])


@pytest.mark.parametrize(("scheme", "kind"), KINDS)
async def test_redirect_is_judged_before_the_proxy_is_asked(
    start_proxy: StartProxy, scheme: str, kind: Kind
) -> None:
    there = response("302 Found", {"Location": "http://10.0.0.1/", "Content-Length": "0"})
    async with forwarding(kind) as through, raw_upstream(there) as upstream:
        proxy = await start_proxy(upstream_proxy=f"{scheme}://127.0.0.1:{through.port}")
        assert await code_of(proxy, upstream.link()) == (403, "blocked_target")
        assert len(through.targets) == 1


@pytest.mark.parametrize(("scheme", "kind"), KINDS)
async def test_link_back_to_this_proxy_is_refused_before_the_proxy_is_asked(
    start_proxy: StartProxy, scheme: str, kind: Kind
) -> None:
    async with forwarding(kind) as through:
        proxy = await start_proxy(upstream_proxy=f"{scheme}://127.0.0.1:{through.port}")
        for host in ("127.0.0.1", "localhost"):
            link = f"http://{host}:{proxy.port}/health"
            assert await code_of(proxy, link) == (403, "blocked_target")
        assert (through.targets, through.heads) == ([], [])


@pytest.mark.parametrize(
    ("scheme", "kind", "authorization"),
    [
        pytest.param("http", http, "Basic dXMlcjpwOmFzcw==", id="http"),
        pytest.param("socks5", socks, "us%r:p:ass", id="socks5"),
    ],
)
async def test_credentials_go_to_the_proxy_only_and_are_shown_nowhere(
    start_proxy: StartProxy,
    caplog: pytest.LogCaptureFixture,
    scheme: str,
    kind: Kind,
    authorization: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        forwarding(kind, Forwarder(authorization)) as through,
        raw_upstream(Honest(), keep_alive=True) as upstream,
    ):
        where = f"127.0.0.1:{through.port}"
        given = f"{scheme}://us%25r:p%3Aass@{where}"
        proxy = await start_proxy(upstream_proxy=given)
        for _ in range(2):  # the second time on the connection that was kept
            assert (await (await proxy.stream(upstream.link(), "0-9")).read()) == CONTENT[:10]
        assert upstream.exchanges[0].field("Authorization") is None

        shown = [repr(Settings.parse(upstream_proxy=given))]
        for wrong in (f"{scheme}://us%25r:wrong@{where}", f"{scheme}://{where}"):
            status, code, detail = await detail_of(start_proxy, wrong, upstream.link())
            assert (status, code) == (502, "connection_refused")
            assert "upstream proxy" in detail
            shown.append(detail)
    for text in (*shown, caplog.text):
        assert not [s for s in ("us%", "p:ass", "p%3A", "wrong", "dXM") if s in text]


async def test_proxy_that_refuses_is_named(start_proxy: StartProxy) -> None:
    secure, plain = "https://127.0.0.1:8443/", "http://127.0.0.1:8080/"
    cases = [
        (
            http,
            b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
            secure,
            (502, "connection_refused"),
        ),
        (http, b"HTTP/1.1 503 No\r\n\r\n", secure, (502, "connection_refused")),
        (http, b"HTTP/1.1 504 No\r\nContent-Length: 0\r\n\r\n", secure, (504, "connect_timeout")),
        (
            http,
            b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n",
            secure,
            (502, "connection_refused"),
        ),
        (http, b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", plain, (502, "connection_refused")),
        (http, b"garbage\r\n\r\n", secure, (502, "connection_refused")),
        (http, b"", secure, (502, "connection_refused")),
        (socks, b"\x05\x02\0\x01" + bytes(6), plain, (502, "connection_refused")),
        (socks, b"\x05\x04\0\x01" + bytes(6), secure, (502, "connection_refused")),
        (socks, b"HTTP/1.1 400 What?\r\n\r\n", plain, (502, "connection_refused")),
        (socks, b"", plain, (502, "connection_refused")),
    ]
    for kind, refusal, link, expected in cases:
        async with forwarding(kind, Forwarder(refusal=refusal)) as through:
            scheme = "http" if kind is http else "socks5"
            given = f"{scheme}://127.0.0.1:{through.port}"
            status, code, detail = await detail_of(start_proxy, given, link)
            assert (status, code) == expected
            assert "upstream proxy" in detail


@pytest.mark.parametrize("scheme", ["http", "socks4", "socks5"])
async def test_proxy_that_is_not_there_is_named(start_proxy: StartProxy, scheme: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # taken by nobody else, and listening nowhere
        port = bound.getsockname()[1]
        for where in (f"127.0.0.1:{port}", "no-such-host.invalid:3128"):
            found = await detail_of(start_proxy, f"{scheme}://{where}", "http://127.0.0.1:8080/")
            assert found[:2] == (502, "connection_refused")
            assert "upstream proxy" in found[2]


@pytest.mark.parametrize("scheme", ["http", "socks4", "socks5"])
async def test_proxy_that_is_silent_is_not_waited_for(start_proxy: StartProxy, scheme: str) -> None:
    async def wait(_forwarder: Forwarder, client: tuple[asyncio.StreamReader, object]) -> None:
        await client[0].read(-1)

    async with forwarding(wait) as through:
        given = f"{scheme}://127.0.0.1:{through.port}"
        link = "https://127.0.0.1:8443/"
        found = await detail_of(start_proxy, given, link, connect_timeout=1)
        assert found[:2] == (504, "connect_timeout")


async def test_other_errors_of_an_http_proxy_look_like_the_sites(start_proxy: StartProxy) -> None:
    refusal = response("502 Bad Gateway", {"Content-Length": "0"})
    async with forwarding(http, Forwarder(refusal=refusal)) as through:
        given = f"http://127.0.0.1:{through.port}"
        found = await detail_of(start_proxy, given, "http://127.0.0.1:8080/")
        assert found[:2] == (502, "upstream_status")


async def test_socks4_knows_no_ipv6(start_proxy: StartProxy) -> None:
    async with forwarding(socks) as through:
        given = f"socks4://127.0.0.1:{through.port}"
        proxy = await start_proxy(upstream_proxy=given, allow_network="::1/128")
        assert await code_of(proxy, "http://[::1]:8080/") == (502, "connection_refused")
        assert through.targets == []


@pytest.mark.parametrize(("scheme", "kind"), KINDS)
async def test_bytes_that_nobody_asked_for_are_never_an_answer(
    start_proxy: StartProxy, scheme: str, kind: Kind
) -> None:
    """What a site sends after its answer would answer the next request on the connection."""
    fields = {"Content-Type": "video/mp4", "Content-Length": "4"}
    surplus = response("200 OK", fields, b"evil")

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", fields, b"film"), surplus)

    async with forwarding(kind) as through, raw_upstream(answer, keep_alive=True) as upstream:
        proxy = await start_proxy(upstream_proxy=f"{scheme}://127.0.0.1:{through.port}")
        for _ in range(3):
            assert await (await proxy.stream(upstream.link())).read() == b"film"
        assert upstream.used == 3


async def test_variables_of_the_environment_are_never_believed(tmp_path: Path) -> None:
    async with forwarding(http) as through, raw_upstream(Honest()) as upstream:
        where = f"http://127.0.0.1:{through.port}"
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY")
        async with (
            running(
                *("--allow-network", "127.0.0.0/8"), cwd=tmp_path, **dict.fromkeys(names, where)
            ) as (_, address),
            ClientSession() as client,
            client.get(f"{address}stream?url={quote(upstream.link(), safe='')}") as got,
        ):
            assert await got.read() == CONTENT
        assert through.heads == []


@pytest.mark.parametrize(("scheme", "kind"), KINDS)
async def test_secure_site_is_reached_and_its_certificate_is_for_its_name(
    tmp_path: Path, scheme: str, kind: Kind
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)  # not for 127.0.0.1

    async def film(_request: web.Request) -> web.Response:
        return web.Response(body=CONTENT, content_type="video/mp4")

    app = web.Application()
    app.router.add_get("/film.mp4", film)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        through = await stack.enter_async_context(forwarding(kind))
        given = f"{scheme}://127.0.0.1:{through.port}"
        _, address = await stack.enter_async_context(
            running(
                *("--allow-network", "127.0.0.0/8", "--upstream-proxy", given),
                cwd=tmp_path,
                SSL_CERT_FILE=str(tmp_path / "ca.pem"),
            )
        )
        client = await stack.enter_async_context(ClientSession())

        async def fetch(host: str) -> tuple[int, bytes]:
            link = quote(f"https://{host}:{site.port}/film.mp4", safe="")
            async with client.get(f"{address}stream?url={link}") as got:
                return got.status, await got.read()

        assert await fetch("localhost") == (200, CONTENT)
        assert await fetch("localhost") == (200, CONTENT)
        status, problem = await fetch("127.0.0.1")
        assert (status, b"tls_error" in problem) == (502, True)
        sent = {"http": "localhost"}.get(scheme, "127.0.0.1")
        assert f"{sent}:{site.port}" in through.targets
        if scheme == "http":  # in the tunnel nothing is for the proxy
            assert {head.partition(b" ")[0] for head in through.heads} == {b"CONNECT"}


class TestSetting:
    def test_port_that_is_none_is_refused_before_anything_starts(self) -> None:
        with pytest.raises(SettingsError, match="upstream_proxy") as caught:
            create_app(Settings.parse(upstream_proxy="http://user:secret@a.example:99999"))
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("scheme", ["socks4", "socks5"])
    def test_missing_extra_is_named(self, scheme: str) -> None:
        """In an interpreter of its own, in which the extra cannot be found."""
        program = (
            "import sys; sys.modules['aiohttp_socks'] = None\n"
            "from streamproxy import Settings, create_app\n"
            f"create_app(Settings.parse(upstream_proxy='{scheme}://a.example:1080'))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
        )
        assert "SettingsError: upstream_proxy" in done.stderr
        assert "pip install 'streamproxy[socks]'" in done.stderr

    async def test_lent_session_that_trusts_the_environment_is_refused(self) -> None:
        async with ClientSession(trust_env=True) as session:
            with pytest.raises(SettingsError, match="trust_env"):
                create_app(session=session)

    async def test_lent_session_that_goes_past_the_proxy_is_refused(self) -> None:
        settings = Settings.parse(upstream_proxy="http://127.0.0.1:3128")
        async with ClientSession() as session:
            with pytest.raises(SettingsError, match="upstream_proxy"):
                create_app(settings, session=session)

    async def test_lent_session_from_open_session_goes_through_the_proxy(self) -> None:
        async with (
            forwarding(http) as through,
            raw_upstream(Honest()) as upstream,
            AsyncExitStack() as stack,
        ):
            settings = Settings.parse(
                upstream_proxy=f"http://127.0.0.1:{through.port}", allow_network="127.0.0.0/8"
            )
            session = open_session(settings, TargetPolicy.from_settings(settings))
            await stack.enter_async_context(session)
            proxy = await serve(create_app(settings, session=session), stack)
            assert (await proxy.stream(upstream.link(), "0-0")).status == 206
            assert len(through.targets) == 1

    async def test_bad_setting_ends_the_program_with_one_line(self, tmp_path: Path) -> None:
        for given in ("ftp://a.example:21", "http://a.example", "http://u:secret@a.example:99999"):
            arguments = ("--port", "0", "--upstream-proxy", given)
            status, _, err = await run(*arguments, cwd=tmp_path)
            assert (status, err.count("\n")) == (2, 1)
            assert "upstream_proxy" in err
            assert "secret" not in err
