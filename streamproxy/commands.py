"""The commands beside the server: ``streamproxy sign``, ``hash-password``, and all others."""

import argparse
import os
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from getpass import getpass
from http.client import HTTPException

from streamproxy.access.passwords import hash_password, is_user_name
from streamproxy.access.signing import sign_url
from streamproxy.arguments import Parser
from streamproxy.diagnosis import check, print_config
from streamproxy.errors import ProxyError, SettingsError
from streamproxy.options import parse_duration
from streamproxy.settings import ENVIRONMENT_PREFIX, Settings
from streamproxy.targets.links import parse_link

_MAX_TTL = 366 * 86400  # seconds; a link for longer is a password that cannot be changed
_HEALTH_TIMEOUT = 5.0  # seconds
_MAX_ANSWER = 4096  # bytes of it that are shown
_KEY_VARIABLE = f"{ENVIRONMENT_PREFIX}SIGNING_KEY"


class _Refused(Exception):
    """What was given cannot be used; the message is for a person."""


def sign(argv: Sequence[str]) -> int:
    """Print a signed link; return the exit status."""
    parser = Parser(
        prog="streamproxy sign",
        description="Print a link that streams URL to whoever has it, for a time.",
        allow_abbrev=False,
    )
    parser.add_argument("url", metavar="URL", help="link of the video")
    parser.add_argument(
        "--ttl", metavar="TIME", required=True, help="how long it lasts: 90s, 30m, 2h, 7d"
    )
    parser.add_argument(
        "--client", metavar="CIDR", help="network that may use it, such as 203.0.113.0/24"
    )
    parser.add_argument(
        "--base",
        metavar="ADDRESS",
        default="",
        help="address of the proxy to put in front, such as https://proxy.example",
    )
    parser.add_argument(
        "--signing-key",
        metavar="KEY",
        help=f"key of the proxy (default: {_KEY_VARIABLE}, which other users of this machine"
        " cannot see)",
    )
    given = parser.parse_args(argv)
    try:
        print(_sign(given, os.environ))
    except (_Refused, SettingsError, ProxyError) as exc:
        print(f"{parser.prog}: {exc}", file=sys.stderr)
        return 2
    return 0


def _sign(given: argparse.Namespace, environment: Mapping[str, str]) -> str:
    key = given.signing_key if given.signing_key is not None else environment.get(_KEY_VARIABLE, "")
    keys = Settings.parse(signing_key=key).signing_key
    if not keys:
        raise _Refused(f"there is no key: give it in {_KEY_VARIABLE}, or by --signing-key")
    base: str = given.base.rstrip("/")
    if base:
        try:
            parse_link(base)
        except ProxyError:
            base = "?"
    if "?" in base or "#" in base:
        raise _Refused("--base: give an address such as https://proxy.example")
    try:
        ttl_s = parse_duration(given.ttl)
    except ValueError:
        ttl_s = 0
    if not 0 < ttl_s <= _MAX_TTL:
        raise _Refused(f"--ttl: {given.ttl!r} is not allowed; give a time such as 2h, at most 366d")
    try:
        return base + sign_url(given.url, keys, ttl_s=ttl_s, client=given.client)
    except ValueError as exc:
        if isinstance(exc, SettingsError):
            raise
        raise _Refused("--client: give a network such as 203.0.113.0/24") from exc


def print_hash(argv: Sequence[str]) -> int:
    """Ask for a password and print what a users file keeps of it; return the exit status."""
    parser = Parser(
        prog="streamproxy hash-password",
        description="Print the line of a users file. The password is asked for, or read from"
        " standard input.",
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="user whose password it is")
    name = parser.parse_args(argv).name
    try:
        if name is not None and not is_user_name(name):
            raise _Refused("a name has no colon and no control character, and at most 64 letters")
        print(f"{name}:" if name else "", hash_password(_ask_password()), sep="")
    except _Refused as exc:
        print(f"{parser.prog}: {exc}", file=sys.stderr)
        return 2
    return 0


def _ask_password() -> str:
    if sys.stdin.isatty():
        try:
            password = getpass("Password: ")
            is_same = getpass("The same again: ") == password
        except (EOFError, KeyboardInterrupt) as exc:
            raise _Refused("there is no password") from exc
        if not is_same:
            raise _Refused("the two are not the same")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise _Refused("there is no password")
    return password


def check_health(argv: Sequence[str]) -> int:
    """Ask a server whether it serves; return 0 if it does, and 1 if not."""
    parser = Parser(
        prog="streamproxy health",
        description="Ask a server whether it takes streams, for whoever supervises it.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "url", metavar="URL", nargs="?", help="address of the server (default: as the settings say)"
    )
    given = parser.parse_args(argv).url
    try:
        url = _own_address(os.environ) if given is None else given.rstrip("/")
        request = urllib.request.Request(f"{url}/health")  # noqa: S310  # the owner's own address
        # No proxy of the environment: it is asked whether this very server answers.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_HEALTH_TIMEOUT) as answer:
            print(answer.read(_MAX_ANSWER).decode("utf-8", "replace"))
    except SettingsError as exc:
        print(f"{parser.prog}: {exc}", file=sys.stderr)
        return 2
    except (OSError, ValueError, HTTPException) as exc:
        print(f"{parser.prog}: {exc}", file=sys.stderr)
        return 1
    return 0


def _own_address(environment: Mapping[str, str]) -> str:
    settings = Settings.from_environment(environment)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "sign": sign,
    "hash-password": print_hash,
    "health": check_health,
    "check": check,
    "config": print_config,
}
