"""What is released, and from what: version, changelog, tag, workflows and pages agree."""

import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

import streamproxy
from streamproxy.openapi.document import make_document

ROOT = Path(__file__).parents[1]
CHANGELOG = """# Changes

## 1.2.3 - 2024-01-13

### Added

## [1.2.2] - 2023-12-31
"""
OURS = {"actions/checkout", "actions/setup-python"}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())


def check(folder: Path, version: str, changelog: str, *options: str) -> tuple[int, str]:
    """Run the script on a checkout of these two; return status and standard error."""
    (folder / "streamproxy").mkdir()
    (folder / "streamproxy" / "version.py").write_text(
        f'"""Docs."""\n\n__version__ = "{version}"\n'
    )
    (folder / "CHANGELOG.md").write_text(changelog)
    return run_check("--root", str(folder), *options)


def run_check(*options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "tools" / "check_release.py"), *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


NOT_YET = CHANGELOG.replace("2024-01-13", "not yet released")


@pytest.mark.parametrize(
    ("version", "changelog", "options"),
    [
        ("1.2.3", CHANGELOG, ()),
        ("1.2.3", CHANGELOG, ("--tag", "v1.2.3")),
        ("1.2.3", NOT_YET, ()),
        ("1.2.3rc1", CHANGELOG.replace("1.2.3", "1.2.3rc1"), ("--tag", "v1.2.3rc1")),
    ],
)
def test_release_is_permitted_where_all_agree(
    tmp_path: Path, version: str, changelog: str, options: tuple[str, ...]
) -> None:
    assert check(tmp_path, version, changelog, *options) == (0, "")


@pytest.mark.parametrize(
    ("version", "changelog", "options", "named"),
    [
        ("1.2.4", CHANGELOG, (), "tells of 1.2.3 first, version.py says 1.2.4"),
        ("1.2.2", CHANGELOG, (), "tells of 1.2.3 first, version.py says 1.2.2"),
        ("1.2.3", CHANGELOG, ("--tag", "v1.2.4"), "the tag is v1.2.4, it should be v1.2.3"),
        ("1.2.3", CHANGELOG, ("--tag", "1.2.3"), "the tag is 1.2.3, it should be v1.2.3"),
        ("1.2.3", NOT_YET, ("--tag", "v1.2.3"), "give the day"),
        ("1.2.3", CHANGELOG.replace("01-13", "13-01"), (), "2024-13-01"),
        ("1.2.3", CHANGELOG.replace("2023-12-31", "not yet released"), (), "1.2.2"),
        ("1.2.3", CHANGELOG.replace("2024-01-13", "20240113"), (), "20240113"),
        ("1.2", CHANGELOG.replace("1.2.3", "1.2"), (), "'1.2' is no version"),
        ("1.2.3", "# Changes\n", (), "no heading"),
    ],
)
def test_release_is_refused_where_they_differ(
    tmp_path: Path, version: str, changelog: str, options: tuple[str, ...], named: str
) -> None:
    status, err = check(tmp_path, version, changelog, *options)
    assert status == 1
    assert named in err


def test_this_checkout_agrees_and_its_tag_can_have_one_name_only() -> None:
    assert run_check() == (0, "")
    status, err = run_check("--tag", "v99.0.0")
    assert (status, f"it should be v{streamproxy.__version__}" in err) == (1, True)


def test_page_of_the_reference_is_made_from_the_document() -> None:
    make_page = runpy.run_path(str(ROOT / "tools" / "make_openapi_page.py"))["make_page"]
    page = (ROOT / "docs" / "openapi.md").read_text(encoding="utf-8")
    assert page == make_page(make_document()), "run tools/make_openapi_page.py"


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            yield f"{path.stem}.{name}", job


def commands() -> Iterator[str]:
    for _, job in jobs():
        yield from (step["run"] for step in job["steps"] if "run" in step)


def test_workflows_use_no_actions_of_strangers() -> None:
    used = {
        step["uses"].partition("@")[0]
        for _, job in jobs()
        for step in job["steps"]
        if "uses" in step
    }
    assert used == OURS


def test_workflows_run_steps_that_ci_has_and_leave_out_benchmarks_alone() -> None:
    steps = re.findall(r"^if step (\w+) ", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    used = {
        name
        for command in commands()
        if command.startswith(".ci/run ")
        for name in command.split()[1:]
    }
    assert set(steps) - used == {"benchmarks"}
    assert used <= set(steps)


def test_name_of_no_step_is_refused() -> None:
    done = subprocess.run(
        [str(ROOT / ".ci" / "run"), "no-such"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no step no-such" in done.stderr


def test_every_python_that_is_promised_is_tested() -> None:
    (matrix,) = [job["strategy"]["matrix"] for name, job in jobs() if name == "checks.tests"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    classifier = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    promised = [found[1] for found in map(classifier.fullmatch, project["classifiers"]) if found]
    assert matrix["python"] == promised
    assert project["requires-python"] == f">={promised[0]}"


def test_only_a_release_may_write_and_none_goes_on_for_ever() -> None:
    for path in WORKFLOWS:
        permissions = yaml.safe_load(path.read_text())["permissions"]
        assert permissions == {"contents": "write" if path.stem == "release" else "read"}
    assert all(job["timeout-minutes"] <= 60 for _, job in jobs())


def test_release_is_checked_before_it_is_built() -> None:
    (release,) = [job for name, job in jobs() if name == "release.release"]
    said = [step["run"] for step in release["steps"] if "run" in step]
    assert said[0] == 'python tools/check_release.py --tag "$GITHUB_REF_NAME"'
    assert said[1] == ".ci/run dist"
