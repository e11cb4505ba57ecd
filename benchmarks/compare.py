"""Compare streamproxy with nginx, haproxy, the classic design and bare aiohttp.

    python benchmarks/compare.py [--quick] [--relay copy|splice|both] [--markdown FILE]

An nginx serves a random file from memory; each peer forwards it, in one process that does
the work. Every byte that comes is compared with the file. Rounds are interleaved, so that
what else the machine does meets all alike; the numbers are medians. Numbers of two machines
cannot be compared with each other, the ratios of one machine can. docs/performance.md tells
what each measure is. Linux only: it reads /proc.

Exit status: 0; 1 where bytes are wrong or a server does not run; 2 where nginx is missing.
Another peer that is missing is said and left out.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import peers
from film import Film, WrongBytes, random_film
from judge import TARGETS
from origin import Site, running_site
from processes import MissingProgram, NotStarted
from report import as_json, as_table, as_targets
from rounds import ALSO, BARE, COPY, FULL, QUICK, SPLICE, Comparison, Plan, Starter


def find_starters(relay: str, also: Path | None) -> dict[str, Starter]:
    """Return how to run each peer, by name, in the order of the columns."""
    starters: dict[str, Starter] = {
        "nginx": peers.nginx,
        "haproxy": peers.haproxy,
        "classic": peers.classic,
        BARE: peers.bare,
    }
    has_splice = peers.can_splice()
    if not has_splice:
        print("compare: this streamproxy has one relay only", file=sys.stderr)
    if relay != "copy" or not has_splice:
        starters[SPLICE] = peers.streamproxy
    if relay != "splice" and has_splice:
        starters[COPY] = partial(peers.streamproxy, options=("--no-splice",), name=COPY)
    if also is not None:
        starters[ALSO] = partial(peers.streamproxy, name=ALSO, checkout=also.resolve())
    return starters


def without_missing(starters: dict[str, Starter], site: Site, film: Film) -> dict[str, Starter]:
    """Return those peers that run here; the others are said.

    :raises MissingProgram: nginx is missing, without which there is nothing to compare with.
    """
    found = {}
    for name, starter in starters.items():
        with tempfile.TemporaryDirectory(dir=film.folder) as folder:
            try:
                with starter(site, Path(folder)):
                    found[name] = starter
            except MissingProgram as exc:
                print(f"compare: left out: {exc}", file=sys.stderr)
    return found


def describe(plan: Plan, seconds: float) -> str:
    """Return where, when and how the numbers were made, in one line."""
    cpu = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    congestion = "an unknown congestion control"
    with suppress(OSError):  # not every container shows it
        congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text("utf-8").strip()
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"Made by `{command}` on {day}, in {seconds:.0f} s: {os.cpu_count()} CPUs ({cpu}),"
        f" Linux {platform.release()} with {congestion}, Python {platform.python_version()};"
        f" {plan.rounds} rounds, {plan.viewers} viewers."
    )


def make_parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="less of everything: under 2 minutes")
    parser.add_argument("--rounds", type=int, help="rounds that count")
    parser.add_argument(
        "--relay",
        choices=("copy", "splice", "both"),
        default="both",
        help="the relay of streamproxy that is measured (default: both)",
    )
    parser.add_argument(
        "--unpinned",
        action="store_true",
        help="let the scheduler choose the CPUs in the rounds: nearer to service, less repeatable",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to a file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to a file")
    parser.add_argument(
        "--also",
        type=Path,
        metavar="FOLDER",
        help="measure the streamproxy of another checkout too, to see what a change does",
    )
    return parser


def measure(given: argparse.Namespace, plan: Plan) -> Comparison:
    """Run the site and all peers, and measure."""
    with random_film(plan.size) as film, running_site(film) as site:
        if "https" not in site.ports:
            print("compare: https left out: trustme is missing", file=sys.stderr)
        starters = without_missing(find_starters(given.relay, given.also), site, film)
        comparison = Comparison(plan, film, site, starters)
        comparison.run()
    return comparison


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print the tables, and return the exit status."""
    given = make_parser().parse_args(argv)
    # Whoever ends it early (timeout, CI) leaves no servers and no file behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    plan = QUICK if given.quick else FULL
    if given.rounds:
        plan = replace(plan, rounds=given.rounds)
    plan = replace(plan, is_pinned=not given.unpinned)
    started = time.monotonic()
    try:
        samples = measure(given, plan).samples
    except MissingProgram as exc:
        print(f"compare: {exc}", file=sys.stderr)
        return 2
    except (WrongBytes, NotStarted, OSError) as exc:
        print(f"compare: {exc!r}", file=sys.stderr)
        return 1
    made = describe(plan, time.monotonic() - started)
    columns = ("nginx", "haproxy", "classic", BARE, SPLICE, COPY, ALSO)
    tables = f"{made}\n\n{as_table(samples, columns)}\n\n{as_targets(samples, TARGETS)}\n"
    if given.json:
        found = {"made": made, "measures": as_json(samples)}
        given.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    if given.markdown:
        given.markdown.write_text(tables, "utf-8")
    print(tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
