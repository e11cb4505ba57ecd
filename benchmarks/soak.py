"""Soak: thousands of requests with faulty upstreams and clients that leave.

    python benchmarks/soak.py [--requests 20000]

Every body is held against the bytes that it must have: complete where the upstream leaves
a way, else a visible cut. Afterwards the server must hold what it held before: descriptors,
streams, and memory. Memory is compared with what it was after a warm-up of a tenth of the
requests, or of 500 where they are few.

Exit status: 0 where all held, else 1. Linux only: it reads /proc.
"""

import argparse
import asyncio
import enum
import random
import re
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from aiohttp import ClientError, ClientPayloadError, ClientSession, ClientTimeout, TCPConnector
from observed import Observed, observed

_CONCURRENCY = 64
_SEED = 9110
_QUIET_TIMEOUT_S = 20.0
_REQUEST_TIMEOUT_S = 30.0
# Short times, or a soak would mostly wait.
_SERVER = (
    *("--read-timeout", "1.5", "--connect-timeout", "20"),
    # A kept connection that dies under a request costs one of them.
    *("--retry-attempts", "5", "--resume-attempts", "4"),
)
_RSS_GROWTH = 0.10
# Requests until memory is about what it stays at: after 150 it is not, seen with 60,000.
_LEAST_WARM_UP = 2000
_MAX_SIZE = 1024 * 1024
# Any two places of it, and so any two versions of a file, differ within a few bytes.
_BYTES = random.Random(_SEED).randbytes(4 * _MAX_SIZE)  # noqa: S311  # content, no secret


class Fault(enum.Enum):
    """What the upstream does; a value says whether a patient proxy can complete the body."""

    HONEST = "honest"
    CLOSES_AFTERWARDS = "closes the kept connection"
    SURPLUS = "sends more after the end"
    CUT = "cuts"
    RESET = "resets"
    STALL = "stalls"
    HEADLESS = "closes without a head, once"
    BUSY = "is busy, once"
    WEAK = "cuts, without a strong validator"
    CHANGED = "cuts, and has changed"
    DEAD = "cuts, and does not come back"
    MISSING = "has no such file"


_WEIGHTS = {Fault.HONEST: 20, Fault.CUT: 5, Fault.RESET: 5, Fault.STALL: 2, Fault.DEAD: 0.5}
_INCOMPLETE = {Fault.WEAK, Fault.CHANGED, Fault.DEAD}


class Leave(enum.Enum):
    """When a client leaves."""

    NEVER = "never"
    BEFORE_THE_HEAD = "before the head"
    IN_THE_BODY = "in the body"


@dataclass(frozen=True, slots=True)
class Case:
    """One request, and what the upstream does with it."""

    number: int
    size: int
    fault: Fault
    leave: Leave
    byte_range: str | None
    cut_at: int
    patience_s: float

    def content(self, version: int = 0) -> memoryview:
        """Return the bytes of the file."""
        start = (self.number * 8191 + version * 1_000_003) % (len(_BYTES) - _MAX_SIZE)
        return memoryview(_BYTES)[start : start + self.size]

    def expected(self) -> memoryview:
        """Return the bytes that are asked for."""
        first_pos, last_pos = select(self.byte_range, self.size)
        return self.content()[first_pos : last_pos + 1]


def select(byte_range: str | None, size: int) -> tuple[int, int]:
    """Return first_pos and last_pos of a satisfiable range."""
    if byte_range is None:
        return 0, size - 1
    first, _, last = byte_range.partition("-")
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def make_cases(number: int) -> list[Case]:
    """Return as many cases, always the same ones."""
    chance = random.Random(_SEED)  # noqa: S311  # a plan, no secret
    faults = chance.choices(list(Fault), [_WEIGHTS.get(fault, 1) for fault in Fault], k=number)
    leaves = chance.choices(list(Leave), [8, 1, 1], k=number)
    cases = []
    for index, (fault, leave) in enumerate(zip(faults, leaves, strict=True)):
        is_large = chance.random() < 0.05
        size = chance.randint(1, _MAX_SIZE if is_large else 48 * 1024)
        first_pos = chance.randrange(size)
        ranges = (
            *(None, None, f"{first_pos}-", f"-{chance.randint(1, size)}"),
            f"{first_pos}-{chance.randint(first_pos, size + 10)}",
        )
        cases.append(
            Case(
                index,
                size,
                fault,
                leave,
                chance.choice(ranges),
                chance.randrange(size),
                chance.random() * 0.2,
            )
        )
    return cases


@dataclass
class Upstream:
    """A site that does what each case says; the path of a link is the number of its case."""

    cases: list[Case]
    port: int = 0
    asked: Counter[int] = field(default_factory=Counter)
    writers: set[StreamWriter] = field(default_factory=set)

    def link(self, case: Case) -> str:
        """Return the link of a case."""
        return f"http://127.0.0.1:{self.port}/{case.number}/film.mp4"

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one connection."""
        self.writers.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not await self._answer(head, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _answer(self, head: bytes, reader: StreamReader, writer: StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""
        case = self.cases[int(head.split(b"/", 2)[1])]
        self.asked[case.number] += 1
        is_first = self.asked[case.number] == 1
        match case.fault:
            case Fault.HEADLESS if is_first:
                return False
            case Fault.DEAD if not is_first:
                return False
            case Fault.BUSY if is_first:
                writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
                return True
            case Fault.MISSING:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                return True
        version = 1 if case.fault is Fault.CHANGED and not is_first else 0
        response_head, body = _response(case, head, version)
        is_broken = case.fault in _INCOMPLETE | {Fault.CUT, Fault.RESET, Fault.STALL}
        if is_broken and is_first:
            writer.write(response_head + body[: case.cut_at])
            await writer.drain()
            if case.fault is Fault.STALL:
                await reader.read(1)
            elif case.fault is Fault.RESET:
                writer.transport.abort()
            return False
        writer.write(response_head)
        # At one time: what comes when the next request is sent already, is an answer to it for
        # all that HTTP/1.1 knows.
        surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
        writer.write(bytes(body) + surplus if case.fault is Fault.SURPLUS else body)
        await writer.drain()
        return case.fault is not Fault.CLOSES_AFTERWARDS

    def hang_up(self) -> None:
        """Close all connections."""
        for writer in self.writers:
            writer.close()


def _response(case: Case, head: bytes, version: int) -> tuple[bytes, memoryview]:
    """Return head and body of an honest response."""
    asked = re.search(rb"\r\nRange: bytes=([0-9-]+)", head)
    byte_range = asked[1].decode() if asked else None
    first_pos, last_pos = select(byte_range, case.size)
    body = case.content(version)[first_pos : last_pos + 1]
    weak = "W/" if case.fault is Fault.WEAK else ""
    fields = [
        f"HTTP/1.1 {'206 Partial Content' if asked else '200 OK'}",
        "Content-Type: video/mp4",
        f"Content-Length: {len(body)}",
        f'ETag: {weak}"{case.number}-{version}"',
    ]
    if asked:
        fields.append(f"Content-Range: bytes {first_pos}-{last_pos}/{case.size}")
    return "\r\n".join([*fields, "\r\n"]).encode(), body


@asynccontextmanager
async def running_upstream(cases: list[Case]) -> AsyncIterator[Upstream]:
    """Run the upstream of all cases."""
    upstream = Upstream(cases)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, backlog=1024)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        upstream.hang_up()


@dataclass
class Record:
    """What became of the requests."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bytes_received: int = 0
    wrong: list[str] = field(default_factory=list)


class Client:
    """Sends the requests and judges what comes."""

    def __init__(self, session: ClientSession, port: int, upstream: Upstream) -> None:
        self._session = session
        self._origin = f"http://127.0.0.1:{port}"
        self._upstream = upstream

    async def run(self, case: Case, record: Record) -> None:
        """Send the request of a case; another route is asked now and then."""
        if case.number % 20 == 0:
            link = quote(self._upstream.link(case), safe="")
            route = ("/", "/health", f"/api/validate?url={link}")[case.number // 20 % 3]
            async with self._session.get(self._origin + route) as got:
                await got.read()
                if got.status != 200:
                    record.wrong.append(f"{case}: {route} is {got.status}")
            return
        try:
            patience_s = _REQUEST_TIMEOUT_S
            if case.leave is Leave.BEFORE_THE_HEAD:
                patience_s = case.patience_s
            async with asyncio.timeout(patience_s):
                outcome = await self._stream(case, record)
        except TimeoutError:
            outcome = "left"
            if case.leave is not Leave.BEFORE_THE_HEAD:
                record.wrong.append(f"{case}: no end")
        except ClientError as exc:
            outcome = "no answer"
            record.wrong.append(f"{case}: {exc!r}")
        record.outcomes[outcome] += 1

    async def _stream(self, case: Case, record: Record) -> str:
        url = f"{self._origin}/stream?url={quote(self._upstream.link(case), safe='')}"
        headers = {"Range": f"bytes={case.byte_range}"} if case.byte_range else {}
        expected = case.expected()
        received = bytearray()
        got = await self._session.get(url, headers=headers)
        try:
            if got.status >= 400:
                return self._judge_refusal(case, got.status, record)
            while chunk := await got.content.readany():
                received += chunk
                if case.leave is Leave.IN_THE_BODY and len(received) > case.cut_at // 2:
                    return "left"
        except ClientPayloadError:
            if case.fault not in _INCOMPLETE:
                record.wrong.append(f"{case}: cut after {len(received)} of {len(expected)}")
            return "cut"
        else:
            if received != expected:
                record.wrong.append(f"{case}: {len(received)} of {len(expected)}, and an end")
            return "complete"
        finally:
            if received != expected[: len(received)]:
                record.wrong.append(f"{case}: other bytes than the file's")
            record.bytes_received += len(received)
            got.close()

    def _judge_refusal(self, case: Case, status: int, record: Record) -> str:
        if (status, case.fault) != (404, Fault.MISSING):
            asked = self._upstream.asked[case.number]
            record.wrong.append(f"{case}: status {status} after {asked} requests to the site")
        return "refused"


async def run_cases(cases: list[Case], server: Observed, upstream: Upstream) -> Record:
    """Send the requests, a number of them at a time."""
    record = Record()
    waiting = iter(cases)
    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector, timeout=ClientTimeout(total=None)) as session:
        client = Client(session, server.port, upstream)

        async def work() -> None:
            for case in waiting:
                await client.run(case, record)

        await asyncio.gather(*(work() for _ in range(_CONCURRENCY)))
    upstream.hang_up()
    return record


@dataclass(frozen=True, slots=True)
class Held:
    """What the server holds when nothing runs."""

    rss_kib: int
    descriptors: int
    streams: int


async def held_when_quiet(server: Observed, descriptors: int | None = None) -> Held:
    """Return what the server holds, as soon as it is no more than expected, or in the end."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_QUIET_TIMEOUT_S):
            while await server.streams() or server.descriptors() != descriptors:
                if descriptors is None:
                    break
                await asyncio.sleep(0.1)
    return Held(server.rss_kib(), server.descriptors(), await server.streams())


async def soak(requests: int) -> bool:
    """Run it all, print what was seen, and return whether all held."""
    cases = make_cases(requests)
    warm_up = max(requests // 10, min(_LEAST_WARM_UP, requests // 2))
    started = time.monotonic()
    async with running_upstream(cases) as upstream, observed(*_SERVER) as server:
        before = await held_when_quiet(server)
        first = await run_cases(cases[:warm_up], server, upstream)
        warm = await held_when_quiet(server, before.descriptors)
        second = await run_cases(cases[warm_up:], server, upstream)
        after = await held_when_quiet(server, before.descriptors)
        status, complaints = await server.stop()
    seconds = time.monotonic() - started
    wrong = first.wrong + second.wrong
    growth = after.rss_kib / warm.rss_kib - 1
    checks = {
        f"{len(wrong)} wrong answers": not wrong,
        f"{after.descriptors} descriptors, {before.descriptors} at the start": (
            after.descriptors == before.descriptors
        ),
        f"{after.streams} streams left": after.streams == 0,
        f"{after.rss_kib / 1024:.1f} MiB resident, {warm.rss_kib / 1024:.1f} MiB after"
        f" {warm_up} requests ({growth:+.1%})": growth <= _RSS_GROWTH,
        f"exit status {status}": status == 0,
        f"{len(complaints)} complaints in the log": not complaints,
    }
    outcomes = first.outcomes + second.outcomes
    mebibytes = (first.bytes_received + second.bytes_received) / 2**20
    print(
        f"{requests} requests in {seconds:.0f} s, {_CONCURRENCY} at a time, {mebibytes:.0f} MiB\n"
    )
    print("| outcome | requests |\n| --- | ---: |")
    for outcome, number in outcomes.most_common():
        print(f"| {outcome} | {number} |")
    print("\n| seen | holds |\n| --- | --- |")
    for seen, holds in checks.items():
        print(f"| {seen} | {'yes' if holds else '**no**'} |")
    for line in (wrong + complaints)[:20]:
        print(f"\n    {line}", file=sys.stderr)
    return all(checks.values())


def main() -> int:
    """Read the arguments, run, return the exit status."""
    parser = argparse.ArgumentParser(description="Soak streamproxy with faults and leavers.")
    parser.add_argument("--requests", type=int, default=20_000, metavar="NUMBER")
    return 0 if asyncio.run(soak(parser.parse_args().requests)) else 1


if __name__ == "__main__":
    sys.exit(main())
