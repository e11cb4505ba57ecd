"""The README and docs say what the program does: names, defaults, codes."""

import re
from dataclasses import fields
from pathlib import Path

from streamproxy import ProxyError, Settings, errors
from streamproxy.options import parse_size

ROOT = Path(__file__).parents[1]


def rows(path: str, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its own head."""
    text = (ROOT / path).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_settings_are_listed_with_their_defaults() -> None:
    listed = {
        name.strip("`"): default.strip("`") for name, default, _ in rows("README.md", "Settings")
    }
    assert list(listed) == [setting.name for setting in fields(Settings)]
    for setting in fields(Settings):
        shown = listed[setting.name]
        if setting.default == ():
            assert shown == "none"
        elif setting.metadata["metavar"] == "SIZE":
            assert parse_size(shown) == setting.default
        else:
            assert shown == str(setting.default)


def test_every_code_is_listed_with_its_status() -> None:
    listed = {code.strip("`"): status for code, status, _ in rows("docs/api.md", "Errors")}
    own = [error for error in ProxyError.__subclasses__() if error.__module__ == errors.__name__]
    classes: list[type[ProxyError]] = [ProxyError, *own]
    assert listed.keys() == {error.code for error in classes}
    for error in classes:
        if error is not errors.UpstreamStatus:
            assert listed[error.code] == str(error.status)


def test_links_lead_to_files_that_exist() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_ci_runs_the_commands_that_stand_here() -> None:
    for mark in ("main job", "tests"):
        assert re.search(rf"<!-- {mark} -->\n```sh\n[^\n]+\n```", (ROOT / "README.md").read_text())
