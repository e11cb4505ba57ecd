"""A streamproxy that is watched from outside its chain, and another site beside it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from playwright.async_api import BrowserContext, Frame
from yarl import URL

from streamproxy import Settings, create_app, default_middlewares

from .conftest import served

WAIT_S = 60


@dataclass(frozen=True)
class Answer:
    """What became of one request: ``code`` is that of the contract, or None."""

    method: str
    path: str
    status: int
    code: str | None


class Gate:
    """A running streamproxy of which each answer is seen, after it is decided.

    ``address`` is where its page is, with the slash at its end.
    """

    def __init__(self) -> None:
        self.address = ""
        self._answers: list[tuple[str, Answer]] = []
        self._news = asyncio.Event()

    def route(self, name: str, link: str) -> str:
        """Return the address of a route for a link."""
        return str(URL(self.address).join(URL(name)).with_query(url=link))

    def answers(self, mark: str = "") -> list[Answer]:
        """Return the answers to requests whose query holds *mark*."""
        return [answer for query, answer in self._answers if mark in query]

    async def wait_for_answer(self, mark: str) -> None:
        """Wait until a request whose query holds *mark* is answered."""
        async with asyncio.timeout(WAIT_S):
            while not self.answers(mark):
                self._news.clear()
                await self._news.wait()

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as exc:
            self._note(request, exc)
            raise
        self._note(request, response)
        return response

    def _note(self, request: web.Request, response: web.StreamResponse) -> None:
        code = None
        if isinstance(response, web.Response) and response.content_type.endswith("json"):
            code = json.loads(response.text or "{}").get("code")
        answer = Answer(request.method, request.path, response.status, code)
        self._answers.append((request.query_string, answer))
        self._news.set()


@asynccontextmanager
async def guarded(
    host: str = "127.0.0.1", *, readers: BrowserContext | None = None, **settings: Any
) -> AsyncIterator[Gate]:
    """Run a streamproxy that may reach loopback.

    :param readers: a profile whose pages are closed before the server: they ask to the last.
    """
    chosen = Settings.parse(host=host, allow_network="127.0.0.0/8", **settings)
    gate = Gate()
    app = create_app(chosen, middlewares=(gate.watch, *default_middlewares(chosen)))
    async with served(app, host) as origin:
        gate.address = f"{origin}/"
        yield gate
        for page in readers.pages if readers else ():
            await page.close()


class Neighbour:
    """Another site on the same machine, and a person who reads it.

    :param origin: of the site; only its port differs from that of a streamproxy.
    """

    def __init__(self, origin: str, profile: BrowserContext) -> None:
        self.origin = origin
        self.elsewhere = origin.replace("127.0.0.1", "elsewhere.localhost")
        self._profile = profile

    async def open(self, whose: str) -> tuple[Frame, str]:
        """Open a page of "another site", of "another port", or of "nobody".

        :return: the frame whose scripts ask, and its site.
        """
        site = self.elsewhere if whose == "another site" else self.origin
        page = await self._profile.new_page()
        await page.goto(f"{site}/frame" if whose == "nobody" else f"{site}/empty")
        return page.frames[-1], site

    async def visit(self, address: str) -> None:
        """Let the reader of this site have been at an address, and have its cookies."""
        await self._profile.request.get(address)


@asynccontextmanager
async def neighbouring(profile: BrowserContext) -> AsyncIterator[Neighbour]:
    """Run another site."""
    async with served(_other_site()) as origin:
        yield Neighbour(origin, profile)


@asynccontextmanager
async def neighbouring_site() -> AsyncIterator[str]:
    """Run another site and give its origin, for whoever needs no profile."""
    async with served(_other_site()) as origin:
        yield origin.replace("127.0.0.1", "elsewhere.localhost")


def _other_site() -> web.Application:
    """Return a site of somebody else: an empty page, a sandboxed one in a frame, redirects."""

    icon = '<link rel="icon" href="data:,">'  # else the browser asks for one, and complains

    async def empty(_request: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html>{icon}", content_type="text/html")

    async def frame(_request: web.Request) -> web.Response:
        may = "allow-scripts allow-forms allow-popups allow-top-navigation allow-downloads"
        html = f'<!doctype html>{icon}<iframe sandbox="{may}" src="/empty"></iframe>'
        return web.Response(text=html, content_type="text/html")

    async def redirect(request: web.Request) -> web.Response:
        fields = {"Location": request.query["to"], "Access-Control-Allow-Origin": "*"}
        return web.Response(status=302, headers=fields)

    app = web.Application()
    app.router.add_get("/empty", empty)
    app.router.add_get("/frame", frame)
    app.router.add_get("/redirect", redirect)
    return app
