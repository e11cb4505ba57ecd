"""Load: ask for ranges over kept connections, look at each head, discard each body.

A process of its own, so that its CPU is nobody else's. Prints one line of JSON:

    python benchmarks/load.py http://127.0.0.1:8080/film.mp4 --size 1073741824
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

# One seed: every peer is asked for the same ranges.
_SEED = 9110
# What the client reads at once: as much as a socket on loopback mostly has.
_BUFFER_SIZE = 256 * 1024


class WrongAnswer(Exception):
    """An answer that is not the one asked for: there is nothing to measure."""


class RangeClient(asyncio.BufferedProtocol):
    """One connection: the next range as soon as the last one is complete.

    :param ranges: first_pos of each range, shared by all connections.
    :param target: path and query of the request line.
    :param latencies_s: where the seconds from request to last byte are put.
    """

    def __init__(
        self,
        ranges: Iterator[int],
        *,
        host: str,
        target: str,
        length: int,
        size: int,
        latencies_s: list[float],
    ) -> None:
        self._ranges = ranges
        self._request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nRange: bytes="
        self._length, self._size = length, size
        self._latencies_s = latencies_s
        self._buffer = bytearray(_BUFFER_SIZE)
        self._head = bytearray()
        self._left = 0
        self._first_pos = 0
        self._asked_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with the first range."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        first_pos = next(self._ranges, None)
        if first_pos is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._first_pos = first_pos
        self._asked_at = time.perf_counter()
        request = f"{self._request}{first_pos}-{first_pos + self._length - 1}\r\n\r\n"
        self._transport.write(request.encode("ascii"))

    def get_buffer(self, _sizehint: int) -> bytearray:
        """Return the one buffer: what is in it is counted, not kept."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count the bytes of a body, after looking at the head before it."""
        if not self._left:
            self._head += self._buffer[:nbytes]
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            nbytes = len(body)
            self._head.clear()
            if not self._is_right(head.decode("latin-1")):
                first_line = head.partition(b"\r\n")[0].decode("latin-1")
                self._fail(f"not the range that was asked for: {first_line}")
                return
            self._left = self._length
        self._left -= nbytes
        if self._left < 0:
            self._fail("more bytes than announced")
        elif not self._left:
            self._latencies_s.append(time.perf_counter() - self._asked_at)
            self._ask()

    def _is_right(self, head: str) -> bool:
        status, *lines = head.split("\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (s.partition(":") for s in lines)
        }
        last_pos = self._first_pos + self._length - 1
        return (
            status.split()[1] == "206"
            and fields.get("content-length") == str(self._length)
            and fields.get("content-range") == f"bytes {self._first_pos}-{last_pos}/{self._size}"
        )

    def _fail(self, reason: str) -> None:
        self.done.set_exception(WrongAnswer(reason))
        self._transport.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Refuse an end in the middle of a response."""
        if not self.done.done():
            self.done.set_exception(WrongAnswer("the connection ended early"))


async def run(url: str, *, connections: int, requests: int, length: int, size: int) -> list[float]:
    """Return the seconds that each of *requests* took.

    :param length: bytes of each range.
    :param size: complete length of the file behind *url*, in bytes.
    :raises WrongAnswer: status, length or range is not the one asked for.
    """
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    choose = random.Random(_SEED)  # noqa: S311  # repeatable, not secret
    ranges = iter([choose.randrange(size - length) for _ in range(requests)])
    latencies_s: list[float] = []
    clients = [
        RangeClient(
            ranges,
            host=parts.netloc,
            target=target,
            length=length,
            size=size,
            latencies_s=latencies_s,
        )
        for _ in range(connections)
    ]
    loop = asyncio.get_running_loop()
    waiting = iter(clients)
    for _ in clients:
        await loop.create_connection(lambda: next(waiting), parts.hostname or "", parts.port or 80)
    await asyncio.gather(*(client.done for client in clients))
    return latencies_s


def main() -> int:
    """Load one URL and print what was seen; status 1 where an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("--size", type=int, required=True, help="bytes of the file")
    parser.add_argument("--length", type=int, default=64 * 1024, help="bytes of each range")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--requests", type=int, default=1000)
    given = parser.parse_args()
    loading = run(
        given.url,
        connections=given.connections,
        requests=given.requests,
        length=given.length,
        size=given.size,
    )
    try:
        latencies_s = asyncio.run(loading)
    except (WrongAnswer, OSError) as exc:
        print(f"load: {exc}", file=sys.stderr)
        return 1
    p50_ms = statistics.median(latencies_s) * 1000
    print(json.dumps({"requests": len(latencies_s), "p50_ms": p50_ms}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
