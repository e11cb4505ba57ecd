"""What viewers cost that have paused: the server's memory, and what was read for them.

    python benchmarks/paused_viewers.py [--viewers 400]

Each viewer takes 64 KiB of an endless film and then reads no more. Memory is what the
process has resident; what the kernel buffers for its sockets is not in it, but is in the
bytes that the upstream could send. Linux only: it reads /proc.

Exit status: 0 where every viewer got its bytes and none was cut, else 1.
"""

import argparse
import asyncio
import itertools
import statistics
import sys
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass, field
from urllib.parse import quote

from observed import Observed, observed

_TAKEN = 64 * 1024
_STEP = 20
_SETTLE_S = 0.3
_SETTLE_TIMEOUT_S = 20.0
_BLOCK = bytes(64 * 1024)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 8589934592\r\n\r\n"


@dataclass
class Endless:
    """An upstream that sends as much as is taken, and counts it."""

    sent: list[int] = field(default_factory=list)

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one connection."""
        await reader.readuntil(b"\r\n\r\n")
        index = len(self.sent)
        self.sent.append(0)
        try:
            writer.write(_HEAD)
            # So that what this side buffers is not counted as sent.
            writer.transport.set_write_buffer_limits(high=0)
            while True:
                writer.write(_BLOCK)
                await writer.drain()
                self.sent[index] += len(_BLOCK)
        except (ConnectionError, asyncio.CancelledError):
            writer.close()

    async def settle(self) -> None:
        """Wait until no more is taken."""
        async with asyncio.timeout(_SETTLE_TIMEOUT_S):
            before = -1
            while before != sum(self.sent):
                before = sum(self.sent)
                await asyncio.sleep(_SETTLE_S)


async def pause(server: Observed, link: str) -> StreamWriter:
    """Take the first bytes of a film, and leave the connection as it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=_TAKEN)
    target = f"/stream?url={quote(link, safe='')}"
    writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(_TAKEN)
    return writer


async def measure(viewers: int) -> bool:
    """Let one group of viewers after the other pause, print what they cost."""
    upstream = Endless()
    site = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, backlog=1024)
    link = f"http://127.0.0.1:{site.sockets[0].getsockname()[1]}/film.mp4"
    # No setting is in the way, and raised so far that the limit of descriptors is tested too.
    async with observed("--max-streams", str(max(1024, viewers))) as server:
        rss, writers = [], []
        # The first group warms the process up.
        for number in range(-_STEP, viewers + 1, _STEP):
            await upstream.settle()
            rss.append(server.rss_kib())
            if number < viewers:
                writers += [await pause(server, link) for _ in range(_STEP)]
        running = await server.streams()
        for writer in writers:
            writer.transport.abort()
        for _ in range(100):
            if left := await server.streams():
                await asyncio.sleep(0.1)
        rss_after = server.rss_kib()
        status, complaints = await server.stop()
    site.close()
    differences = [(now - before) / _STEP for before, now in itertools.pairwise(rss[1:])]
    rows = {
        "viewers, all paused": f"{running}",
        "resident, with the first 20": f"{rss[1] / 1024:.1f} MiB",
        "resident, with all": f"{rss[-1] / 1024:.1f} MiB",
        "resident, after all have left": f"{rss_after / 1024:.1f} MiB",
        "resident for each viewer, median": f"{statistics.median(differences):.0f} KiB",
        "resident for each viewer, mean": f"{statistics.mean(differences):.0f} KiB",
        "read from the upstream for each, median": (
            f"{statistics.median(upstream.sent) / 2**20:.2f} MiB"
        ),
        "read from the upstream for each, most": f"{max(upstream.sent) / 2**20:.2f} MiB",
    }
    print("| measured | value |\n| --- | ---: |")
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    return running == len(writers) and not left and status == 0 and not complaints


def main() -> int:
    """Read the arguments, measure, return the exit status."""
    parser = argparse.ArgumentParser(description="Measure what paused viewers cost.")
    parser.add_argument("--viewers", type=int, default=400, metavar="NUMBER")
    return 0 if asyncio.run(measure(parser.parse_args().viewers)) else 1


if __name__ == "__main__":
    sys.exit(main())
