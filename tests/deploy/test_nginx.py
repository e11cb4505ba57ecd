"""deploy/nginx.conf under a real nginx: TLS, a cache of slices, and what it must not share."""

import asyncio
import os
import signal
import ssl
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from aiohttp import ClientError, ClientSession, TCPConnector
from redis_servers import free_port
from servers import ROOT, Server, eventually, program, supervised
from subprocesses import process
from upstreams import Exchange, Honest, RawUpstream, raw_upstream, response

SLICE = 2**20
CONFIG = ROOT / "deploy" / "nginx.conf"
AROUND = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log info;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    include {folder}/streamproxy.conf;
}}
"""


def film(megabytes: int, seed: int = 0) -> bytes:
    """Return bytes of which each 16 tell where they stand and which film they are of."""
    return b"".join(b"%02d %012d" % (seed, at) for at in range(0, megabytes * SLICE, 15))[
        : megabytes * SLICE
    ]


@dataclass
class Site(Honest):
    """A site that counts the bytes it sends; what it has can change.

    :param pace_s: seconds that it takes for 64 KiB of a body.
    :param sending: the bodies of which a part is sent, and not yet the rest.
    """

    pace_s: float = 0
    sent: int = 0
    sending: int = 0

    async def __call__(self, exchange: Exchange) -> None:
        await super().__call__(Counted(exchange, self))


class Counted(Exchange):
    """An exchange that adds up the bytes of bodies."""

    def __init__(self, exchange: Exchange, site: Site) -> None:
        super().__init__(exchange.head, exchange.reader, exchange.writer)
        self.site = site

    async def send(self, *parts: bytes) -> None:
        head, *bodies = parts
        await super().send(head)
        body = b"".join(bodies)
        self.site.sending += 1
        try:
            for start in range(0, len(body), 2**16):
                await super().send(body[start : start + 2**16])
                self.site.sent += len(body[start : start + 2**16])
                await asyncio.sleep(self.site.pace_s)
        finally:
            self.site.sending -= 1


@dataclass
class Front:
    """A running nginx with two instances behind it, and viewers' clients."""

    port: int
    instances: list[Server]
    context: ssl.SSLContext
    process: Process
    folder: Path

    def client(self, address: str = "127.0.0.1", **fields: str) -> ClientSession:
        connector = TCPConnector(ssl=self.context, local_addr=(address, 0), force_close=True)
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        return ClientSession(connector=connector, headers=headers)

    def url(self, link: str, more: str = "") -> str:
        return f"https://localhost:{self.port}/stream?url={quote(link, safe='')}{more}"

    def busy(self, link: str) -> Server:
        """Return the instance that has fetched a link."""
        (found,) = (each for each in self.instances if link in each.errors)
        return found


def configured(folder: Path, ports: list[int], front_port: int, valid: str) -> str:
    """Return the shipped file with the paths, names and ports of a test, and no other change."""
    text = CONFIG.read_text()
    changes = {
        "streamproxy-1:5000": f"127.0.0.1:{ports[0]}",
        "streamproxy-2:5000": f"127.0.0.1:{ports[1]}",
        "listen 443 ssl": f"listen 127.0.0.1:{front_port} ssl",
        "    listen [::]:443 ssl;\n": "",
        "/etc/nginx/tls/fullchain.pem": f"{folder}/server.pem",
        "/etc/nginx/tls/privkey.pem": f"{folder}/server.pem",
        "/var/cache/nginx/streamproxy": f"{folder}/cache",
        "/var/log/nginx/streamproxy.log": f"{folder}/errors.log",
        "proxy_cache_valid 206 1m": f"proxy_cache_valid 206 {valid}",
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@asynccontextmanager
async def front(folder: Path, *options: str, valid: str = "1m") -> AsyncIterator[Front]:
    """Run nginx and two instances.

    :param valid: for how long slices are valid; as shipped, unless a test waits for their end.
    """
    nginx = program("nginx")
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        folder / "server.pem"
    )
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    port = free_port()
    async with AsyncExitStack() as stack:
        instances = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            given = ("--trusted-proxy", "127.0.0.1", *options)
            instances.append(
                await stack.enter_async_context(supervised(*given, folder=folder / name))
            )
        text = configured(folder, [each.proxy.port for each in instances], port, valid)
        (folder / "streamproxy.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(AROUND.format(user=user, folder=folder))
        arguments = ("-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr")
        begun = await stack.enter_async_context(process(nginx, *arguments))
        running = Front(port, instances, context, begun, folder)
        assert await eventually(lambda: answers(running)), (folder / "nginx.log").read_text()
        yield running


async def answers(running: Front) -> bool:
    try:
        async with (
            running.client() as client,
            client.get(f"https://localhost:{running.port}/health") as got,
        ):
            return got.status == 200
    except ClientError:
        return False


@dataclass
class Viewer:
    """Plays a film to its end; where it is cut off, it goes on from there, as players do."""

    running: Front
    received: bytearray = field(default_factory=bytearray)
    cuts: int = 0

    async def play(self, link: str) -> bytes:
        while self.cuts < 10:
            if await self.read_once(link):
                return bytes(self.received)
            await asyncio.sleep(0.2)
        raise AssertionError("cut off again and again")

    async def read_once(self, link: str) -> bool:
        """Read one response; return whether it came to its end."""
        fields = {"Range": f"bytes={len(self.received)}-"} if self.received else {}
        try:
            async with (
                self.running.client() as client,
                client.get(self.running.url(link), headers=fields) as got,
            ):
                assert got.status in (200, 206)
                async for part in got.content.iter_any():
                    self.received += part
        except ClientError:
            self.cuts += 1
            return False
        return True


@asynccontextmanager
async def showing(
    site: Site, folder: Path, *, valid: str = "1m"
) -> AsyncIterator[tuple[Front, RawUpstream]]:
    async with raw_upstream(site) as upstream, front(folder, valid=valid) as running:
        yield running, upstream


async def fetch(running: Front, url: str, **fields: str) -> tuple[int, bytes]:
    """Return status and body of one request."""
    async with running.client(**fields) as client, client.get(url) as got:
        return got.status, await got.read()


async def test_fifty_viewers_cost_one_reading_although_an_instance_dies(tmp_path: Path) -> None:
    site = Site(film(24), pace_s=0.01)
    async with showing(site, tmp_path) as (running, upstream):
        link = upstream.link()
        viewers = [Viewer(running) for _ in range(50)]
        playing = [asyncio.create_task(viewer.play(link)) for viewer in viewers]

        async def is_in_the_middle() -> bool:
            return len(viewers[0].received) > 4 * SLICE and site.sending > 0

        assert await eventually(is_in_the_middle, 120)
        dying = running.busy(link)
        dying.process.kill()
        films = await asyncio.wait_for(asyncio.gather(*playing), 300)
        assert all(received == site.content for received in films)
        share = site.sent / len(site.content)
        assert share <= 1.1
        (other,) = (each for each in running.instances if each is not dying)
        assert link in other.errors  # it has taken over


class Broken(Site):
    """A site that breaks off in the third slice, each time."""

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.field("Range") != f"bytes={2 * SLICE}-{3 * SLICE - 1}":
            return await super().__call__(exchange)
        fields = {"ETag": self.etag, "Content-Type": "video/mp4", "Content-Length": str(SLICE)}
        fields["Content-Range"] = f"bytes {2 * SLICE}-{3 * SLICE - 1}/{len(self.content)}"
        body = self.content[2 * SLICE : 2 * SLICE + SLICE // 2]
        return await exchange.send(response("206 Partial Content", fields, body))


async def test_slice_that_breaks_off_is_a_cut_and_no_gap(tmp_path: Path) -> None:
    """nginx would go on behind the gap, with bytes at the wrong places."""
    site = Broken(film(5))
    options = ("--resume-attempts", "0", "--retry-attempts", "0")
    async with raw_upstream(site) as upstream, front(tmp_path, *options) as running:
        viewer = Viewer(running)
        await viewer.read_once(upstream.link())
        assert viewer.cuts == 1
        assert SLICE < len(viewer.received) <= 2 * SLICE
        assert site.content.startswith(viewer.received)


async def test_seeks_are_answered_from_slices(tmp_path: Path) -> None:
    site = Site(film(4))
    async with showing(site, tmp_path) as (running, upstream):
        url = running.url(upstream.link())
        for byte_range, start, stop in (
            ("0-", 0, 4 * SLICE),
            ("1048570-1048590", 1048570, 1048591),
            ("-100", 4 * SLICE - 100, 4 * SLICE),
            ("4194303-", 4194303, 4 * SLICE),
        ):
            status, body = await fetch(running, url, Range=f"bytes={byte_range}")
            assert (status, body) == (206, site.content[start:stop])
        assert (await fetch(running, url, Range="bytes=4194304-"))[0] == 416
        assert await fetch(running, url) == (200, site.content)
        assert site.sent == len(site.content)


async def test_changed_film_is_never_mixed_with_old_slices(tmp_path: Path) -> None:
    old, new = film(4, seed=1), film(4, seed=2)
    site = Site(old)
    async with showing(site, tmp_path, valid="6s") as (running, upstream):
        url = running.url(upstream.link())
        assert await fetch(running, url, Range=f"bytes=0-{2 * SLICE - 1}") == (
            206,
            old[: 2 * SLICE],
        )
        site.content, site.etag = new, '"v2"'

        async def read_whole() -> bytes:
            received = bytearray()
            try:
                async with running.client() as client, client.get(url) as got:
                    async for part in got.content.iter_any():
                        received += part
            except ClientError:
                assert len(received) < len(new)  # a cut that can be seen
            return bytes(received)

        first = await read_whole()
        assert first == old[: len(first)]
        assert len(first) == 2 * SLICE  # what the cache has of the old one, and not a byte more

        async def is_new() -> bool:
            received = await read_whole()
            assert received in (old[: len(received)], new[: len(received)])
            return received == new

        assert await eventually(is_new, 60)


@pytest.mark.parametrize(
    ("etag", "ranges"),
    [('W/"v1"', True), ("", True), ('"v1"', False)],
    ids=["weak", "none", "whole"],
)
async def test_what_nothing_holds_together_is_not_sliced(
    tmp_path: Path, etag: str, ranges: bool
) -> None:
    site = Site(film(3), etag=etag, ranges=ranges)
    async with showing(site, tmp_path) as (running, upstream):
        url = running.url(upstream.link())
        for _ in range(2):
            assert await fetch(running, url) == (200, site.content)
        asked = [exchange.field("Range") for exchange in upstream.exchanges]
        assert asked.count(None) >= 2
        part = await fetch(running, url, Range="bytes=100-199")
        assert part == (206, site.content[100:200])
        assert not list((tmp_path / "cache").rglob("*/*/*"))


@pytest.mark.parametrize(
    "fields",
    [
        {"Authorization": "Bearer x"},
        {"Cookie": "a=b"},
        {"Origin": "https://localhost"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    ],
    ids="-".join,
)
async def test_what_is_somebodys_is_not_shared(tmp_path: Path, fields: dict[str, str]) -> None:
    site = Site(film(2))
    async with showing(site, tmp_path) as (running, upstream):
        url = running.url(upstream.link())
        assert await fetch(running, url) == (200, site.content)
        before = len(upstream.exchanges)
        status, body = await fetch(running, url, **fields)
        if "Sec_Fetch_Site" in fields:
            assert (status, b"foreign_site" in body) == (403, True)
            assert len(upstream.exchanges) == before
        else:
            assert (status, body) == (200, site.content)
            assert len(upstream.exchanges) == before + 1


async def test_members_films_are_kept_for_nobody(tmp_path: Path) -> None:
    """Somebody with a token comes first; whoever comes then has to show theirs."""
    site = Site(film(2))
    token = "0123456789abcdef-token"
    async with (
        raw_upstream(site) as upstream,
        front(tmp_path, "--access-token", token) as running,
    ):
        url = running.url(upstream.link())
        with_token = {"Authorization": f"Bearer {token}"}
        assert await fetch(running, url, **with_token) == (200, site.content)
        assert (await fetch(running, url))[0] == 401
        assert not list((tmp_path / "cache").rglob("*/*/*"))


async def test_client_address_and_scheme_go_through(tmp_path: Path) -> None:
    site = Site(film(1))
    async with showing(site, tmp_path) as (running, upstream):
        async with (
            running.client("127.0.0.77") as client,
            client.get(running.url(upstream.link())) as got,
        ):
            assert await got.read() == site.content

        async def is_told() -> bool:
            told = "from 127.0.0.77 (relay=copy): status 206"
            return any(told in each.errors for each in running.instances)

        assert await eventually(is_told)


async def test_tokens_and_links_are_in_no_log_when_an_instance_is_gone(tmp_path: Path) -> None:
    async with front(tmp_path) as running:
        for instance in running.instances:
            workers = instance.workers()
            instance.process.kill()
            for pid in workers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await instance.process.wait()
        async with running.client() as client:
            for path in ("/?token=s3cret-word", "/stream?url=http%3A%2F%2Fa.example%2Fs3cret-word"):
                async with client.get(f"https://localhost:{running.port}{path}") as got:
                    assert got.status == 502
        logs = [tmp_path / "nginx.log", tmp_path / "errors.log"]
        assert [path for path in logs if "s3cret-word" in path.read_text()] == []


async def test_problems_arrive_as_they_are(tmp_path: Path) -> None:
    async with front(tmp_path) as running:
        status, body = await fetch(running, running.url("http://10.0.0.1/film.mp4"))
        assert (status, b"blocked_target" in body) == (403, True)
        status, body = await fetch(running, f"https://localhost:{running.port}/")
        assert (status, b"<!doctype html>" in body) == (200, True)
