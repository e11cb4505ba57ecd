"""The command line: settings, then the server."""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import Field, fields
from typing import Any, NoReturn

from streamproxy.app import create_app
from streamproxy.demo import Demo
from streamproxy.errors import SettingsError
from streamproxy.logs import configure_logging
from streamproxy.server import listen, raise_descriptor_limit, serve
from streamproxy.settings import ENVIRONMENT_PREFIX, Settings
from streamproxy.version import __version__


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with one line, as for a bad value, rather than with the whole usage."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser: a flag for each setting, and those that are no setting."""
    parser = _Parser(
        prog="streamproxy",
        description="Play remote videos through a proxy that forwards byte ranges.",
        epilog=f"Each setting may also be given in the environment, as {ENVIRONMENT_PREFIX}<NAME>;"
        " the command line wins. Sizes take suffixes: 256KiB, 10GiB.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"streamproxy {__version__}")
    parser.add_argument(
        "--demo",
        action="store_true",
        help="serve a sample video from a second loopback port, and permit just that origin",
    )
    for setting in fields(Settings):
        action = "append" if isinstance(setting.default, tuple) else "store"
        options: dict[str, Any] = {"action": action, "metavar": setting.metadata["metavar"]}
        if isinstance(setting.default, bool):
            options = {"action": argparse.BooleanOptionalAction}
        parser.add_argument(
            f"--{setting.name.replace('_', '-')}",
            dest=setting.name,
            default=argparse.SUPPRESS,
            help=f"{setting.metadata['meaning']} (default: {_shown_default(setting)})",
            **options,
        )
    return parser


def _shown_default(setting: Field[Any]) -> str:
    default: Any = setting.default
    if isinstance(default, tuple):
        return "none"
    if isinstance(default, bool):
        return "yes" if default else "no"
    if setting.metadata["metavar"] != "SIZE":
        return str(default)
    units = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10}
    unit = next(name for name, factor in units.items() if default % factor == 0)
    return f"{default // units[unit]}{unit}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until it is told to stop; return the exit status."""
    arguments = vars(make_parser().parse_args(argv))
    is_demo = arguments.pop("demo")
    try:
        settings = Settings.from_environment(os.environ, **arguments)
        configure_logging(settings)
    except SettingsError as exc:
        print(f"streamproxy: {exc}", file=sys.stderr)
        return 2
    try:
        sockets = listen(settings.host, settings.port)
    except OSError as exc:
        reason = exc.strerror or exc
        print(
            f"streamproxy: cannot listen on {settings.host}:{settings.port}: {reason}",
            file=sys.stderr,
        )
        return 1
    _keep_heap()
    demo = Demo() if is_demo else None
    app = create_app(demo.permit(settings) if demo else settings)
    if demo:
        demo.attach(app)
    raise_descriptor_limit(settings)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(app, sockets, lambda: _announce(sockets[0])))
    return 0


def _keep_heap() -> None:
    """Keep the C library from giving memory back, and asking for it again, with each chunk.

    Freeing one large block raises glibc's thresholds for that (mallopt(3), M_MMAP_THRESHOLD).
    Measured: 79 page faults per GiB streamed instead of up to 196,000, a quarter of the CPU.
    """
    bytes(16 * 2**20)


def _announce(bound: socket.socket) -> None:
    """Print the address to open in a browser on this machine."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # shown, not bound
    address = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    print(f"streamproxy {__version__}: open {address}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
