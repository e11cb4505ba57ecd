"""GET /api/openapi.json is true: of the routes, of the codes, and of what is answered."""

import asyncio
import re
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urljoin

import pytest
from aiohttp import web
from openapi_spec_validator import validate
from proxies import Proxy, StartProxy, serve
from subprocesses import process
from upstreams import Honest, raw_upstream

from streamproxy import ProxyError, create_app
from streamproxy.openapi.document import make_document, operations_of

CONFIG = Path(__file__).with_name("schemathesis.toml")
TOKEN = "0123456789abcdef"
# Seconds: links of any kind are asked for, and some lead to where nobody answers.
SHORT = {"read_timeout": 2, "connect_timeout": 2}


def codes_of(document: object) -> Iterator[str]:
    """Yield the codes that the answers of a document have."""
    if isinstance(document, dict):
        code = document.get("code")
        if isinstance(code, dict) and "enum" in code:
            yield from code["enum"]
        for value in document.values():
            yield from codes_of(value)
    elif isinstance(document, list):
        for value in document:
            yield from codes_of(value)


def errors_below(error: type[ProxyError]) -> Iterator[type[ProxyError]]:
    for below in error.__subclasses__():
        if below.__module__.startswith("streamproxy."):
            yield below
            yield from errors_below(below)


def described() -> set[tuple[str, str, str]]:
    """Return path, method and name of each operation."""
    return {
        (path, method, operation["operationId"].partition("_")[2])
        for path, method, operation in operations_of(make_document())
    }


def served() -> set[tuple[str, str, str]]:
    """Return the same of each route of the application."""
    found = set()
    for route in create_app().router.routes():
        resource = route.resource
        assert resource is not None
        path, name = resource.canonical, str(route.name or resource.name)
        if isinstance(resource, web.StaticResource):
            path += "/{filename}"
        if path:  # else it is the prefix of a sub-app, without its slash
            found.add((path, route.method.lower(), name))
    return found


def test_every_route_is_described_and_no_other() -> None:
    assert described() == served()


def test_every_code_is_described_and_no_other() -> None:
    errors: set[type[ProxyError]] = {ProxyError, *errors_below(ProxyError)}
    assert set(codes_of(make_document())) == {error.code for error in errors}


def test_document_is_valid_openapi() -> None:
    validate(make_document())


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    document = make_document()
    used = set(re.findall(r"#/components/(\w+/[\w-]+)", str(document)))
    used |= {f"securitySchemes/{name}" for name in document["components"]["securitySchemes"]}
    there = {f"{kind}/{name}" for kind, parts in document["components"].items() for name in parts}
    assert used == there


async def test_is_there_for_everybody(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(access_token=TOKEN)
    async with proxy.client.get(proxy.url("/api/openapi.json")) as got:
        assert (got.status, got.content_type) == (200, "application/json")
        assert await got.json() == make_document()


async def schemathesis(proxy: Proxy, config: Path, *options: str) -> None:
    """Ask the running proxy what the document allows, and what it does not."""
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program is not None, "schemathesis is in the extra test"
    command = [program, "--config-file", str(config), "run", proxy.url("/api/openapi.json")]
    command += ["--max-examples", "15", "--seed", "7", "--no-color", *options]
    async with process(*command, cwd=config.parent, stdout=PIPE, stderr=STDOUT) as running:
        said, _ = await asyncio.wait_for(running.communicate(), 300)
    # Long links are of no use to whoever reads what failed.
    assert running.returncode == 0, "\n".join(line[:300] for line in said.decode().splitlines())


async def test_answers_are_as_described(start_proxy: StartProxy, tmp_path: Path) -> None:
    async with raw_upstream(Honest()) as upstream:
        config = tmp_path / "schemathesis.toml"
        film = f'[parameters]\n"query.url" = "{upstream.link("/film.mp4")}"\n'
        config.write_text(f"{CONFIG.read_text()}\n{film}")
        await schemathesis(await start_proxy(**SHORT), config)
        assert upstream.connections


async def test_answers_to_strangers_are_as_described(
    start_proxy: StartProxy, tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.read_text())
    # A stranger is not told which methods there are.
    options = ("--exclude-checks", "unsupported_method")
    await schemathesis(await start_proxy(access_token=TOKEN, **SHORT), config, *options)


async def test_answers_to_the_owner_are_as_described(
    start_proxy: StartProxy, tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.read_text())
    token = f"Authorization: Bearer {TOKEN}"
    await schemathesis(await start_proxy(access_token=TOKEN, **SHORT), config, "--header", token)


@pytest.mark.parametrize("prefix", ["", "/video"])
async def test_paths_begin_where_the_proxy_is_mounted(prefix: str) -> None:
    app = create_app()
    if prefix:
        app, mounted = web.Application(), app
        app.add_subapp(prefix, mounted)
    async with AsyncExitStack() as stack:
        proxy = await serve(app, stack)
        address = proxy.url(f"{prefix}/api/openapi.json")
        async with proxy.client.get(address) as got:
            document = await got.json()
        base = urljoin(address, document["servers"][0]["url"]).rstrip("/")
        assert "/health" in document["paths"]
        async with proxy.client.get(f"{base}/health") as got:
            assert got.status == 200
