"""The classic design, to compare with: Flask, requests and a generator, under gunicorn.

    gunicorn --worker-class gthread --threads 32 --chdir benchmarks classic:app

As such proxies are mostly written, at their best: one session for all threads instead of
a connection for each request, and chunks of 64 KiB instead of the usual eight.
"""

from collections.abc import Iterator

import requests
from flask import Flask, Response, request
from requests.adapters import HTTPAdapter

_CHUNK_SIZE = 64 * 1024
_POOL_SIZE = 1024
_TIMEOUT_S = 30
_PASSED = ("Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "ETag")

session = requests.Session()
for scheme in ("http://", "https://"):
    session.mount(scheme, HTTPAdapter(pool_maxsize=_POOL_SIZE))


def stream() -> Response:
    """Forward the bytes of ?url=."""
    asked = {"Accept-Encoding": "identity"}
    if "Range" in request.headers:
        asked["Range"] = request.headers["Range"]
    upstream = session.get(request.args["url"], headers=asked, stream=True, timeout=_TIMEOUT_S)

    def body() -> Iterator[bytes]:
        with upstream:
            yield from upstream.iter_content(_CHUNK_SIZE)

    fields = {name: upstream.headers[name] for name in _PASSED if name in upstream.headers}
    return Response(body(), status=upstream.status_code, headers=fields)


app = Flask(__name__)
app.add_url_rule("/stream", view_func=stream)
