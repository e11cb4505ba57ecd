"""`python -m streamproxy`, as its users start and stop it."""

import asyncio
import gc
import json
import re
import signal
import socket
import ssl
from contextlib import ExitStack, closing, suppress
from dataclasses import fields
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from aiohttp import ClientPayloadError, ClientSession, web
from program import outcome, run, running
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy import Settings, __version__, create_app
from streamproxy.notify import Notifier
from streamproxy.server import listen, serve


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    async with running("--shutdown-grace", "1", cwd=tmp_path) as (process, address):
        async with ClientSession() as client, client.get(address) as got:
            assert got.status == 200
        process.send_signal(number)
        status, _, err = await outcome(process)
    assert (status, "Traceback" in err, "Error" in err) == (0, False, False)


@pytest.mark.parametrize("turns", range(8))
async def test_connection_that_comes_with_the_signal_is_closed(turns: int) -> None:
    loop, is_ready = asyncio.get_running_loop(), asyncio.Event()
    [bound] = listen("127.0.0.1", 0)
    address = bound.getsockname()
    with bound, ExitStack() as stack, closing(Notifier.from_environment()) as notifier:
        serving = asyncio.create_task(serve(create_app(), [bound], is_ready.set, notifier))
        await is_ready.wait()
        signal.raise_signal(signal.SIGTERM)
        for _ in range(turns):
            await asyncio.sleep(0)
        with suppress(ConnectionRefusedError):  # in the last turns
            stack.enter_context(socket.create_connection(address))
        await asyncio.wait_for(serving, 20)
        gc.collect()  # what nobody closed complains, which is an error
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def test_signal_ends_running_streams_after_the_grace(tmp_path: Path) -> None:
    async def answer(exchange: Exchange) -> None:
        fields = {"Content-Type": "video/mp4", "Content-Length": "1000"}
        await exchange.send(response("200 OK", fields, b"first"))
        await exchange.wait_closed()

    arguments = ("--shutdown-grace", "0.3", "--allow-network", "127.0.0.0/8", "--log-file", "-")
    async with (
        raw_upstream(answer) as upstream,
        running(*arguments, cwd=tmp_path) as (process, address),
        ClientSession() as client,
    ):
        got = await client.get(f"{address}stream?url={quote(upstream.link(), safe='')}")
        assert await got.content.readexactly(5) == b"first"
        process.send_signal(signal.SIGTERM)
        status, _, err = await outcome(process)
        got.close()
    assert (status, "Traceback" in err) == (0, False)


async def test_log_goes_to_the_file_and_to_the_console(tmp_path: Path) -> None:
    arguments = ("--allow-network", "127.0.0.0/8")
    async with (
        raw_upstream(Honest()) as upstream,
        running(*arguments, cwd=tmp_path) as (process, address),
    ):
        link = quote(upstream.link("/film.mp4?token=secret"), safe="")
        async with ClientSession() as client:
            headers = {"Range": "bytes=0-1048575"}
            async with client.get(f"{address}stream?url={link}", headers=headers) as got:
                assert await got.read() == CONTENT
            # aiohttp itself would log the start of an over-long request line.
            async with client.get(f"{address}stream?url={link}{'x' * 200_000}") as refused:
                assert refused.status == 400
        process.terminate()
        status, _, err = await outcome(process)
        origin = upstream.link("")
    log = (tmp_path / "stream.log").read_text()
    assert status == 0
    stamp = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - streamproxy\."
    end = r"GET /stream of .* status 206, 1048576 bytes, \d+\.\d{3} s, complete"
    named = rf" \[{got.headers['X-Request-Id']}\]"
    for expected in (
        rf"handlers\.stream - INFO - Stream request for: {re.escape(origin)}/film\.mp4",
        r"handlers\.stream - INFO - Range request: bytes=0-1048575",
        rf"middlewares\.log_access - INFO - {end}{named}",
    ):
        whole = rf"{stamp}{expected}$"
        assert re.search(whole, log, re.MULTILINE)
        assert re.search(whole, err, re.MULTILINE)
    assert "secret" not in log + err
    assert "Traceback" not in log + err


async def test_log_as_json(tmp_path: Path) -> None:
    arguments = ("--log-format", "json", "--log-file", "-")
    async with running(*arguments, cwd=tmp_path) as (process, address):
        async with ClientSession() as client, client.get(f"{address}health") as got:
            assert got.status == 200
        process.terminate()
        _, _, err = await outcome(process)
    entries = [json.loads(line) for line in err.splitlines()]
    assert entries[-1]["logger"] == "streamproxy.middlewares.log_access"
    assert {"time", "logger", "level", "message", "request_id"} <= entries[-1].keys()
    assert not (tmp_path / "stream.log").exists()


async def test_json_says_by_name_what_became_of_a_request(tmp_path: Path) -> None:
    arguments = ("--log-format", "json", "--log-file", "-", "--allow-network", "127.0.0.0/8")
    async with (
        raw_upstream(Honest()) as upstream,
        running(*arguments, cwd=tmp_path) as (process, address),
    ):
        async with ClientSession() as client:
            for place in ("/film.mp4?token=secret", "/page.html"):
                link = quote(upstream.link(place), safe="")
                async with client.get(f"{address}stream?url={link}") as got:
                    await got.read()
            async with client.get(f"{address}stream?url=ftp%3A%2F%2Fx%2F") as got:
                assert got.status == 400
        process.terminate()
        _, _, err = await outcome(process)
    entries = [json.loads(line) for line in err.splitlines()]
    first, _, last = (entry for entry in entries if "status" in entry)
    assert first.pop("seconds") >= 0
    told = {"client", "method", "path", "host", "status", "bytes", "outcome", "relay", "resumes"}
    assert {name: first[name] for name in told} == {
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/stream",
        "host": "127.0.0.1",
        "status": 200,
        "bytes": len(CONTENT),
        "outcome": "complete",
        "relay": first["relay"],
        "resumes": 0,
    }
    assert (last["status"], last["code"]) == (400, "unsupported_scheme")
    assert "host" not in last
    assert "secret" not in err


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (
            ["--port", "99999"],
            {},
            "port: '99999' is not allowed; give a whole number from 0 to 65535",
        ),
        (
            ["--chunk-size", "1"],
            {},
            "chunk_size: '1' is not allowed; give a size from 4KiB to 16MiB",
        ),
        (
            ["--allow-network", "here"],
            {},
            "allow_network: 'here' is not allowed; give a network such",
        ),
        (
            [],
            {"STREAMPROXY_READ_TIMEOUT": "never"},
            "read_timeout: 'never' is not allowed; give a number",
        ),
        (
            ["--log-file", "no/such/folder/x.log"],
            {},
            "log_file: 'no/such/folder/x.log' cannot be written",
        ),
        (["--no-such-flag"], {}, "unrecognized arguments: --no-such-flag"),
    ],
)
async def test_bad_value_is_one_line_and_status_2(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    status, out, err = await run(*arguments, cwd=tmp_path, **environment)
    assert (status, out) == (2, "")
    assert err.startswith(f"streamproxy: {message}")
    assert err.count("\n") == 1


async def test_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, err = await run("--port", port, "--log-file", "-", cwd=tmp_path)
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith(f"streamproxy: cannot listen on 127.0.0.1:{port}: ")


async def test_command_line_wins_over_the_environment(tmp_path: Path) -> None:
    environment = {"STREAMPROXY_MAX_FILE_SIZE": "1KiB", "STREAMPROXY_ALLOW_NETWORK": "127.0.0.0/8"}
    async with raw_upstream(Honest()) as upstream:
        link = quote(upstream.link(), safe="")
        for arguments, expected in (((), 413), (("--max-file-size", "1GiB"), 200)):
            async with (
                running(*arguments, cwd=tmp_path, **environment) as (_, address),
                ClientSession() as client,
                client.get(f"{address}stream?url={link}") as got,
            ):
                assert got.status == expected


async def test_help_names_every_setting(tmp_path: Path) -> None:
    status, out, _ = await run("--help", cwd=tmp_path)
    assert status == 0
    for setting in fields(Settings):
        assert f"--{setting.name.replace('_', '-')} " in out
    assert "--demo" in out


async def test_version(tmp_path: Path) -> None:
    assert await run("--version", cwd=tmp_path) == (
        0,
        f"streamproxy {__version__}\n",
        "",
    )


async def test_demo_serves_its_sample_and_permits_nothing_else(tmp_path: Path) -> None:
    async with (
        raw_upstream(Honest()) as other,
        running("--demo", cwd=tmp_path) as (_, address),
        ClientSession() as client,
    ):
        async with client.get(address) as got:
            sample = re.search(r"http://127\.0\.0\.1:\d+/sample\.mp4", await got.text())
        assert sample is not None
        async with client.get(f"{address}api/validate?url={quote(sample[0], safe='')}") as got:
            answer = await got.json()
            assert (answer["valid"], answer["supports_range"]) == (True, True)
        async with client.get(f"{address}stream?url={quote(other.link(), safe='')}") as got:
            assert got.status == 403
        assert other.connections == 0


@pytest.fixture
def secure(tmp_path: Path) -> ssl.SSLContext:
    """Return a server's context for 127.0.0.1, whose authority is in ca.pem."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return context


@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "untrusted"])
async def test_secure_upstream_plays_if_it_is_trusted(
    tmp_path: Path, secure: ssl.SSLContext, is_trusted: bool
) -> None:
    async def film(_request: web.Request) -> web.Response:
        return web.Response(body=CONTENT, content_type="video/mp4")

    app = web.Application()
    app.router.add_get("/film.mp4", film)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=secure)
    await site.start()
    link = quote(f"https://127.0.0.1:{site.port}/film.mp4", safe="")
    environment = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")} if is_trusted else {}
    arguments = ("--allow-network", "127.0.0.0/8")
    async with (
        running(*arguments, cwd=tmp_path, **environment) as (_, address),
        ClientSession() as client,
        client.get(f"{address}stream?url={link}") as got,
    ):
        if is_trusted:
            assert await got.read() == CONTENT
        else:
            problem = await got.json(content_type="application/problem+json")
            assert (got.status, problem["code"]) == (502, "tls_error")
    await runner.cleanup()


@pytest.mark.parametrize("is_announced", [True, False], ids=["close-notify", "cut"])
async def test_end_of_a_secure_connection_counts_only_if_it_is_announced(
    tmp_path: Path, secure: ssl.SSLContext, is_announced: bool
) -> None:
    """The length is not declared, so that only the end of the connection tells the end."""

    def answer(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        stream = secure.wrap_socket(connection, server_side=True)
        stream.recv(65536)
        stream.sendall(response("200 OK", {"Content-Type": "video/mp4"}, b"first"))
        if is_announced:
            stream.unwrap().close()
        else:
            socket.socket(fileno=stream.detach()).close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        served = asyncio.create_task(asyncio.to_thread(answer, listening))
        link = quote(f"https://127.0.0.1:{listening.getsockname()[1]}/film.mp4", safe="")
        async with (
            running(
                *("--allow-network", "127.0.0.0/8"),
                cwd=tmp_path,
                SSL_CERT_FILE=str(tmp_path / "ca.pem"),
            ) as (_, address),
            ClientSession() as client,
            client.get(f"{address}stream?url={link}") as got,
        ):
            if is_announced:
                assert await got.read() == b"first"
            else:
                with pytest.raises(ClientPayloadError):
                    await got.read()
        await served
