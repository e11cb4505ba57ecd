"""The house: imports point down only, and no room grows beyond what can be read at once."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import streamproxy

ROOT = Path(streamproxy.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# From the bottom up: a room may import those of a lower rank, and its own modules.
RANKS = {
    "version": 0,
    "assets": 0,
    "errors": 0,
    "options": 1,
    "settings": 2,
    "arguments": 3,
    "log_formats": 2,
    "log_outputs": 2,
    "logs": 3,
    "family": 3,
    "notify": 3,
    "protocol": 3,
    "subtitles": 3,
    "targets": 3,
    "access": 4,
    "upstream": 4,
    "process": 5,
    "relay": 5,
    "openapi": 5,
    "keys": 6,
    "middlewares": 7,
    "handlers": 7,
    "hosted": 8,
    "app": 9,
    "diagnosis": 9,
    "commands": 10,
    "demo": 10,
    "server": 10,
    "": 10,  # the package itself: its public names
    "workers": 11,
    "__main__": 12,
}
# Pure rooms decide and do nothing else: all they may import beyond the rooms below them.
PURE = {
    "protocol": {
        "base64",
        "collections",
        "dataclasses",
        "email",
        "enum",
        "functools",
        "multidict",
        "re",
        "typing",
        "unicodedata",
        "urllib",
    },
    "subtitles": {
        "charset_normalizer",
        "codecs",
        "collections",
        "functools",
        "html",
        "io",
        "itertools",
        "pysubs2",
        "re",
        "typing",
    },
    "targets": {"base64", "dataclasses", "enum", "functools", "ipaddress", "re", "urllib", "yarl"},
}
MAX_FUNCTION_LINES = 60
MAX_MODULE_LINES = 300
IMPORT_TIMEOUT_S = 300


def module_name(path: Path) -> str:
    """Return the module's name below the package, such as ``protocol.plan``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def room(name: str) -> str:
    return name.partition(".")[0]


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, in whatever part of it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name} has a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from names & MODULES or {node.module or ""}


def own_imports(path: Path) -> set[str]:
    """Return the modules of this package that a file imports, named below it."""
    found = (name for name in imports(path) if name.partition(".")[0] == "streamproxy")
    return {name.removeprefix("streamproxy").removeprefix(".") for name in found}


MODULES = {f"streamproxy.{module_name(path)}".removesuffix(".") for path in FILES}
each_file = pytest.mark.parametrize(
    "path", FILES, ids=lambda path: module_name(path) or "(package)"
)


@each_file
def test_every_room_has_a_rank(path: Path) -> None:
    assert room(module_name(path)) in RANKS


@each_file
def test_imports_point_down_only(path: Path) -> None:
    own = room(module_name(path))

    upward = [
        name for name in own_imports(path) if room(name) != own and RANKS[room(name)] >= RANKS[own]
    ]

    assert upward == []


def test_imports_go_in_no_circle() -> None:
    graph = {module_name(path): own_imports(path) - {module_name(path)} for path in FILES}

    assert tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("name", PURE)
def test_pure_room_imports_nothing_that_acts(name: str) -> None:
    found = {
        imported.partition(".")[0]
        for path in (ROOT / name).glob("*.py")
        for imported in imports(path)
    }

    assert found - {"streamproxy"} <= PURE[name]
    assert found.isdisjoint({"aiohttp", "asyncio", "time", "datetime", "socket", "os"})


@each_file
def test_module_can_be_read_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES


@each_file
def test_function_does_one_thing(path: Path) -> None:
    too_long = [
        node.name
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]

    assert too_long == []


def undocumented(node: ast.AST, prefix: str = "") -> Iterator[str]:
    """Yield the public functions, classes and methods below *node* that say nothing."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if child.name.startswith("_"):
            continue
        if ast.get_docstring(child) is None:
            yield prefix + child.name
        if isinstance(child, ast.ClassDef):
            yield from undocumented(child, f"{prefix}{child.name}.")


@each_file
def test_everything_public_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_bytes())

    assert ast.get_docstring(tree)
    assert list(undocumented(tree)) == []


# Each module is imported in a process of its own, forked from one that has imported what is not
# ours and what it brings with it: importing aiohttp once a module takes most of a minute.
IMPORT_ALONE = """
import gc, importlib, os, sys, types
from contextlib import suppress
names, others, root = sys.argv[1].split(), sys.argv[2].split(), sys.argv[3]
for other in others:
    with suppress(Exception):  # a module that needs it meets it again
        importlib.import_module(other)
assert not [name for name in sys.modules if name.startswith("streamproxy")]
sys.dont_write_bytecode, sys.pycache_prefix = False, sys.argv[4]  # ours are compiled once
gc.freeze()  # no child looks through all of this at its end
for name in names:
    child = os.fork()
    if not child:  # goes on below, and ends as any interpreter does
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), 2)
        break
    _, status = os.waitpid(child, 0)
    if status:
        with open(name, "a") as problem:
            print("status", status, file=problem)
else:
    sys.exit()
# A package in whose place nothing is imported: else every module would come after all others.
if name != "streamproxy":
    package = sys.modules["streamproxy"] = types.ModuleType("streamproxy")
    package.__path__ = [root]
importlib.import_module(name)
"""


def others_imported() -> set[str]:
    """Return what is imported with the modules and is not ours, as far as it is a module."""
    nodes = [node for path in FILES for node in ast.parse(path.read_bytes()).body]
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if room(name) != "streamproxy"}


def test_every_module_imports_alone_and_without_warnings(tmp_path: Path) -> None:
    said, compiled = tmp_path / "said", tmp_path / "compiled"
    said.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    lists = [" ".join(sorted(names)) for names in (MODULES, others_imported())]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALONE, *lists, str(ROOT), str(compiled)],
        capture_output=True,
        text=True,
        check=False,
        cwd=said,
        env=environment,
        timeout=IMPORT_TIMEOUT_S,
    )
    problems = {file.name: file.read_text() for file in said.iterdir()}

    assert (done.returncode, done.stderr) == (0, "")
    assert problems.keys() == MODULES
    assert {name: problem for name, problem in problems.items() if problem} == {}
