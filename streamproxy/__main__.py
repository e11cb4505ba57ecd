"""The command line: settings, then the server."""

import argparse
import asyncio
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial

from aiohttp import web

from streamproxy.access.lock import Lock, warn_of_short_token
from streamproxy.access.sites import is_loopback
from streamproxy.app import create_app
from streamproxy.arguments import Parser, add_settings
from streamproxy.commands import COMMANDS
from streamproxy.demo import Demo
from streamproxy.errors import SettingsError
from streamproxy.family import found_family, gathered
from streamproxy.logs import collect_little, configure_logging
from streamproxy.notify import Notifier, inherited_sockets
from streamproxy.process import count_processes, prepare_process
from streamproxy.server import listen, serve
from streamproxy.settings import ENVIRONMENT_PREFIX, Settings
from streamproxy.version import __version__
from streamproxy.workers import Supervisor

logger = logging.getLogger(__name__)


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
    is_demo = arguments.pop("demo")
    with ExitStack() as stack:
        notifier = stack.enter_context(closing(Notifier.from_environment()))
        demo = stack.enter_context(closing(Demo())) if is_demo else None
        try:
            settings = Settings.from_environment(os.environ, **arguments)
            number = count_processes(settings)
            if number > 1:
                stack.enter_context(gathered())
            collect_little()
            configure_logging(settings, in_thread=number == 1)
            sockets = inherited_sockets() or _listen(settings)
            for bound in sockets:
                stack.enter_context(bound)
            settings, token = _lock(settings, sockets)
            settings = demo.permit(settings) if demo else settings
            make_app = partial(_make_app, settings, demo)
            # What counts opens files, which are for those who serve.
            app = make_app() if number == 1 else _make_app(replace(settings, metrics=False), demo)
        except SettingsError as exc:
            print(f"streamproxy: {exc}", file=sys.stderr)
            return 2
        except _CannotListen as exc:
            print(f"streamproxy: {exc}", file=sys.stderr)
            return 1
        prepare_process(settings)
        announce = partial(_announce, sockets[0], token)
        if number > 1:
            work = partial(_work, settings, make_app, sockets)
            grace_s = settings.shutdown_grace
            return Supervisor(number, work, notifier, on_ready=announce, grace_s=grace_s).run()
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(app, sockets, announce, notifier))
    return 0


def _make_app(settings: Settings, demo: Demo | None) -> web.Application:
    """Return the application anew, which reads the files of the settings."""
    app = create_app(settings)
    if demo:
        demo.attach(app)
    return app


def _work(
    settings: Settings,
    make_app: Callable[[], web.Application],
    sockets: Sequence[socket.socket],
    parent: Notifier,
) -> int:
    """Serve as one of several processes; return the exit status."""
    configure_logging(settings)
    found_family(os.getppid())  # again: what tidies up /tmp may have taken the folder
    try:
        app = make_app()
    except SettingsError as exc:  # a file has changed since the parent looked
        logger.error("%s", exc)  # noqa: TRY400  # the owner's mistake, said in a line
        return 2
    asyncio.run(serve(app, sockets, lambda: None, parent))
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
    is_local = all(_is_local(bound.getsockname()) for bound in sockets)
    lock = Lock.from_settings(settings)
    if not lock.is_open or is_local or not settings.auth:
        warn_of_short_token(settings)
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


def _is_local(sockname: object) -> bool:
    """Tell whether a socket can be reached from this machine alone: loopback, or a Unix one."""
    return is_loopback(sockname[0]) if isinstance(sockname, tuple) else True


def _announce(bound: socket.socket, token: str) -> None:
    """Print the address to open in a browser on this machine, with the token to come in by.

    The token is printed and not logged: what is printed can be seen by whoever started it.
    """
    if isinstance(bound.getsockname(), str | bytes):
        print(f"streamproxy {__version__}: listens on a Unix socket", flush=True)
        return
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # shown, not bound
    address = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    address += f"?token={token}" if token else ""
    print(f"streamproxy {__version__}: open {address}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
