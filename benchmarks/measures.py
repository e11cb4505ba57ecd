"""What is measured of each peer; each returns its numbers by the name of the measure.

CPU is user and system time of all processes of a peer; clients and the upstream are not
counted. What the kernel does for a connection on loopback it does in the process that sends.
"""

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from film import Film, WrongBytes
from load import run_ranges, watch
from origin import BYTES_PER_S, ROUND_TRIP_S, Site
from processes import Peer
from reading import Wire

Measured = dict[str, float]

GIB = 2**30
RANGE_LENGTH = 64 * 1024
CONNECTIONS = (1, 32)
# Viewers who stall before the first reading: they warm the process up.
_WARM_UP_VIEWERS = 20
_SETTLE_S = 0.5
_SETTLE_TIMEOUT_S = 15.0


@contextmanager
def pinned(peer: Peer, site: Site) -> Iterator[None]:
    """Give one CPU to the peer, and the others to the site and to this process.

    Where the scheduler chooses, it puts peer and client on one CPU now and on two then, and
    the same bytes cost between half and twice as much (seen with nginx and haproxy too).
    """
    allowed = os.sched_getaffinity(0)
    first = {min(allowed)}
    others = allowed - first or first
    peer.pin(first)
    site.server.pin(others)
    os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
        site.server.pin(allowed)
        peer.pin(allowed)


def bulk(peer: Peer, film: Film, way: str, transfers: int) -> Measured:
    """Fetch the whole file a few times over one connection."""
    before, started = peer.cpu_s(), time.perf_counter()
    with Wire(peer.urls[way], film) as wire:
        for _ in range(transfers):
            wire.fetch()
    gib = transfers * film.size / GIB
    seconds = time.perf_counter() - started
    return {
        f"bulk {way}: CPU s/GiB": (peer.cpu_s() - before) / gib,
        f"bulk {way}: GiB/s": gib / seconds,
    }


def ranges(peer: Peer, film: Film, connections: int, requests: int) -> Measured:
    """Ask for small ranges over kept connections."""
    before = peer.cpu_s()
    taken_s = run_ranges(
        peer.urls["http"],
        film,
        connections=connections,
        requests=requests,
        length=RANGE_LENGTH,
    )
    spent_s = peer.cpu_s() - before
    cuts_s = statistics.quantiles(taken_s, n=100)
    label = f"64 KiB ranges, {connections} connection{'s' if connections > 1 else ''}"
    return {
        f"{label}: CPU ms/request": spent_s * 1000 / len(taken_s),
        f"{label}: p50 ms": cuts_s[49] * 1000,
        f"{label}: p99 ms": cuts_s[98] * 1000,
    }


def round_trips(peer: Peer, film: Film, times: int) -> Measured:
    """Seek in a file of a distant upstream: time to the first byte, in round trips.

    The round trip is what was added, the rest of the time is everybody's own.
    """
    url, step = peer.urls["distant"], film.size // (times + 2)

    def seeks(url: str) -> float:
        with Wire(url, film) as wire:
            wire.fetch(0, RANGE_LENGTH)
            found = [wire.fetch(step * n, RANGE_LENGTH) for n in range(1, times + 1)]
        return statistics.median(found) / ROUND_TRIP_S

    found = {"warm seek: round trips": seeks(url)}
    found["seek out of a running stream: round trips"] = _leaps(url, film, step, times)
    if "moved" in peer.urls:
        found["warm seek behind a redirect: round trips"] = seeks(peer.urls["moved"])
    return found


def _leaps(url: str, film: Film, step: int, times: int) -> float:
    """Return the round trips of a seek as browsers do it: leave a response, ask on another."""
    found = []
    with ExitStack() as stack:
        last = stack.enter_context(Wire(url, film))
        last.fetch(0, take=RANGE_LENGTH)
        for n in range(1, times + 1):
            last.close()
            last = stack.enter_context(Wire(url, film))
            found.append(last.fetch(step * n, take=RANGE_LENGTH))
    return statistics.median(found) / ROUND_TRIP_S


def first_play(peer: Peer, film: Film) -> Measured:
    """Play a distant file after /api/validate has looked at it, the first time for the peer."""
    found = []
    for query in range(5):
        # Another link of the same file, and no connection that an earlier one has left.
        url = f"{peer.urls['distant']}%3Fplay%3D{query}"
        parts = urlsplit(url)
        look = parts._replace(path=parts.path.replace("/stream", "/api/validate")).geturl()
        with Wire(look, film) as wire:
            if b'"valid": true' not in wire.ask_once():
                raise WrongBytes("the link is not valid")
        with Wire(url, film) as wire:
            found.append(wire.fetch(0, take=RANGE_LENGTH))
    return {"first play after validate: round trips": statistics.median(found) / ROUND_TRIP_S}


def stalled(peer: Peer, film: Film, way: str, viewers: int) -> Measured:
    """Let viewers stall after 64 KiB, and read what memory each of them takes."""
    with ExitStack() as stack:
        for number in range(viewers + _WARM_UP_VIEWERS):
            if number == _WARM_UP_VIEWERS:
                before = _settled_rss_kib(peer)
            wire = stack.enter_context(Wire(peer.urls[way], film, receive_buffer=RANGE_LENGTH))
            wire.fetch(take=RANGE_LENGTH)
        spent_kib = _settled_rss_kib(peer) - before
    return {f"stalled viewer, {way}: RSS KiB": spent_kib / viewers}


def _settled_rss_kib(peer: Peer) -> int:
    """Wait until the memory does not change any more."""
    deadline = time.monotonic() + _SETTLE_TIMEOUT_S
    now, before = peer.rss_kib(), -1
    while now != before and time.monotonic() < deadline:
        time.sleep(_SETTLE_S)
        now, before = peer.rss_kib(), now
    return now


def watching(peer: Peer, film: Film, site: Site, viewers: int, seconds: float) -> Measured:
    """Let many viewers watch at 5 Mbit/s each, the peer on one CPU."""
    before, started = peer.cpu_s(), time.perf_counter()
    with pinned(peer, site):
        url = peer.urls["paced"]
        seen = watch(url, film, viewers=viewers, bytes_per_s=BYTES_PER_S, seconds=seconds)
    spent_s, took_s = peer.cpu_s() - before, time.perf_counter() - started
    return {
        "watching: late viewers": len(seen.late_viewers),
        "watching: bytes missing, %": 100 - 100 * seen.taken / seen.asked,
        "watching: latest byte, ms": seen.worst_s * 1000,
        "watching: client's own lag, ms": seen.lag_s * 1000,
        "watching: CPU s/GiB": spent_s / (seen.taken / GIB),
        "watching: share of a CPU": spent_s / took_s,
    }


def idle(peer: Peer, film: Film) -> Measured:
    """Read how long a peer took from its start to the end of its first answer, and its memory.

    Listening would not do: some listen before they have read their own program.
    """
    with Wire(peer.urls["http"], film) as wire:
        wire.fetch(0, RANGE_LENGTH)
    started_s = time.monotonic() - peer.started_at
    return {"start to first answer: s": started_s, "idle: RSS MiB": peer.rss_kib() / 1024}
