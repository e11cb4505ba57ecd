"""Many viewers who begin at once: the memory that this leaves behind is given back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import streamproxy

# Memory that is freed while what lies between is still held, as a burst of first reads is; then
# viewers who begin at once. It fails unless half of it goes back to the system.
PROGRAM = """
import asyncio, re
from contextlib import AsyncExitStack
from pathlib import Path
from aiohttp import ClientSession, TCPConnector
from proxies import serve
from upstreams import Exchange, raw_upstream, response
from streamproxy import Settings, create_app

VIEWERS, PIECES, LENGTH = 120, 1000, 100_000

def held() -> int:  # MiB
    return int(re.search(r"VmRSS:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

async def stall(exchange: Exchange) -> None:
    fields = {"Content-Type": "video/mp4", "Content-Length": "1000000"}
    await exchange.send(response("200 OK", fields, b"first"))
    await exchange.wait_closed()

async def main() -> None:
    async with AsyncExitStack() as stack, raw_upstream(stall) as upstream:
        app = create_app(Settings.parse(allow_network="127.0.0.0/8"))
        proxy = await serve(app, stack)
        viewers = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
        bytes(2**23)  # from now on glibc takes pieces of this size from its heap
        pairs = [(bytearray(LENGTH), bytearray(1000)) for _ in range(PIECES)]
        kept = [pair[1] for pair in pairs]
        most = held()
        del pairs
        url = proxy.url("/stream", upstream.link())
        playing = await asyncio.gather(*(viewers.get(url) for _ in range(VIEWERS)))
        async with asyncio.timeout(60):
            while most - held() < PIECES * LENGTH / 2**20 / 2:
                await asyncio.sleep(0.1)
        assert (len(kept), len(playing)) == (PIECES, VIEWERS)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_memory_that_a_burst_leaves_is_given_back() -> None:
    paths = Path(streamproxy.__file__).parents[1], Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
