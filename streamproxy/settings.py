"""The settings: one frozen dataclass, from defaults, the environment or the command line.

Every value may also be given as text, as the environment and the command line give it;
it is parsed and checked in one place, so that a mistake reads the same everywhere.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from streamproxy.errors import SettingsError

ENVIRONMENT_PREFIX = "STREAMPROXY_"

Endpoint = tuple[IPv4Address | IPv6Address, int]

_SIZE_UNITS = {"": 1, "b": 1} | {
    prefix + unit: factor**power
    for power, prefix in enumerate("kmgt", start=1)
    for unit, factor in (("", 1024), ("ib", 1024), ("b", 1000))
}
_HOST_PATTERN = re.compile(r"\*|(\*\.)?[a-z0-9_.:-]+")
_ORIGIN = re.compile(r"\*|https?://[^/?#\s@]+")


def parse_size(text: str) -> int:
    """Return the bytes that a text such as ``256KiB`` or ``10GiB`` stands for."""
    match = re.fullmatch(
        r"([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([a-z]*)", text.strip().lower(), re.ASCII
    )
    if match is None or match[2] not in _SIZE_UNITS:
        raise ValueError(text)
    return int(Decimal(match[1]) * _SIZE_UNITS[match[2]])


def parse_endpoint(text: str) -> Endpoint:
    """Return the address and port that ``192.168.1.5:8080`` or ``[::1]:80`` stands for."""
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError(text)
    return ip_address(host.removeprefix("[").removesuffix("]")), int(port)


def _parse_bool(text: str) -> bool:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
        text.lower()
    ]


def _parse_pattern(text: str) -> str:
    if not _HOST_PATTERN.fullmatch(pattern := text.lower().removesuffix(".")):
        raise ValueError(text)
    return pattern


def _parse_origin(text: str) -> str:
    if not _ORIGIN.fullmatch(origin := text.lower()):
        raise ValueError(text)
    return origin


def _setting(
    default: Any,
    meaning: str,
    *,
    metavar: str,
    allowed: str,
    parse: Callable[[str], Any],
    check: Callable[[Any], bool] = lambda _: True,
    type_: Any = None,
) -> Any:
    """Declare a setting: what it means, what is allowed, how text becomes a value.

    :param type_: the type of the value, or of each item; that of the default if None.
    """
    described = {"meaning": meaning, "metavar": metavar, "allowed": allowed}
    rules = {"parse": parse, "check": check, "type": type_ or type(default)}
    return field(default=default, metadata=described | rules)


def _size(default: int, meaning: str, *, allowed: str, low: int, high: int) -> Any:
    return _setting(
        default,
        meaning,
        metavar="SIZE",
        allowed=allowed,
        parse=parse_size,
        check=lambda value: low <= value <= high,
    )


def _count(default: int, meaning: str, *, metavar: str, high: int) -> Any:
    return _setting(
        default,
        meaning,
        metavar=metavar,
        allowed=f"a whole number from 0 to {high}",
        parse=int,
        check=lambda value: 0 <= value <= high,
    )


def _seconds(default: float, meaning: str) -> Any:
    return _setting(
        default,
        meaning,
        metavar="SECONDS",
        allowed="a number of seconds above 0, at most 86400",
        parse=float,
        check=lambda value: 0 < value <= 86400,
        type_=(int, float),
    )


def _choice(default: str, meaning: str, *, values: tuple[str, ...], fold: Any) -> Any:
    return _setting(
        default,
        meaning,
        metavar="|".join(values),
        allowed=f"one of {', '.join(values)}",
        parse=fold,
        check=lambda value: value in values,
    )


def _list(meaning: str, *, metavar: str, allowed: str, parse: Any, type_: Any = str) -> Any:
    return _setting(
        (), f"{meaning} (repeatable)", metavar=metavar, allowed=allowed, parse=parse, type_=type_
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the owner of a proxy can choose.

    Sizes are bytes, times are seconds. Text is taken for any value, and for the
    repeatable ones (tuples) a list separated by commas.

    :raises SettingsError: one line that names the setting, the value and what is allowed.
    """

    # Loopback: whoever opens the proxy to a network says so.
    host: str = _setting(
        "127.0.0.1",
        "address to listen on",
        metavar="HOST",
        allowed="a host name or an IP address",
        parse=str,
        check=bool,
    )
    # Where the first README of this project said it would be.
    port: int = _count(5000, "port to listen on; 0: any free one", metavar="PORT", high=65535)
    # Measured: cheaper per byte than 64 KiB, and than 1 MiB, which leaves the CPU's cache.
    chunk_size: int = _size(
        256 * 1024,
        "the most bytes handled at once",
        allowed="a size from 4KiB to 16MiB",
        low=4096,
        high=2**24,
    )
    # A site that takes longer to accept a connection is down or not there.
    connect_timeout: float = _seconds(5.0, "time to connect to a site")
    # Between bytes. There is no limit in total: films are long.
    read_timeout: float = _seconds(30.0, "time to wait for the next bytes of a site")
    # A long film in high quality passes, an endless one does not.
    max_file_size: int = _size(
        10 * 2**30,
        "the largest file to forward; 0: any",
        allowed="a size such as 10GiB, or 0",
        low=0,
        high=2**60,
    )
    # A few seconds of a common line: the price of seeking where a site cannot.
    max_skip: int = _size(
        64 * 2**20,
        "the most bytes to discard to reach a position, where a site ignores ranges",
        allowed="a size such as 64MiB, or 0",
        low=0,
        high=2**60,
    )
    # Real links need two or three.
    max_redirects: int = _count(10, "redirects to follow", metavar="NUMBER", high=50)
    # A request that a site dropped, or that met it busy; the time for the head stays the same.
    retry_attempts: int = _count(
        2, "times to ask again before the first byte", metavar="NUMBER", high=10
    )
    # With back-off about ten seconds of a site that does not come back at all.
    resume_attempts: int = _count(
        5, "times to resume a broken stream without progress in between", metavar="NUMBER", high=100
    )
    # Off: two versions of one length and one date could be mixed.
    resume_without_validator: bool = _setting(
        False,
        "resume also where only length and Last-Modified agree",
        metavar="true|false",
        allowed="true or false",
        parse=_parse_bool,
    )
    # Pausing a film for an evening is legitimate; a phone that lost its network is not.
    client_stall_timeout: float = _seconds(3600.0, "time that a client may take no bytes")
    # Also how long an idle connection is kept: aiohttp knows one limit for both.
    header_timeout: float = _seconds(20.0, "time for a client to send the head of a request")
    # Each takes two descriptors and, if its viewer is slow, about a megabyte.
    max_streams: int = _count(
        1024, "streams at a time; 0: any number", metavar="NUMBER", high=1_000_000
    )
    # Off: behind a reverse proxy all clients look like one.
    max_streams_per_client: int = _count(
        0, "streams of one client at a time; 0: any number", metavar="NUMBER", high=1_000_000
    )
    # Long enough for a small range to finish, short enough for whoever waits.
    shutdown_grace: float = _seconds(10.0, "time that running streams get when the server stops")
    # Public addresses only, unless the owner names others.
    allow_network: tuple[IPv4Network | IPv6Network, ...] = _list(
        "network that may be reached although not public",
        metavar="CIDR",
        allowed="a network such as 192.168.0.0/16",
        parse=ip_network,
        type_=(IPv4Network, IPv6Network),
    )
    # One server at home, without opening the network that it stands in.
    allow_endpoint: tuple[Endpoint, ...] = _list(
        "address and port that may be reached although not public",
        metavar="ADDRESS:PORT",
        allowed="an address and a port such as 192.168.1.5:8080",
        parse=parse_endpoint,
        type_=tuple,
    )
    # Any host: people paste links from everywhere.
    allow_host: tuple[str, ...] = _list(
        "host that may be fetched, and no other",
        metavar="PATTERN",
        allowed="a host name, or a pattern such as *.example.com",
        parse=_parse_pattern,
    )
    deny_host: tuple[str, ...] = _list(
        "host that is never fetched; wins over allow_host",
        metavar="PATTERN",
        allowed="a host name, or a pattern such as *.example.com",
        parse=_parse_pattern,
    )
    # No other site's page may use this proxy unless the owner names it.
    cors_origin: tuple[str, ...] = _list(
        "origin whose pages may use the API",
        metavar="ORIGIN",
        allowed="an origin such as https://example.com, or *",
        parse=_parse_origin,
    )
    # Beside the process: found at once by whoever looks for what happened.
    log_file: str = _setting(
        "stream.log",
        "file to log to, rotated by size; -: standard error only",
        metavar="PATH",
        allowed="a path, or -",
        parse=str,
        check=bool,
    )
    # One line when a stream starts, one when it ends.
    log_level: str = _choice(
        "INFO",
        "least severe level to log",
        values=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        fold=str.upper,
    )
    # People read it first; machines ask for json.
    log_format: str = _choice("text", "form of a log line", values=("text", "json"), fold=str.lower)

    def __post_init__(self) -> None:
        for setting in fields(self):
            given = getattr(self, setting.name)
            if isinstance(setting.default, tuple):
                items = given.split(",") if isinstance(given, str) else given
                value: Any = tuple(_checked(setting, item) for item in items if item != "")
            else:
                value = _checked(setting, given)
            object.__setattr__(self, setting.name, value)

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
            setting.name: environment[name]
            for setting in fields(cls)
            if (name := ENVIRONMENT_PREFIX + setting.name.upper()) in environment
        }
        return cls(**found | given)


def _checked(setting: Field[Any], given: Any) -> Any:
    """Return the value of a setting, or of one item of a repeatable one."""
    rules = setting.metadata
    try:
        value = rules["parse"](given.strip()) if isinstance(given, str) else given
    except (ValueError, KeyError):
        value = None
    if not isinstance(value, rules["type"]) or not rules["check"](value):
        allowed = rules["allowed"]
        raise SettingsError(f"{setting.name}: {str(given)!r} is not allowed; give {allowed}")
    return value
