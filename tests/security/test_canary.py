"""Blocked means that no packet leaves: in a namespace where every address is a canary.

There every address of the Internet is local, loopback the only interface, and each packet
on it is seen. What is refused must have sent none, and what is permitted must arrive.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from attacks import ATTACKS, CONTROLS, HOSTS, PUBLIC
from once import common_folder, made_once
from subprocesses import clean_environment

PROGRAM = Path(__file__).with_name("canary_program.py")
REDIRECTING_CANARY = ["tcp", PUBLIC, 80]
# Sent on as they are, these would be relative references, or end before the field does.
NO_LOCATION = [link for link, _ in ATTACKS if any(char in link for char in "\r\n\x00")]
REDIRECTS = [(link, code) for link, code in ATTACKS if link not in NO_LOCATION]

PROXIES = {
    "default": [],
    "home": ["--allow-network", "10.0.0.0/8"],
    # Everything is permitted, but for the proxy itself.
    "open": [
        *("--host", "0.0.0.0", "--no-auth"),
        *("--allow-network", "0.0.0.0/0", "--allow-network", "::/0"),
    ],
}
AT_HOME = [
    ("http://10.0.0.1/film.mp4", ("10.0.0.1", 80)),
    ("http://[::ffff:10.0.0.1]/film.mp4", ("10.0.0.1", 80)),
    ("http://private.example/film.mp4", ("10.0.0.1", 80)),
    ("http://two.example/film.mp4", ("10.0.0.1", 80)),
    ("http://192.168.1.1/film.mp4", None),
    ("http://127.0.0.1/film.mp4", None),
    ("http://metadata.example/film.mp4", None),
    ("http://10.0.0.1:22/film.mp4", None),
    ("http://[64:ff9b::a00:1]/film.mp4", None),
]
# The proxy listens on the wildcard address, and here every address is this machine's.
OWN_ADDRESSES = [
    f"http://{host}:OWN_PORT/stream?url=http://public.example/film.mp4"
    for host in (
        *("127.0.0.1", "127.0.0.2", "0.0.0.0", "localhost", "LOOP.example", "[::ffff:127.0.0.1]"),
        *(PUBLIC, "public.example", f"[::ffff:{PUBLIC}]", "10.0.0.1", "mixed.example"),
    )
]


def missing(reason: str) -> None:
    """Skip, but fail where everything needed was to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def namespace() -> Iterator[list[str]]:
    """Yield the beginning of a command that runs in a namespace of its own."""
    ip = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if ip is None:
        missing("the program ip (package iproute2) is not there")
    assert ip is not None
    if os.geteuid() != 0:
        pytest.skip("only root can make a network namespace")
    name = f"streamproxy-canary-{os.getpid()}"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"a network namespace cannot be made here: {made.stderr.strip()}")
    inside = [ip, "netns", "exec", name]
    files = Path("/etc/netns", name)  # what ip puts in place of those in /etc
    try:
        try:
            files.mkdir(parents=True)
        except FileNotFoundError:  # another process has just removed the folder above, as below
            files.mkdir(parents=True)
        rows = "".join(f"{address} {host}\n" for address, host in HOSTS)
        (files / "hosts").write_text(rows, encoding="ascii")
        (files / "nsswitch.conf").write_text("hosts: files\n", encoding="ascii")
        (files / "resolv.conf").write_text("", encoding="ascii")
        (files / "host.conf").write_text("multi on\n", encoding="ascii")
        for command in (
            "link set lo up",
            "route add local 0.0.0.0/0 dev lo",
            "-6 route add local ::/0 dev lo",
        ):
            subprocess.run([*inside, ip, *command.split()], check=True)
        yield inside
    finally:
        subprocess.run([ip, "netns", "del", name], check=True)
        shutil.rmtree(files)
        with suppress(OSError):  # which others need still, or have removed
            files.parent.rmdir()


def cases() -> Iterator[dict[str, Any]]:
    for link, _ in ATTACKS:
        yield {"id": f"stream {link}", "link": link, "route": "/stream"}
        yield {"id": f"validate {link}", "link": link, "route": "/api/validate"}
    for link, _ in REDIRECTS:
        yield {"id": f"redirect {link}", "link": link, "route": "/stream", "redirected": True}
    for link, _ in CONTROLS:
        yield {"id": f"stream {link}", "link": link, "route": "/stream"}
        yield {"id": f"redirect {link}", "link": link, "route": "/stream", "redirected": True}
    for link, _ in AT_HOME:
        yield {"id": f"home {link}", "link": link, "route": "/stream", "proxy": "home"}
    for link in OWN_ADDRESSES:
        for kind in ("own", "own redirected"):
            redirected = kind == "own redirected"
            case = {"id": f"{kind} {link}", "link": link, "route": "/stream", "proxy": "open"}
            yield case | {"redirected": redirected}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what became of each case: one run of the program for all."""
    folder = made_once(common_folder(tmp_path_factory) / "canary", run_all)
    found: dict[str, Any] = json.loads((folder / "reports.json").read_text())
    return found


def run_all(folder: Path) -> None:
    """Run the program."""
    given = {"proxies": PROXIES, "cases": [{"proxy": "default"} | case for case in cases()]}
    with namespace() as inside:
        done = subprocess.run(
            [*inside, sys.executable, str(PROGRAM)],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=clean_environment(),
        )
    assert done.returncode == 0, done.stderr
    (folder / "reports.json").write_text(done.stdout)


def ids(rows: list[Any] | tuple[Any, ...]) -> list[str]:
    return [repr(row if isinstance(row, str) else row[0]) for row in rows]


@pytest.mark.parametrize(("link", "code"), ATTACKS, ids=ids(ATTACKS))
def test_refused_link_sends_no_packet(reports: dict[str, Any], link: str, code: str) -> None:
    streamed, validated = reports[f"stream {link}"], reports[f"validate {link}"]

    assert streamed["packets"] == []
    assert validated["packets"] == []
    assert (streamed["code"], validated["code"]) == (code, code)
    assert streamed["status"] == (403 if code == "blocked_target" else 400)


@pytest.mark.parametrize(("link", "code"), REDIRECTS, ids=ids(REDIRECTS))
def test_refused_redirect_sends_no_packet_beyond_the_first_hop(
    reports: dict[str, Any], link: str, code: str
) -> None:
    report = reports[f"redirect {link}"]

    assert all(packet == REDIRECTING_CANARY for packet in report["packets"])
    assert report["code"] == code


@pytest.mark.parametrize(("link", "expected"), CONTROLS, ids=ids(CONTROLS))
def test_permitted_link_arrives_and_nowhere_else(
    reports: dict[str, Any], link: str, expected: tuple[str, int]
) -> None:
    arrived = ["tcp", *expected]
    streamed, redirected = reports[f"stream {link}"], reports[f"redirect {link}"]

    assert (streamed["status"], redirected["status"]) == (200, 200)
    assert arrived in streamed["packets"]
    assert all(packet == arrived for packet in streamed["packets"])
    assert all(packet in (arrived, REDIRECTING_CANARY) for packet in redirected["packets"])


@pytest.mark.parametrize(("link", "expected"), AT_HOME, ids=ids(AT_HOME))
def test_network_that_is_permitted_opens_no_other(
    reports: dict[str, Any], link: str, expected: tuple[str, int] | None
) -> None:
    report = reports[f"home {link}"]

    if expected is None:
        assert (report["code"], report["packets"]) == ("blocked_target", [])
    else:
        assert report["status"] == 200
        assert all(packet == ["tcp", *expected] for packet in report["packets"])


@pytest.mark.parametrize("link", OWN_ADDRESSES, ids=ids(OWN_ADDRESSES))
def test_proxy_that_may_reach_everything_never_reaches_itself(
    reports: dict[str, Any], link: str
) -> None:
    direct, redirected = reports[f"own {link}"], reports[f"own redirected {link}"]

    assert direct["packets"] == []
    assert all(packet == REDIRECTING_CANARY for packet in redirected["packets"])
    assert (direct["code"], redirected["code"]) == ("blocked_target", "blocked_target")
