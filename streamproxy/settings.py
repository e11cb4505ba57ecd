"""The settings: one frozen dataclass, from defaults, the environment or the command line.

Every value may also be given as text, as the environment and the command line give it;
it is parsed and checked in one place, so that a mistake reads the same everywhere.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from streamproxy.options import (
    Endpoint,
    Rate,
    checked,
    choice,
    count,
    parse_ancestor,
    parse_endpoint,
    parse_key,
    parse_origin,
    parse_pattern,
    parse_rate,
    repeatable,
    seconds,
    setting,
    size,
    switch,
    text,
)

ENVIRONMENT_PREFIX = "STREAMPROXY_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the owner of a proxy can choose.

    Sizes are bytes, times are seconds. Text is taken for any value, and for the
    repeatable ones (tuples) a list separated by commas.

    :raises SettingsError: one line that names the setting, the value and what is allowed.
    """

    # Loopback: whoever opens the proxy to a network says so.
    host: str = setting(
        "127.0.0.1",
        "address to listen on",
        metavar="HOST",
        allowed="a host name or an IP address",
        parse=str,
        check=bool,
    )
    # Where the first README of this project said it would be.
    port: int = count(5000, "port to listen on; 0: any free one", metavar="PORT", high=65535)
    # One process fills one CPU, and a thousand viewers with it.
    workers: int = count(
        1,
        "processes that serve; 0: as many as CPUs that it may use",
        metavar="NUMBER",
        high=512,
    )
    # Measured: cheaper per byte than 64 KiB, and than 1 MiB, which leaves the CPU's cache.
    chunk_size: int = size(
        256 * 1024,
        "the most bytes handled at once",
        allowed="a size from 4KiB to 16MiB",
        low=4096,
        high=2**24,
    )
    # Measured: less than half the CPU of copying.
    splice: bool = switch(
        True, "move bytes within the kernel, where both sides are plain HTTP (Linux)"
    )
    # A site that takes longer to accept a connection is down or not there.
    connect_timeout: float = seconds(5.0, "time to connect to a site")
    # Between bytes. There is no limit in total: films are long.
    read_timeout: float = seconds(30.0, "time to wait for the next bytes of a site")
    # A long film in high quality passes, an endless one does not.
    max_file_size: int = size(
        10 * 2**30,
        "the largest file to forward; 0: any",
        allowed="a size such as 10GiB, or 0",
        low=0,
        high=2**60,
    )
    # A few seconds of a common line: the price of seeking where a site cannot.
    max_skip: int = size(
        64 * 2**20,
        "the most bytes to discard to reach a position, where a site ignores ranges",
        allowed="a size such as 64MiB, or 0",
        low=0,
        high=2**60,
    )
    # Real links need two or three.
    max_redirects: int = count(10, "redirects to follow", metavar="NUMBER", high=50)
    # A request that a site dropped, or that met it busy; the time for the head stays the same.
    retry_attempts: int = count(
        2, "times to ask again before the first byte", metavar="NUMBER", high=10
    )
    # With back-off about ten seconds of a site that does not come back at all.
    resume_attempts: int = count(
        5, "times to resume a broken stream without progress in between", metavar="NUMBER", high=100
    )
    # Off: two versions of one length and one date could be mixed.
    resume_without_validator: bool = switch(
        False, "resume also where only length and Last-Modified agree"
    )
    # Pausing a film for an evening is legitimate; a phone that lost its network is not.
    client_stall_timeout: float = seconds(3600.0, "time that a client may take no bytes")
    # Also how long an idle connection is kept: aiohttp knows one limit for both.
    header_timeout: float = seconds(20.0, "time for a client to send the head of a request")
    # Each takes two to six descriptors and, if its viewer is slow, up to half a megabyte.
    max_streams: int = count(
        1024, "streams at a time; 0: any number", metavar="NUMBER", high=1_000_000
    )
    # Off: behind a reverse proxy all clients look like one.
    max_streams_per_client: int = count(
        0, "streams of one client at a time; 0: any number", metavar="NUMBER", high=1_000_000
    )
    # Long enough for a small range to finish, short enough for whoever waits.
    shutdown_grace: float = seconds(10.0, "time that running streams get when the server stops")
    # Public addresses only, unless the owner names others.
    allow_network: tuple[IPv4Network | IPv6Network, ...] = repeatable(
        "network that may be reached although not public",
        metavar="CIDR",
        allowed="a network such as 192.168.0.0/16",
        parse=ip_network,
        type_=(IPv4Network, IPv6Network),
    )
    # One server at home, without opening the network that it stands in.
    allow_endpoint: tuple[Endpoint, ...] = repeatable(
        "address and port that may be reached although not public",
        metavar="ADDRESS:PORT",
        allowed="an address and a port such as 192.168.1.5:8080",
        parse=parse_endpoint,
        type_=tuple,
    )
    # Any host: people paste links from everywhere.
    allow_host: tuple[str, ...] = repeatable(
        "host that may be fetched, and no other",
        metavar="PATTERN",
        allowed="a host name, or a pattern such as *.example.com",
        parse=parse_pattern,
    )
    deny_host: tuple[str, ...] = repeatable(
        "host that is never fetched; wins over allow_host",
        metavar="PATTERN",
        allowed="a host name, or a pattern such as *.example.com",
        parse=parse_pattern,
    )
    # Straight to the sites. What it does to the check of addresses: docs/targets.md.
    upstream_proxy: str = text(
        "proxy to fetch through",
        metavar="URL",
        allowed="a URL such as http://proxy.example:3128 or socks5://proxy.example:1080",
        pattern=r"(http|socks4|socks5)://([^\s/?#@]+@)?[^\s/?#@]+:[0-9]{1,5}/?",
        secret=True,  # it may hold a password
    )
    # Beyond loopback a proxy without a lock is everybody's.
    auth: bool = switch(True, "make a token where others can connect and nothing else says who may")
    # Everybody who can connect may use it; beyond loopback one is made, see auth.
    access_token: str = text(
        "token that lets a person in",
        metavar="TOKEN",
        allowed="letters, digits and -._~+/=",
        pattern=r"[A-Za-z0-9._~+/=-]+",  # RFC 6750, section 2.1
        secret=True,
    )
    # A name for each person, for whoever has more than one.
    users_file: str = text(
        "file of names and hashed passwords, from streamproxy hash-password",
        metavar="PATH",
        allowed="a path",
    )
    # All may fetch the same.
    acl_file: str = text("TOML file that says who may fetch what", metavar="PATH", allowed="a path")
    # Links are signed only where there is a key to sign with.
    signing_key: tuple[str, ...] = repeatable(
        "key of signed links: the first signs, all are accepted",
        metavar="KEY",
        allowed="a text of at least 16 characters",
        parse=parse_key,
        secret=True,
    )
    # Behind a reverse proxy the owner knows best; see docs/security.md for numbers.
    rate_limit: tuple[Rate, ...] = repeatable(
        "requests of one client",
        metavar="RATE",
        allowed="a rate such as 100/minute",
        parse=parse_rate,
        type_=Rate,
    )
    # As for clients; counted for whoever has signed in, wherever from.
    user_rate_limit: tuple[Rate, ...] = repeatable(
        "requests of one user",
        metavar="RATE",
        allowed="a rate such as 100/minute",
        parse=parse_rate,
        type_=Rate,
    )
    # One process counts for itself.
    rate_store: str = text(
        "where rates are counted: a Redis that several machines share; empty: in memory",
        metavar="URL",
        allowed="a URL such as redis://127.0.0.1:6379/0",
        pattern=r"(rediss?|redis\+unix)://\S+",
        secret=True,  # it may hold a password
    )
    # The address that connects is the client's.
    trusted_proxy: tuple[IPv4Network | IPv6Network, ...] = repeatable(
        "network of reverse proxies whose X-Forwarded-For and -Proto are believed",
        metavar="CIDR",
        allowed="a network such as 127.0.0.1 or 10.0.0.0/8",
        parse=ip_network,
        type_=(IPv4Network, IPv6Network),
    )
    # On loopback without a lock only loopback's own names: else DNS rebinding gets in.
    server_name: tuple[str, ...] = repeatable(
        "name that this proxy is addressed by",
        metavar="PATTERN",
        allowed="a host name, or a pattern such as *.example.com",
        parse=parse_pattern,
    )
    # No page may put the player into a frame of its own.
    frame_ancestor: tuple[str, ...] = repeatable(
        "origin whose pages may show the player in a frame",
        metavar="ORIGIN",
        allowed="an origin such as https://example.com, self or *",
        parse=parse_ancestor,
    )
    # No other site's page may use this proxy unless the owner names it.
    cors_origin: tuple[str, ...] = repeatable(
        "origin whose pages may use the API",
        metavar="ORIGIN",
        allowed="an origin such as https://example.com, or *",
        parse=parse_origin,
    )
    # Counting costs next to nothing, and happens only where prometheus-client is installed.
    metrics: bool = switch(True, "count for Prometheus, and answer it at /metrics")
    # This machine, and whoever has access_token, may read them.
    metrics_token: str = text(
        "token that lets in to /metrics, and to nothing else",
        metavar="TOKEN",
        allowed="at least 16 of letters, digits and -._~+/=",
        pattern=r"[A-Za-z0-9._~+/=-]{16,}",
        secret=True,
    )
    # Beside the process: found at once by whoever looks for what happened.
    log_file: str = setting(
        "stream.log",
        "file to log to, rotated by size; -: standard error only",
        metavar="PATH",
        allowed="a path, or -",
        parse=str,
        check=bool,
    )
    # One line when a stream starts, one when it ends.
    log_level: str = choice(
        "INFO",
        "least severe level to log",
        ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        str.upper,
    )
    # People read it first; machines ask for json, and systemd's journal knows the time itself.
    log_format: str = choice("text", "form of a log line", ("text", "json", "journal"), str.lower)

    def __post_init__(self) -> None:
        for declared in fields(self):
            given = getattr(self, declared.name)
            if isinstance(declared.default, tuple):
                items = given.split(",") if isinstance(given, str) else given
                value: Any = tuple(checked(declared, item) for item in items if item != "")
            else:
                value = checked(declared, given)
            object.__setattr__(self, declared.name, value)

    @classmethod
    def parse(cls, **given: Any) -> "Settings":
        """Return the settings *given*, as values or as text; typed for text.

        :raises SettingsError: as the class.
        """
        return cls(**given)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, **given: Any
    ) -> "Settings":
        """Return the settings of the environment, under those *given*, which win.

        :raises SettingsError: as the class.
        """
        found = {
            declared.name: environment[name]
            for declared in fields(cls)
            if (name := ENVIRONMENT_PREFIX + declared.name.upper()) in environment
        }
        return cls(**found | given)
