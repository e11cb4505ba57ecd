"""The programs that are compared, each configured as its manual says it is fastest.

All of them listen on loopback, are one process that does the work, keep connections to the
upstream, and log each request to a file, as in service. What is trusted is the authority
that signed the upstream's certificate, and nothing else.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from film import FILE_NAME
from origin import Site, running_nginx
from processes import MissingProgram, Peer, find_program, free_port, running

REPOSITORY = Path(__file__).resolve().parent.parent


# No buffering: bytes are passed on as they come, with reads of streamproxy's chunk_size. Of
# a dozen configurations that were tried this is the cheapest or within noise of it, per byte and
# per request; with eight buffers of 4 KiB, as many as by default, nginx takes half as much
# again. Its price is the memory of a viewer who stalls.
_REVERSE_PROXY = """\
proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
    proxy_buffer_size 256k;
    proxy_buffers 2 256k;
    proxy_busy_buffers_size 256k;
    proxy_max_temp_file_size 0;
    proxy_read_timeout 600s;
    send_timeout 600s;
    proxy_ssl_protocols TLSv1.3;
    proxy_ssl_name localhost;
    proxy_ssl_server_name on;
"""
_REVERSE_PROXY_OF = """\
    upstream {name} {{
        server 127.0.0.1:{upstream_port};
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass {scheme}://{name};
            {trust}
        }}
    }}
"""

# Pipes as large as the kernel allows without privilege. Buffers of 64 KiB: what cannot be
# spliced (TLS) goes through them, and costs more with the default of 16.
_HAPROXY = """\
global
    maxconn 4096
    nbthread 1
    tune.pipesize 1048576
    tune.bufsize 65536
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option splice-response
    http-reuse always
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 60s
"""
_HAPROXY_OF = """\
listen {name}
    bind 127.0.0.1:{port}
    server site 127.0.0.1:{upstream_port} {trust}
"""


@contextmanager
def nginx(site: Site, folder: Path) -> Iterator[Peer]:
    """Run nginx as a reverse proxy."""
    http, ports = _REVERSE_PROXY, {}
    for way, upstream_port in site.ports.items():
        ports[way] = free_port()
        is_secure = way == "https"
        trust = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {site.authority};"
        http += _REVERSE_PROXY_OF.format(
            name=way,
            port=ports[way],
            upstream_port=upstream_port,
            scheme="https" if is_secure else "http",
            trust=trust if is_secure else "",
        )
    with running_nginx("nginx", http, ports, folder) as peer:
        yield peer


@contextmanager
def haproxy(site: Site, folder: Path) -> Iterator[Peer]:
    """Run haproxy as a reverse proxy that splices."""
    config, ports = _HAPROXY, {}
    for way, upstream_port in site.ports.items():
        ports[way] = free_port()
        trust = (
            f"ssl verify required ca-file {site.authority} verifyhost localhost sni str(localhost)"
            if way == "https"
            else ""
        )
        config += _HAPROXY_OF.format(
            name=way, port=ports[way], upstream_port=upstream_port, trust=trust
        )
    path = folder / "haproxy.cfg"
    path.write_text(config, "utf-8")
    urls = {way: f"http://127.0.0.1:{port}/{FILE_NAME}" for way, port in ports.items()}
    command = (find_program("haproxy"), "-db", "-f", str(path))
    ports_ = tuple(ports.values())
    with running("haproxy", command, ports=ports_, urls=urls, folder=folder) as peer:
        yield peer


@contextmanager
def classic(site: Site, folder: Path) -> Iterator[Peer]:
    """Run the classic design: Flask and requests under gunicorn.

    :raises MissingProgram: one of them is.
    """
    for module in ("flask", "requests", "gunicorn"):
        if find_spec(module) is None:
            raise MissingProgram(f"{module} is missing: pip install -e '.[bench]'")
    port = free_port()
    # A thread for each viewer, or stalled ones would keep all others waiting.
    options = (
        *("--worker-class", "gthread", "--threads", "1200", "--worker-connections", "4000"),
        *("--bind", f"127.0.0.1:{port}", "--backlog", "4096", "--keep-alive", "60"),
        *("--access-logfile", str(folder / "access.log"), "--no-control-socket"),
    )
    command = (sys.executable, "-m", "gunicorn", *options, "classic:app")
    with running(
        "classic",
        command,
        ports=(port,),
        urls=_links(site, port),
        folder=folder,
        cwd=Path(__file__).parent,
        environment=_trust(site, "REQUESTS_CA_BUNDLE"),
    ) as peer:
        yield peer


@contextmanager
def bare(site: Site, folder: Path) -> Iterator[Peer]:
    """Run the least that aiohttp can do."""
    port = free_port()
    program = Path(__file__).with_name("bare.py")
    with running(
        "bare aiohttp",
        (sys.executable, str(program), str(port), str(folder / "access.log")),
        ports=(port,),
        urls=_links(site, port),
        folder=folder,
        environment=_trust(site),
    ) as peer:
        yield peer


def can_splice(checkout: Path = REPOSITORY) -> bool:
    """Tell whether the streamproxy of a checkout has a zero-copy relay."""
    command = (sys.executable, "-m", "streamproxy", "--help")
    help_ = subprocess.run(  # noqa: S603  # our own program
        command, cwd=checkout, capture_output=True, text=True, check=False
    )
    return "--no-splice" in help_.stdout


@contextmanager
def streamproxy(
    site: Site,
    folder: Path,
    *,
    options: Sequence[str] = (),
    name: str = "streamproxy",
    checkout: Path = REPOSITORY,
) -> Iterator[Peer]:
    """Run streamproxy from a checkout, with its defaults but for *options*."""
    port = free_port()
    given = ("--port", str(port), "--log-file", str(folder / "stream.log"), *options)
    command = (sys.executable, "-m", "streamproxy", *given, "--allow-network", "127.0.0.0/8")
    with running(
        name,
        command,
        ports=(port,),
        urls=_links(site, port),
        folder=folder,
        cwd=checkout,
        environment=_trust(site),
    ) as peer:
        yield peer


def _trust(site: Site, name: str = "SSL_CERT_FILE") -> dict[str, str]:
    """Return the environment in which the site's authority is trusted.

    By default in the way of OpenSSL itself, as whoever has a private authority does it.
    """
    return {name: str(site.authority)} if site.authority else {}


def _links(site: Site, port: int) -> dict[str, str]:
    urls = {way: site.link(way) for way in site.ports}
    urls["moved"] = urls["distant"].replace(FILE_NAME, "moved")
    return {
        way: f"http://127.0.0.1:{port}/stream?url={quote(url, safe='')}"
        for way, url in urls.items()
    }
