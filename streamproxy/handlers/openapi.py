"""GET /api/openapi.json: the description of this API."""

import json
from functools import cache

from aiohttp import web

from streamproxy.openapi.document import make_document


async def openapi(_request: web.Request) -> web.Response:
    """Answer with the OpenAPI document."""
    return web.Response(
        body=_encoded(), content_type="application/json", headers={"Cache-Control": "no-cache"}
    )


@cache
def _encoded() -> bytes:
    return json.dumps(make_document()).encode()
