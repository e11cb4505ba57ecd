"""The settings on the command line: a flag for each, and how their values are shown."""

import argparse
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any, NoReturn

from streamproxy.options import Rate
from streamproxy.settings import ENVIRONMENT_PREFIX, Settings

MASK = "***"


class Parser(argparse.ArgumentParser):
    """A parser that ends with one line, as for a bad value, rather than with the usage."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting; those that are not given leave nothing behind."""
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


def _shown_default(setting: Field[Any]) -> str:
    if isinstance(setting.default, tuple):
        return "none"
    if isinstance(setting.default, bool):
        return "yes" if setting.default else "no"
    return shown(setting, setting.default)


def shown(setting: Field[Any], value: Any) -> str:  # noqa: ANN401  # a setting can be of any type
    """Return a value as text that the setting takes back, but for what is secret."""
    if setting.metadata["secret"] and value:
        return MASK
    if isinstance(value, tuple) and isinstance(setting.default, tuple):
        return ",".join(_shown_item(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return _shown_size(value) if setting.metadata["metavar"] == "SIZE" else str(value)


def _shown_item(item: object) -> str:
    if isinstance(item, Rate):
        return f"{item.requests}/{item.seconds}seconds"
    if isinstance(item, tuple):
        address, port = item
        return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    return str(item)


def _shown_size(size: int) -> str:
    units = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "": 1}
    unit = next(name for name, factor in units.items() if size % factor == 0)
    return f"{size // units[unit]}{unit}" if size else "0"


def source_of(
    setting: Field[Any], given: Mapping[str, object], environment: Mapping[str, str]
) -> str:
    """Return where the value of a setting comes from, in the order in which one wins.

    :param given: the settings of the command line, by name.
    """
    variable = f"{ENVIRONMENT_PREFIX}{setting.name.upper()}"
    if setting.name in given:
        return "command line"
    return f"environment, {variable}" if variable in environment else "default"
