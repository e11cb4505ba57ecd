"""Traces by OpenTelemetry's own instrumentations: the block of docs/observability.md."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import streamproxy

ROOT = Path(streamproxy.__file__).parents[1]

# In a process of its own: the instrumentations change aiohttp for all of it.
PROGRAM = """
import asyncio, json, sys

exec(compile(sys.argv[1], "observability.md", "exec"))

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from aiohttp.test_utils import TestClient, TestServer
from upstreams import CONTENT, Honest, raw_upstream
from streamproxy import Settings, create_app

exporter = InMemorySpanExporter()
provider.add_span_processor(SimpleSpanProcessor(exporter))

async def ask():
    AioHttpClientInstrumentor().uninstrument()  # the client of the test is not traced
    client = TestClient(server)
    AioHttpClientInstrumentor().instrument(url_filter=lambda url: str(url.origin()))
    return client

async def run():
    global server
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        server = TestServer(create_app(Settings.parse(allow_network="127.0.0.0/8")))
        async with server:
            link = upstream.link("/film.mp4?signature=s3cret").replace("//", "//me:s3cret@")
            fields = {"Range": "bytes=5-9", "traceparent": f"00-{32 * 'a'}-{16 * 'b'}-01"}
            client = await ask()
            got = await client.get("/stream", params={"url": link, "sig": "s3cret"}, headers=fields)
            body = await got.read()
            await client.close()
        heads = [exchange.head.decode() for exchange in upstream.exchanges]
    spans = [json.loads(span.to_json()) for span in exporter.get_finished_spans()]
    right = body == CONTENT[5:10]
    print(json.dumps({"status": got.status, "right": right, "heads": heads, "spans": spans}))

asyncio.run(run())
"""


@pytest.fixture(scope="module", params=["", "http"])
def traced(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Stream a part while it is traced, with the old names of attributes and the new ones."""
    page = (ROOT / "docs" / "observability.md").read_text()
    block = re.search(r"<!-- traces -->\n```python\n(.*?)```", page, re.DOTALL)
    assert block is not None
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, block[1]],
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
            "OTEL_SEMCONV_STABILITY_OPT_IN": request.param,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_both_sides_of_a_stream_are_spans_of_one_trace(traced: dict[str, Any]) -> None:
    assert (traced["status"], traced["right"]) == (206, True)
    kinds = {span["kind"]: span for span in traced["spans"]}
    assert set(kinds) == {"SpanKind.SERVER", "SpanKind.CLIENT"}
    server, client = kinds["SpanKind.SERVER"], kinds["SpanKind.CLIENT"]
    assert client["parent_id"] == server["context"]["span_id"]
    assert server["name"] == "GET /stream"


def test_spans_hold_nothing_of_a_link_but_its_origin(traced: dict[str, Any]) -> None:
    said = json.dumps(traced["spans"])
    assert "127.0.0.1" in said
    assert not re.search("s3cret|film|signature|me:", said)


def test_sites_hear_nothing_of_traces(traced: dict[str, Any]) -> None:
    [head] = traced["heads"]
    assert "traceparent" not in head
    assert "a" * 32 not in json.dumps(traced)
