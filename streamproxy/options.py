"""How a setting is declared: what text means, what is allowed, how a mistake is told."""

import re
from collections.abc import Callable
from dataclasses import Field, field
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple

from streamproxy.errors import SettingsError

Endpoint = tuple[IPv4Address | IPv6Address, int]


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    seconds: int


_RATE_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}

_SIZE_UNITS = {"": 1, "b": 1} | {
    prefix + unit: factor**power
    for power, prefix in enumerate("kmgt", start=1)
    for unit, factor in (("", 1024), ("ib", 1024), ("b", 1000))
}
_HOST_PATTERN = re.compile(r"\*|(\*\.)?[a-z0-9_.:-]+")
_ORIGIN = re.compile(r"\*|https?://[^/?#\s@;,'\"]+")
_DURATION_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


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


def parse_whole(text: str) -> int:
    """Return the whole number that up to 18 digits stand for, and nothing else."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def parse_number(text: str) -> float:
    """Return the number that digits, maybe with a decimal point, stand for."""
    if not re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", text):
        raise ValueError(text)
    return float(text)


def parse_rate(text: str) -> Rate:
    """Return the rate that a text such as ``100/minute`` or ``20/10seconds`` stands for."""
    match = re.fullmatch(
        r"([0-9]{1,9})\s*/\s*([0-9]{0,6})\s*(second|minute|hour|day)s?", text.lower(), re.ASCII
    )
    if match is None or not int(match[1]) or not int(match[2] or 1):
        raise ValueError(text)
    return Rate(int(match[1]), int(match[2] or 1) * _RATE_UNITS[match[3]])


def parse_duration(text: str) -> int:
    """Return the seconds that a text such as ``2h``, ``30m`` or ``90`` stands for."""
    match = re.fullmatch(r"([0-9]{1,9})\s*([smhd]?)", text.strip().lower(), re.ASCII)
    if match is None or not int(match[1]):
        raise ValueError(text)
    return int(match[1]) * _DURATION_UNITS[match[2]]


def parse_bool(text: str) -> bool:
    """Return what ``true`` or ``no`` and the like stand for."""
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
        text.lower()
    ]


def parse_pattern(text: str) -> str:
    """Return a host name, an address or a pattern such as ``*.example.com`` in its one form."""
    if not _HOST_PATTERN.fullmatch(pattern := text.lower().removesuffix(".")):
        raise ValueError(text)
    try:
        address = ip_address(pattern)
    except ValueError:
        return pattern
    return str(getattr(address, "ipv4_mapped", None) or address)


def parse_origin(text: str) -> str:
    """Return an origin such as ``https://example.com``, or ``*``, in its one form."""
    if not _ORIGIN.fullmatch(origin := text.lower()):
        raise ValueError(text)
    return origin


def parse_ancestor(text: str) -> str:
    """Return an origin, ``*`` or ``'self'`` as frame-ancestors of a CSP takes it."""
    return "'self'" if text.strip("'").lower() == "self" else parse_origin(text)


def parse_key(text: str) -> str:
    """Return a key that is long enough to sign with."""
    if len(text) < 16:
        raise ValueError(text)
    return text


def setting(
    default: Any,
    meaning: str,
    *,
    metavar: str,
    allowed: str,
    parse: Callable[[str], Any],
    check: Callable[[Any], bool] = lambda _: True,
    type_: Any = None,
    secret: bool = False,
) -> Any:
    """Declare a setting: what it means, what is allowed, how text becomes a value.

    :param type_: the type of the value, or of each item; that of the default if None.
    :param secret: whether the value is kept out of reprs and of messages.
    """
    described = {"meaning": meaning, "metavar": metavar, "allowed": allowed, "secret": secret}
    rules = {"parse": parse, "check": check, "type": type_ or type(default)}
    return field(default=default, metadata=described | rules, repr=not secret)


def size(default: int, meaning: str, *, allowed: str, low: int, high: int) -> Any:
    """Declare a size in bytes, from *low* to *high*."""
    return setting(
        default,
        meaning,
        metavar="SIZE",
        allowed=allowed,
        parse=parse_size,
        check=lambda value: low <= value <= high,
    )


def count(default: int, meaning: str, *, metavar: str, high: int) -> Any:
    """Declare a whole number from 0 to *high*."""
    return setting(
        default,
        meaning,
        metavar=metavar,
        allowed=f"a whole number from 0 to {high}",
        parse=parse_whole,
        check=lambda value: 0 <= value <= high,
    )


def seconds(default: float, meaning: str) -> Any:
    """Declare a time."""
    return setting(
        default,
        meaning,
        metavar="SECONDS",
        allowed="a number of seconds above 0, at most 86400",
        parse=parse_number,
        check=lambda value: 0 < value <= 86400,
        type_=(int, float),
    )


def switch(default: bool, meaning: str) -> Any:  # as the other kinds
    """Declare what is on or off."""
    return setting(
        default, meaning, metavar="true|false", allowed="true or false", parse=parse_bool
    )


def choice(default: str, meaning: str, values: tuple[str, ...], fold: Any) -> Any:
    """Declare a choice of words; *fold* gives text the case that they have."""
    return setting(
        default,
        meaning,
        metavar="|".join(values),
        allowed=f"one of {', '.join(values)}",
        parse=fold,
        check=lambda value: value in values,
    )


def repeatable(
    meaning: str,
    *,
    metavar: str,
    allowed: str,
    parse: Any,
    type_: Any = str,
    secret: bool = False,
) -> Any:
    """Declare a setting of any number of items; *parse* and *type_* are those of one."""
    return setting(
        (),
        f"{meaning} (repeatable)",
        metavar=metavar,
        allowed=allowed,
        parse=parse,
        type_=type_,
        secret=secret,
    )


def text(
    meaning: str, *, metavar: str, allowed: str, pattern: str = ".*", secret: bool = False
) -> Any:
    """Declare a text that is empty without other word; *pattern* is for those that are not."""
    return setting(
        "",
        meaning,
        metavar=metavar,
        allowed=allowed,
        parse=str,
        check=lambda value: not value or re.fullmatch(pattern, value) is not None,
        secret=secret,
    )


def checked(declared: Field[Any], given: Any) -> Any:
    """Return the value of a setting, or of one item of a repeatable one."""
    rules = declared.metadata
    try:
        value = rules["parse"](given.strip()) if isinstance(given, str) else given
    except (ValueError, KeyError):
        value = None
    if not isinstance(value, rules["type"]) or not rules["check"](value):
        shown = "the value" if rules["secret"] else repr(str(given))
        raise SettingsError(f"{declared.name}: {shown} is not allowed; give {rules['allowed']}")
    return value
