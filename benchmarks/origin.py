"""Where the film comes from: an nginx, near and distant, and the nginx of the peers."""

import os
import pwd
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from film import FILE_NAME, Film
from processes import Peer, find_program, free_port, running

ROUND_TRIP_S = 0.05
# What viewers who watch take, and a little more that their site sends.
BYTES_PER_S = 5_000_000 // 8
_PACE = int(1.02 * BYTES_PER_S)

# One worker: streamproxy is one process too. The kept connections of a benchmark
# must not end in the middle of it, hence keepalive_requests.
_NGINX = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{user}
events {{ worker_connections 8192; }}
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
# A bounded sndbuf: what stalled viewers leave in it is the kernel's memory, see below.
_UPSTREAM = """\
sendfile on;
    open_file_cache max=10;
    send_timeout 600s;
    types {{ video/mp4 mp4; }}
    absolute_redirect off;
    server {{
        listen 127.0.0.1:{port} backlog=4096 sndbuf=256k;
        root {root};
        location = /moved {{ return 302 /{file_name}; }}
    }}
"""
# A site that paces, as those of films do. One that sends as fast as it can fills the buffers
# of 1,000 viewers with all the memory that the kernel has for TCP (2.2 GiB, seen here), and
# then every connection of the machine waits for lost packets, whatever stands in between.
_PACED_UPSTREAM = """\
server {{
        listen 127.0.0.1:{port} backlog=4096 sndbuf=256k;
        root {root};
        limit_rate {rate};
    }}
"""
# TLS 1.3 with all peers: nginx 1.22 would talk 1.2 to its upstreams by default.
_SECURE_UPSTREAM = """\
server {{
        listen 127.0.0.1:{port} ssl backlog=4096 sndbuf=256k;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.pem;
        ssl_protocols TLSv1.3;
        root {root};
    }}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the file comes from, by the ways that lead there.

    :param ports: by way: http, https, paced, distant.
    :param authority: file of the certificate to trust, where there is a port for https.
    :param server: the upstream itself.
    """

    ports: Mapping[str, int]
    authority: Path | None
    server: Peer

    def link(self, way: str) -> str:
        """Return the link of the file."""
        scheme = "https" if way == "https" else "http"
        # The certificate is for the name; the other ways need no look-up.
        host = "localhost" if way == "https" else "127.0.0.1"
        return f"{scheme}://{host}:{self.ports[way]}/{FILE_NAME}"


@contextmanager
def running_nginx(name: str, http: str, ports: Mapping[str, int], folder: Path) -> Iterator[Peer]:
    """Run nginx with what *http* says inside its http block."""
    # A worker of root's becomes somebody else, who cannot read a temporary folder.
    user = "" if os.geteuid() else f"user {pwd.getpwuid(0).pw_name};"
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, user=user, http=http), "utf-8")
    options = ("-p", str(folder), "-c", str(config), "-e", str(folder / "error.log"))
    command = (find_program("nginx"), *options)
    urls = {way: f"http://127.0.0.1:{port}/{FILE_NAME}" for way, port in ports.items()}
    with running(name, command, ports=tuple(ports.values()), urls=urls, folder=folder) as peer:
        yield peer


def _certify(folder: Path) -> Path | None:
    """Make a certificate for localhost; return the file of its authority, None without trustme."""
    if find_spec("trustme") is None:
        return None
    import trustme  # noqa: PLC0415  # without it only TLS is left out

    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    server = authority.issue_cert("localhost", "127.0.0.1")
    server.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return folder / "authority.pem"


@contextmanager
def running_site(film: Film) -> Iterator[Site]:
    """Run the server that the file comes from, and another that makes it distant.

    :raises MissingProgram: nginx is.
    """
    folder = film.folder / "site"
    folder.mkdir()
    ports = {"http": free_port(), "paced": free_port()}
    http = _UPSTREAM.format(port=ports["http"], root=film.folder, file_name=FILE_NAME)
    http += _PACED_UPSTREAM.format(port=ports["paced"], root=film.folder, rate=_PACE)
    authority = _certify(folder)
    if authority is not None:
        ports["https"] = free_port()
        http += _SECURE_UPSTREAM.format(port=ports["https"], root=film.folder, folder=folder)
    distant_port = free_port()
    script = Path(__file__).with_name("distant.py")
    distance = (str(distant_port), str(ports["http"]), "--round-trip", str(ROUND_TRIP_S))
    command = (sys.executable, str(script), *distance)
    with (
        running_nginx("site", http, ports, folder) as server,
        running("distant", command, ports=(distant_port,), urls={}, folder=folder),
    ):
        yield Site({**ports, "distant": distant_port}, authority, server)
