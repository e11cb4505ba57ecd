"""The README and docs say what the program does: names, defaults, codes."""

import re
from collections.abc import Iterator
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
        if setting.default in ((), ""):
            assert shown == "none"
        elif setting.metadata["metavar"] == "SIZE":
            assert parse_size(shown) == setting.default
        else:
            assert shown == str(setting.default)


def own_errors(error: type[ProxyError] = ProxyError) -> Iterator[type[ProxyError]]:
    """Yield the errors of the package that have a code of their own."""
    if "code" in vars(error):
        yield error
    for below in error.__subclasses__():
        if below.__module__.startswith("streamproxy."):
            yield from own_errors(below)


def test_every_code_is_listed_with_its_status() -> None:
    listed = {code.strip("`"): status for code, status, _ in rows("docs/api.md", "Errors")}
    classes = list(own_errors())
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


def test_security_page_names_settings_with_their_defaults() -> None:
    listed = rows("docs/security.md", "Settings, and what one opens by changing them")
    defaults = {setting.name: setting.default for setting in fields(Settings)}
    for name, default, opens in listed:
        value = defaults[name.strip("`")]
        shown = default.strip("`")
        is_size = isinstance(value, int) and shown.endswith("iB")
        assert (parse_size(shown) == value) if is_size else shown in {str(value), value or "none"}
        assert opens
