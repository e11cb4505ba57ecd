"""The programs that are compared, each a process tree whose CPU can be read.

All of them listen on loopback and log each request to a file, as in service.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

REPOSITORY = Path(__file__).resolve().parent.parent
FILE_NAME = "film.mp4"

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 15.0
_DEBIAN_PACKAGES = {"nginx": "nginx", "curl": "curl"}

# One worker: streamproxy is one process too. The kept connections of a benchmark
# must not end in the middle of it, hence keepalive_requests.
_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    tcp_nodelay on;
    {http}
}}
"""

# The fastest way that nginx has to send a file. No tcp_nopush: with it, the last bytes of a
# small range wait for a delayed acknowledgement (44 ms, seen with nginx 1.22 on loopback).
_UPSTREAM = """\
sendfile on;
    open_file_cache max=10;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        types {{ video/mp4 mp4; }}
    }}
"""

# Kept connections to the upstream, as streamproxy keeps them, and no buffering: bytes are
# passed on as they come, with reads of streamproxy's chunk_size. Of ten configurations that
# were tried this is the cheapest or within noise of it, per byte and per request; with
# eight buffers of 4 KiB, as many as by default, nginx takes half as much again.
_REVERSE_PROXY = """\
upstream site {{
        server 127.0.0.1:{upstream_port};
        keepalive 32;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://site;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_buffer_size 256k;
            proxy_buffers 2 256k;
            proxy_busy_buffers_size 256k;
            proxy_max_temp_file_size 0;
        }}
    }}
"""


class MissingProgram(Exception):
    """A program that the comparison needs is not installed."""


class NotStarted(Exception):
    """A program does not listen."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server.

    :param url: where it serves the file.
    """

    name: str
    url: str
    pid: int

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process and all below it, since it started."""
        return sum(time.clock_gettime(_cpu_clock(pid)) for pid in _tree(self.pid))


def find_program(name: str) -> str:
    """Return the path of a program.

    :raises MissingProgram: naming the Debian package that has it.
    """
    # Debian has servers in a folder that is not in everybody's PATH.
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise MissingProgram(f"{name} is missing; on Debian: apt install {_DEBIAN_PACKAGES[name]}")
    return path


def _tree(pid: int) -> list[int]:
    """Return a process and all below it.

    Source: proc(5), /proc/PID/stat: ppid is field 4.
    """
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name of a program may hold spaces and parentheses.
            after_name = path.read_text("ascii", "replace").rpartition(")")[2]
        except OSError:  # it ended meanwhile
            continue
        parents[int(path.parent.name)] = int(after_name.split()[1])
    tree = [pid]
    for parent in tree:
        tree += [child for child, its_parent in parents.items() if its_parent == parent]
    return tree


def _cpu_clock(pid: int) -> int:
    """Return the clock of the user and system time of a process.

    /proc/PID/stat tells the same in hundredths of a second, too coarse for requests.

    Source: clock_getcpuclockid(3), as Linux has it: the inverted pid above three bits,
    of which CPUCLOCK_SCHED is 2.
    """
    return (~pid << 3) | 2


def free_port() -> int:
    """Return a port on loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def running(
    name: str, command: Sequence[str], *, port: int, path: str, folder: Path, cwd: Path
) -> Iterator[Peer]:
    """Run a server for the time of the context, from when it listens.

    :param folder: where its output goes.
    :raises NotStarted: it ended, or did not listen in time; with what it said.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STREAMPROXY_")}
    output = folder / "output.log"
    with (
        output.open("wb") as log,
        subprocess.Popen(  # noqa: S603  # the programs that are compared
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as process,
    ):
        try:
            _await_listening(process, port, name, output)
            yield Peer(name, f"http://127.0.0.1:{port}{path}", process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_listening(process: subprocess.Popen[bytes], port: int, name: str, output: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise NotStarted(f"{name} does not listen:\n{output.read_text('utf-8', 'replace')}")


@contextmanager
def _nginx(name: str, http: str, *, port: int, folder: Path) -> Iterator[Peer]:
    """Run nginx with what *http* says inside its http block."""
    folder.mkdir()
    # A worker of root's becomes somebody else, who cannot read a temporary folder.
    user = "" if os.geteuid() else f"user {pwd.getpwuid(0).pw_name};"
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, user=user, http=http), "utf-8")
    options = ("-p", str(folder), "-c", str(config), "-e", str(folder / "error.log"))
    command = (find_program("nginx"), *options)
    with running(name, command, port=port, path=f"/{FILE_NAME}", folder=folder, cwd=folder) as peer:
        yield peer


@contextmanager
def upstream(root: Path, folder: Path) -> Iterator[Peer]:
    """Run the server that the file comes from."""
    port = free_port()
    http = _UPSTREAM.format(port=port, root=root)
    with _nginx("upstream", http, port=port, folder=folder / "upstream") as peer:
        yield peer


@contextmanager
def nginx(site: Peer, folder: Path) -> Iterator[Peer]:
    """Run nginx as a reverse proxy of *site*."""
    port, upstream_port = free_port(), site.url.split(":")[2].partition("/")[0]
    http = _REVERSE_PROXY.format(port=port, upstream_port=upstream_port)
    with _nginx("nginx", http, port=port, folder=folder / "nginx") as peer:
        yield peer


@contextmanager
def streamproxy(
    site: Peer, folder: Path, *, name: str = "streamproxy", checkout: Path = REPOSITORY
) -> Iterator[Peer]:
    """Run streamproxy from a checkout, with its defaults."""
    port = free_port()
    (folder / name).mkdir()
    options = ("--port", str(port), "--log-file", str(folder / name / "stream.log"))
    command = (sys.executable, "-m", "streamproxy", *options, "--allow-network", "127.0.0.0/8")
    path = f"/stream?url={quote(site.url, safe='')}"
    with running(name, command, port=port, path=path, folder=folder / name, cwd=checkout) as peer:
        yield peer
