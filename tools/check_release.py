"""Refuse a release whose version, changelog and tag differ.

Without a tag: the version of the package is the newest of the changelog. With one: it is also
the tag's, ``v`` before it, and the changelog says on which day it was released.
"""

import argparse
import re
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_YET = "not yet released"
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_HEADING = re.compile(r"^## \[?([^\]\s]+)\]? - (.+)$", re.MULTILINE)
_NUMBER = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


def problems(version_file: str, changelog: str, tag: str | None) -> list[str]:
    """Return what is wrong with a release, a sentence each.

    :param version_file: the text of version.py.
    :param tag: the name of the tag; None: this is no release yet.
    """
    match = _VERSION.search(version_file)
    version = match[1] if match else ""
    found = []
    if not _NUMBER.fullmatch(version):
        found.append(f"version.py: {version!r} is no version such as 1.2.3")
    releases = _HEADING.findall(changelog)
    if not releases:
        return [*found, "CHANGELOG.md: there is no heading such as: ## 1.2.3 - 2024-01-13"]
    newest, day = releases[0]
    if newest != version:
        found.append(f"CHANGELOG.md tells of {newest} first, version.py says {version}")
    found += [f"CHANGELOG.md: {name}: {problem}" for name, problem in _bad_days(releases)]
    if tag is not None and tag != f"v{version}":
        found.append(f"the tag is {tag}, it should be v{version}")
    if tag is not None and day == NOT_YET:
        found.append(f"CHANGELOG.md: {newest}: give the day of the release")
    return found


def _bad_days(releases: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the releases whose day is none; the newest may have none yet."""
    dated = releases[1:] if releases[0][1] == NOT_YET else releases
    return [
        (name, f"{day!r} is no day such as 2024-01-13") for name, day in dated if not _is_day(day)
    ]


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def main() -> int:
    """Check this checkout; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tag", help="the tag of the release, such as v1.2.3")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    given = parser.parse_args()
    found = problems(
        (given.root / "streamproxy" / "version.py").read_text(encoding="utf-8"),
        (given.root / "CHANGELOG.md").read_text(encoding="utf-8"),
        given.tag,
    )
    for problem in found:
        print(f"check_release: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
