"""The command line: settings, then the server."""

import argparse
import asyncio
import logging
import os
import secrets
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from streamproxy.access.lock import Lock
from streamproxy.access.sites import is_loopback
from streamproxy.app import create_app
from streamproxy.arguments import Parser, add_settings
from streamproxy.commands import COMMANDS
from streamproxy.demo import Demo
from streamproxy.errors import SettingsError
from streamproxy.logs import configure_logging
from streamproxy.server import listen, raise_descriptor_limit, serve
from streamproxy.settings import ENVIRONMENT_PREFIX, Settings
from streamproxy.version import __version__

logger = logging.getLogger(__name__)

# Characters; a shorter token can be tried out in the time that attempts are slowed to.
_LONG_TOKEN = 16


def make_parser() -> argparse.ArgumentParser:
    """Return the parser: a flag for each setting, and those that are no setting."""
    parser = Parser(
        prog="streamproxy",
        description="Play remote videos through a proxy that forwards byte ranges.",
        epilog=f"Each setting may also be given in the environment, as {ENVIRONMENT_PREFIX}<NAME>;"
        " the command line wins. Sizes take suffixes: 256KiB, 10GiB."
        f" Other commands, each with its own --help: streamproxy {', '.join(COMMANDS)}.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"streamproxy {__version__}")
    parser.add_argument(
        "--demo",
        action="store_true",
        help="serve a sample video from a second loopback port, and permit just that origin",
    )
    add_settings(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, or the server until it is told to stop; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in COMMANDS:
        return COMMANDS[argv[0]](argv[1:])
    arguments = vars(make_parser().parse_args(argv))
    demo = Demo() if arguments.pop("demo") else None
    with ExitStack() as stack:
        try:
            settings = Settings.from_environment(os.environ, **arguments)
            configure_logging(settings)
            sockets = _listen(settings)
            for bound in sockets:
                stack.enter_context(bound)
            settings, token = _lock(settings, sockets)
            app = create_app(demo.permit(settings) if demo else settings)
        except SettingsError as exc:
            print(f"streamproxy: {exc}", file=sys.stderr)
            return 2
        except _CannotListen as exc:
            print(f"streamproxy: {exc}", file=sys.stderr)
            return 1
        _keep_heap()
        if demo:
            demo.attach(app)
        raise_descriptor_limit(settings)
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(app, sockets, lambda: _announce(sockets[0], token)))
    return 0


class _CannotListen(Exception):
    """The address is taken, or not this machine's."""


def _listen(settings: Settings) -> list[socket.socket]:
    try:
        return listen(settings.host, settings.port)
    except OSError as exc:
        reason = exc.strerror or exc
        raise _CannotListen(f"cannot listen on {settings.host}:{settings.port}: {reason}") from exc


def _lock(settings: Settings, sockets: Sequence[socket.socket]) -> tuple[Settings, str]:
    """Return settings under which not everybody who can connect may come in.

    With them the token that was made for that, if one was.

    :raises SettingsError: as Lock.from_settings.
    """
    is_local = all(is_loopback(bound.getsockname()[0]) for bound in sockets)
    lock = Lock.from_settings(settings)
    if not lock.is_open or is_local or not settings.auth:
        if 0 < len(settings.access_token) < _LONG_TOKEN:
            logger.warning("access_token: shorter than %d characters: easy to guess", _LONG_TOKEN)
        if lock.is_open and not is_local:
            logger.warning("auth: everybody who can connect may use this proxy (--no-auth)")
        elif lock.is_open and settings.auth and (settings.trusted_proxy or settings.server_name):
            logger.warning(
                "auth: whoever comes through the reverse proxy may use this proxy; set "
                "access_token or users_file, or say --no-auth"
            )
        return settings, ""
    token = secrets.token_urlsafe(24)
    return replace(settings, access_token=token), token


def _keep_heap() -> None:
    """Keep the C library from giving memory back, and asking for it again, with each chunk.

    Freeing one large block raises glibc's thresholds for that (mallopt(3), M_MMAP_THRESHOLD).
    Measured: 79 page faults per GiB streamed instead of up to 196,000, a quarter of the CPU.
    """
    bytes(16 * 2**20)


def _announce(bound: socket.socket, token: str) -> None:
    """Print the address to open in a browser on this machine, with the token to come in by.

    The token is printed and not logged: what is printed can be seen by whoever started it.
    """
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # shown, not bound
    address = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    address += f"?token={token}" if token else ""
    print(f"streamproxy {__version__}: open {address}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
