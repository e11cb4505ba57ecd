"""The log file is moved under a running server, as logrotate does it: nothing is lost."""

import asyncio
import json
import os
import shutil
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest
from aiohttp import ClientSession
from program import outcome, running
from subprocesses import finish, process

RECIPE = Path(__file__).parents[1] / "deploy" / "logrotate"


async def ask(address: str, *names: str) -> None:
    async with ClientSession() as client:
        for name in names:
            async with client.get(f"{address}{name}") as got:
                assert got.status == 404


def paths_in(file: Path) -> list[str]:
    """Return the paths of the requests that a log tells the end of."""
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    return [entry["path"] for entry in entries if "path" in entry]


def has(file: Path, path: str) -> bool:
    return file.exists() and path in paths_in(file)


async def written(file: Path, path: str) -> None:
    """Wait until the log tells of a request."""
    async with asyncio.timeout(20):
        while not has(file, path):  # noqa: ASYNC110  # a file has no events
            await asyncio.sleep(0.02)


def make_recipe(folder: Path) -> Path:
    """Return the recipe for the log in *folder*."""
    recipe = folder / "recipe"
    recipe.write_text(RECIPE.read_text().replace("/var/log/streamproxy/", f"{folder}/"))
    # logrotate trusts nothing that others can write to.
    folder.chmod(0o755)
    recipe.chmod(0o644)
    return recipe


def put_aside(folder: Path, name: str) -> None:
    """Rename the rotated log: within one second the next one would have the same name."""
    (moved,) = folder.glob("stream.log-*")
    moved.rename(folder / name)


async def test_log_goes_on_in_a_new_file_when_the_old_one_is_moved(tmp_path: Path) -> None:
    log, old = tmp_path / "stream.log", tmp_path / "old.log"
    async with running("--log-format", "json", cwd=tmp_path) as (server, address):
        await ask(address, "one")
        await written(log, "/one")
        log.rename(old)
        await ask(address, "two", "three")
        await written(log, "/three")
        server.terminate()
        status, _, _ = await outcome(server)
    assert status == 0
    assert paths_in(old) == ["/one"]
    assert paths_in(log) == ["/two", "/three"]


async def test_recipe_for_logrotate_loses_no_line(tmp_path: Path) -> None:
    program = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("there is no logrotate on this machine")
    log = tmp_path / "stream.log"
    recipe = make_recipe(tmp_path)
    async with running("--log-format", "json", cwd=tmp_path) as (server, address):
        for name in ("one", "two"):
            await ask(address, name)
            await written(log, f"/{name}")
            command = (program, "--force", "--state", str(tmp_path / "state"), str(recipe))
            async with process(*command, stdout=PIPE, stderr=STDOUT) as done:
                said, _ = await finish(done)
            assert (done.returncode, said) == (0, "")
            put_aside(tmp_path, f"{name}.json")
        await ask(address, "three")
        server.terminate()
        await outcome(server)

    kept = (tmp_path / "one.json", tmp_path / "two.json", log)
    assert [paths_in(file) for file in kept] == [["/one"], ["/two"], ["/three"]]
