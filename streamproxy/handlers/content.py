"""The content of a request, read within limits."""

import asyncio

from aiohttp import web

from streamproxy.relay.presence import ClientGone


async def read_content(request: web.Request, *, max_size: int, within_s: float) -> bytes:
    """Return the content of a request; of one that is too long, some bytes more than *max_size*.

    Not by request.read() or request.post(): they take as much as the server permits anywhere,
    for as long as it may take, and post() decodes it by whatever encoding the client names,
    some of which take minutes.

    :raises ClientGone: the client left meanwhile.
    :raises HTTPRequestTimeout: it did not send all of it in time.
    """
    content = bytearray()
    try:
        async with asyncio.timeout(within_s):
            while len(content) <= max_size and (chunk := await request.content.readany()):
                content += chunk
    except TimeoutError as exc:
        raise web.HTTPRequestTimeout from exc
    except ConnectionError as exc:
        raise ClientGone from exc.with_traceback(None)
    return bytes(content)
