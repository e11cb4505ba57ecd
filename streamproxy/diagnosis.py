"""``streamproxy check`` and ``streamproxy config``: what would happen, said in the terminal."""

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields

from streamproxy.arguments import Parser, add_settings, shown, source_of
from streamproxy.errors import ProxyError, SettingsError
from streamproxy.handlers.limits import limits_by
from streamproxy.settings import ENVIRONMENT_PREFIX, Settings
from streamproxy.targets.links import Link, parse_link
from streamproxy.targets.policy import TargetPolicy, check_target
from streamproxy.upstream.client import UpstreamClient
from streamproxy.upstream.connector import open_session
from streamproxy.upstream.probe import Probe, probe

_INTERRUPTED = 130  # as a shell says it: 128 and the number of SIGINT


def check(argv: Sequence[str]) -> int:
    """Say whether a link plays: 0 if it does, 1 if not, 2 where the question is no good."""
    parser = Parser(
        prog="streamproxy check",
        description="Look at a link with one small request, as /api/validate does, and say"
        " whether it plays. Exit status: 0 it plays, 1 it does not, 2 a mistake in the command.",
        allow_abbrev=False,
    )
    parser.add_argument("url", metavar="URL", help="link of the video")
    add_settings(parser)
    given = vars(parser.parse_args(argv))
    text = given.pop("url")
    try:
        settings = Settings.from_environment(os.environ, **given)
        link = parse_link(text)
        found = asyncio.run(_look(settings, link))
    except SettingsError as exc:
        print(f"{parser.prog}: {exc}", file=sys.stderr)
        return 2
    except ProxyError as exc:
        _print_table(exc.title, _reasons(exc))
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    _print_table(f"{link} plays.", _facts(found))
    return 0


async def _look(settings: Settings, link: Link) -> Probe:
    policy = TargetPolicy.from_settings(settings)
    check_target(link, policy)
    async with open_session(settings, policy) as session:
        client = UpstreamClient(
            session,
            policy,
            max_redirects=settings.max_redirects,
            chunk_size=settings.chunk_size,
        )
        try:
            return await probe(client, link, limits_by(settings, settings.max_file_size))
        finally:
            await client.close()


def _facts(found: Probe) -> dict[str, object]:
    """Return what is known, as a person asks for it."""
    length = found.complete_length
    container = f" in {found.container}" if found.container else ""
    late = "after the media: it starts late" if found.moov_at_end else "before the media"
    return {
        "type": f"{found.media_type}{container}",
        "length": "unknown" if length is None else f"{length:,} bytes",
        "ranges": "yes" if found.supports_range else "no",
        "seekable": "yes" if found.seekable else "no",
        "file name": found.filename,
        "leads to": found.link.origin,
        "version": found.etag,
        "changed": found.last_modified,
        "index": None if found.moov_at_end is None else late,
    }


def _reasons(error: ProxyError) -> dict[str, object]:
    return {
        "reason": error.detail,
        "hint": error.hint,
        "code": error.code,
        "status": None if error.upstream_status is None else f"{error.upstream_status} of the site",
        "retry": "may help" if error.retryable else "does not help",
    }


def _print_table(title: str, rows: dict[str, object]) -> None:
    """Print what there is; a stranger's text moves no cursor (the site names type and file)."""
    lines = [title, *(f"  {name:<9} {value}" for name, value in rows.items() if value is not None)]
    for line in lines:
        print("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line))


def print_config(argv: Sequence[str]) -> int:
    """Print the settings that a server would have, and where each comes from."""
    parser = Parser(
        prog="streamproxy config",
        description="Print the settings that a server would have if it were started with the same"
        " flags here and now, and where each comes from. Secrets are masked.",
        allow_abbrev=False,
    )
    add_settings(parser)
    given = vars(parser.parse_args(argv))
    try:
        settings = Settings.from_environment(os.environ, **given)
    except SettingsError as exc:
        print(f"{parser.prog}: {exc}", file=sys.stderr)
        return 2
    for setting in fields(Settings):
        value = shown(setting, getattr(settings, setting.name))
        source = source_of(setting, given, os.environ)
        print(f"{f'{setting.name} = {value}':<39} # {source}")
    for name in _unknown(os.environ):
        print(f"{parser.prog}: {name} is in the environment, but no setting", file=sys.stderr)
    return 0


def _unknown(environment: Iterable[str]) -> list[str]:
    """Return the names that look like settings and are none: mistyped, mostly."""
    known = {f"{ENVIRONMENT_PREFIX}{setting.name.upper()}" for setting in fields(Settings)}
    mine = {name for name in environment if name.startswith(ENVIRONMENT_PREFIX)}
    return sorted(mine - known)
