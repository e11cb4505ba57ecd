"""The least that aiohttp can do, to compare with: what any proxy on it has to pay.

    python benchmarks/bare.py PORT LOG

No check of the link, no time-out, no resume, no word about what went wrong: one session, one
handler, aiohttp's own access log.
"""

import logging
import ssl
import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, TCPConnector, web

_PASSED = ("Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "ETag")
_SESSION = web.AppKey("session", ClientSession)


async def _open_session(app: web.Application) -> AsyncIterator[None]:
    connector = TCPConnector(limit=0, ssl=ssl.create_default_context())
    async with ClientSession(connector=connector, auto_decompress=False) as app[_SESSION]:
        yield


async def stream(request: web.Request) -> web.StreamResponse:
    """Forward the bytes of ?url=."""
    asked = {"Accept-Encoding": "identity"}
    if "Range" in request.headers:
        asked["Range"] = request.headers["Range"]
    async with request.app[_SESSION].get(request.query["url"], headers=asked) as upstream:
        fields = {name: upstream.headers[name] for name in _PASSED if name in upstream.headers}
        response = web.StreamResponse(status=upstream.status, headers=fields)
        await response.prepare(request)
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response


def main(port: str, log: str) -> None:
    """Serve until killed."""
    logging.basicConfig(filename=log, level=logging.INFO)
    app = web.Application()
    app.cleanup_ctx.append(_open_session)
    app.router.add_get("/stream", stream)
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, backlog=4096)


if __name__ == "__main__":
    main(*sys.argv[1:])
