"""Compare streamproxy with nginx as a reverse proxy: CPU per byte and per request.

    python benchmarks/compare.py [--quick] [--json FILE]

An nginx upstream serves a random file from memory; streamproxy and nginx forward it, each
in one process, each logging its requests to a file. Rounds are interleaved, so that what
else the machine does meets both alike; the numbers are medians. CPU is user and system
time of all processes of a peer; the client and the upstream are not counted. Numbers of
two machines cannot be compared with each other, the ratios of one machine can.

Exit status: 0; 1 where bytes are wrong or a server does not run; 2 where a program is missing.
"""

import argparse
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import peers
from peers import MissingProgram, NotStarted, Peer, find_program
from report import Samples, as_json, as_table

_GIB = 2**30
_RANGE_LENGTH = 64 * 1024
_CONNECTIONS = (1, 16)
_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    :param size: bytes of the file.
    :param transfers: whole files in one measurement.
    :param requests: ranges in one measurement.
    """

    rounds: int
    size: int
    transfers: int
    requests: int


FULL = Plan(rounds=7, size=512 * 2**20, transfers=4, requests=5000)
QUICK = Plan(rounds=3, size=256 * 2**20, transfers=4, requests=2000)


class WrongBytes(Exception):
    """A peer sent something else than the file."""


@contextmanager
def random_file(size: int) -> Iterator[tuple[Path, str]]:
    """Make a file in memory where there is room, else on disk; yield its folder and SHA-256."""
    shared_memory = Path("/dev/shm")  # noqa: S108  # only as the parent of a folder of our own
    has_room = False
    if shared_memory.is_dir():
        found = os.statvfs(shared_memory)
        has_room = found.f_bavail * found.f_frsize > 2 * size
    parent = shared_memory if has_room else None
    with tempfile.TemporaryDirectory(prefix="streamproxy-", dir=parent) as folder:
        digest = hashlib.sha256()
        with (Path(folder) / peers.FILE_NAME).open("wb") as file:
            for _ in range(size // 2**20):
                block = os.urandom(2**20)
                digest.update(block)
                file.write(block)
        yield Path(folder), digest.hexdigest()


def check_bytes(peer: Peer, digest: str) -> None:
    """Read the whole file once.

    :raises WrongBytes: it is not the file.
    """
    parts = urlsplit(peer.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        found = hashlib.sha256()
        while block := response.read(2**20):
            found.update(block)
    except (OSError, http.client.HTTPException) as exc:
        raise WrongBytes(f"{peer.name}: {exc!r}") from exc
    finally:
        connection.close()
    if response.status != 200 or found.hexdigest() != digest:
        raise WrongBytes(f"{peer.name}: status {response.status}, SHA-256 {found.hexdigest()}")


def _run(peer: Peer, command: Sequence[str]) -> str:
    """Run a client to its end and return what it printed."""
    done = subprocess.run(  # noqa: S603  # the clients of this comparison
        command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode:
        raise WrongBytes(f"{peer.name}: {command[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def measure_bulk(peer: Peer, plan: Plan) -> dict[str, float]:
    """Fetch the whole file several times over one connection."""
    command = [find_program("curl"), "-sS", "--fail", "-w", "%{http_code} %{size_download}\n"]
    for _ in range(plan.transfers):
        command += ["-o", os.devnull, peer.url]
    before = peer.cpu_s()
    answers = _run(peer, command).split("\n")[:-1]
    spent_s = peer.cpu_s() - before
    if answers != [f"200 {plan.size}"] * plan.transfers:
        raise WrongBytes(f"{peer.name}: status and bytes were {answers}")
    return {"bulk: CPU s/GiB": spent_s / (plan.transfers * plan.size / _GIB)}


def measure_ranges(peer: Peer, plan: Plan, connections: int) -> dict[str, float]:
    """Ask for small ranges over kept connections."""
    script = Path(__file__).with_name("load.py")
    options = {
        "--size": plan.size,
        "--length": _RANGE_LENGTH,
        "--connections": connections,
        "--requests": plan.requests,
    }
    command = [sys.executable, str(script), peer.url]
    for name, value in options.items():
        command += [name, str(value)]
    before = peer.cpu_s()
    seen = json.loads(_run(peer, command))
    spent_s = peer.cpu_s() - before
    label = f"64 KiB ranges, {connections} connection{'s' if connections > 1 else ''}"
    return {
        f"{label}: CPU ms/request": spent_s * 1000 / seen["requests"],
        f"{label}: p50 ms": seen["p50_ms"],
    }


def compare(compared: Sequence[Peer], plan: Plan) -> Samples:
    """Return the samples of each measure, of each peer, one for each round."""
    samples: Samples = defaultdict(lambda: defaultdict(list))
    for number in range(-1, plan.rounds):  # the first is to warm up, and not counted
        # Every other round backwards: nobody is always first.
        turn = compared if number % 2 else compared[::-1]
        for peer in turn:
            found = measure_bulk(peer, plan)
            for connections in _CONNECTIONS:
                found |= measure_ranges(peer, plan, connections)
            for measure, value in found.items():
                if number >= 0:
                    samples[measure][peer.name].append(value)
        print(f"round {number + 1} of {plan.rounds}", file=sys.stderr, flush=True)
    return samples


def make_parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="less of everything: under a minute")
    parser.add_argument("--rounds", type=int, help="rounds that count")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to a file")
    parser.add_argument(
        "--also",
        type=Path,
        metavar="FOLDER",
        help="measure the streamproxy of another checkout too, to see what a change does",
    )
    return parser


def main() -> int:
    """Compare, print the table, and return the exit status."""
    given = make_parser().parse_args()
    # Whoever ends it early (timeout, CI) leaves no servers and no file behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    plan = QUICK if given.quick else FULL
    if given.rounds:
        plan = Plan(
            rounds=given.rounds, size=plan.size, transfers=plan.transfers, requests=plan.requests
        )
    try:
        for program in ("nginx", "curl"):
            find_program(program)
        with ExitStack() as stack:
            root, digest = stack.enter_context(random_file(plan.size))
            site = stack.enter_context(peers.upstream(root, root))
            compared = [
                stack.enter_context(peers.nginx(site, root)),
                stack.enter_context(peers.streamproxy(site, root)),
            ]
            if given.also:
                other = peers.streamproxy(site, root, name="also", checkout=given.also.resolve())
                compared.append(stack.enter_context(other))
            for peer in compared:
                check_bytes(peer, digest)
            samples = compare(compared, plan)
    except MissingProgram as exc:
        print(f"compare: {exc}", file=sys.stderr)
        return 2
    except (WrongBytes, NotStarted, subprocess.TimeoutExpired) as exc:
        print(f"compare: {exc}", file=sys.stderr)
        return 1
    if given.json:
        given.json.write_text(json.dumps(as_json(samples), indent=2) + "\n", "utf-8")
    print(as_table(samples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
