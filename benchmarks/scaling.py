"""What more processes, and a cache in front, do: the numbers of docs/scaling.md.

    python benchmarks/scaling.py

Everything runs on this machine: client, site and servers share its CPUs. CPU seconds can be
compared, seconds only with care.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from film import Film, random_film
from load import run_ranges
from origin import Site, running_nginx, running_site
from peers import REPOSITORY, streamproxy
from processes import Peer, free_port
from reading import Wire

_MIB = 2**20
_GIB = 2**30
_RANGE = 64 * 1024
_REQUESTS = 2000


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=256, help="size of the film")
    parser.add_argument("--viewers", type=int, default=20, help="who watch it at once")
    given = parser.parse_args(argv)
    print(f"{os.cpu_count()} CPUs, a film of {given.megabytes} MiB, {given.viewers} viewers\n")
    print("| what | value |\n| --- | ---: |")
    with random_film(given.megabytes * _MIB) as film, running_site(film) as site:
        for workers in (1, 2, 4):
            for name, value in _by_workers(site, film, workers, given.viewers):
                print(f"| {workers} workers: {name} | {value:.3g} |", flush=True)
        for name, value in _behind_nginx(site, film, given.viewers):
            print(f"| nginx with slices: {name} | {value:.3g} |", flush=True)
    return 0


def _by_workers(site: Site, film: Film, workers: int, viewers: int) -> Iterator[tuple[str, float]]:
    """Yield what a number of workers takes and does."""
    folder = film.folder / f"workers-{workers}"
    folder.mkdir()
    with streamproxy(site, folder, options=("--workers", str(workers))) as peer:
        url = peer.urls["http"]
        with Wire(url, film) as wire:
            wire.fetch(0, _RANGE)
        yield "RSS MiB of all processes", peer.rss_kib() / 1024
        yield from _all_at_once(peer, url, film, viewers)
        before, started = peer.cpu_s(), time.perf_counter()
        run_ranges(url, film, connections=32, requests=_REQUESTS, length=_RANGE)
        yield "64 KiB ranges: requests/s", _REQUESTS / (time.perf_counter() - started)
        yield "64 KiB ranges: CPU ms/request", (peer.cpu_s() - before) / _REQUESTS * 1000


def _all_at_once(peer: Peer, url: str, film: Film, viewers: int) -> Iterator[tuple[str, float]]:
    """Let viewers fetch the whole film at once; every byte is compared."""

    def view(_: int) -> None:
        with Wire(url, film) as wire:
            wire.fetch()

    before, started = peer.cpu_s(), time.perf_counter()
    with ThreadPoolExecutor(viewers) as pool:
        list(pool.map(view, range(viewers)))
    gib = viewers * film.size / _GIB
    yield "GiB/s", gib / (time.perf_counter() - started)
    yield "CPU s/GiB", (peer.cpu_s() - before) / gib


def _behind_nginx(site: Site, film: Film, viewers: int) -> Iterator[tuple[str, float]]:
    """Yield what deploy/nginx.conf makes of many viewers of one film, without TLS."""
    folder = film.folder / "behind"
    folder.mkdir()
    options = ("--trusted-proxy", "127.0.0.1", "--no-auth")
    with (
        streamproxy(site, folder, options=options) as instance,
        _nginx(instance, film.folder / "front") as front,
    ):
        url = front.urls["http"]
        log = film.folder / "site" / "access.log"
        before = _bytes_sent(log)
        for name, value in _all_at_once(front, url, film, viewers):
            yield f"the first {viewers}: {name}", value
        yield "bytes from the site, in films", (_bytes_sent(log) - before) / film.size
        for name, value in _all_at_once(front, url, film, viewers):
            yield f"the next {viewers}: {name}", value


@contextmanager
def _nginx(instance: Peer, folder: Path) -> Iterator[Peer]:
    """Run nginx with the shipped configuration, but for names, ports, paths and TLS."""
    folder.mkdir()
    port = free_port()
    behind = re.search(r"//([^/]+)/", instance.urls["http"])
    text = (REPOSITORY / "deploy" / "nginx.conf").read_text()
    text = re.sub(r"(?m)^    (listen \[|ssl_|server_name|server streamproxy-2).*\n", "", text)
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} backlog=4096")
    text = text.replace("streamproxy-1:5000", behind[1] if behind else "")
    text = text.replace("/var/cache/nginx/streamproxy", str(folder / "cache"))
    with running_nginx("front", text, {"http": port}, folder) as peer:
        path = instance.urls["http"].partition("/stream")[2]
        urls = {"http": f"http://127.0.0.1:{port}/stream{path}"}
        yield Peer(peer.name, urls, peer.pid, peer.started_at)


def _bytes_sent(log: Path) -> int:
    """Return the bytes of the bodies that nginx has logged."""
    sizes = re.findall(r'" \d{3} (\d+) "', log.read_text("utf-8", "replace"))
    return sum(map(int, sizes))


if __name__ == "__main__":
    sys.exit(main())
