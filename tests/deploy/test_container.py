"""deploy/Dockerfile: its steps, done here without Docker, and what comes of them as nobody."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from redis_servers import free_port
from servers import ROOT, missing

from streamproxy import Settings

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
NOBODY = 65534


def instructions(stage: int, name: str) -> list[str]:
    """Return what the instructions of a name say, in one stage of the Dockerfile."""
    joined = DOCKERFILE.replace("\\\n", " ")
    lines = re.split(r"(?m)^FROM .*$", joined)[1 + stage].splitlines()
    return [" ".join(line.split()[1:]) for line in lines if line.startswith(f"{name} ")]


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A folder with what the build makes: /opt/streamproxy of the image."""
    with TemporaryDirectory(prefix="streamproxy-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        source = folder / "src"
        kept = ["LICENSE", "README.md", "pyproject.toml", "setup.cfg", "MANIFEST.in"]
        (source / "tools").mkdir(parents=True)
        for file in (*kept, "tools/backend.py"):
            shutil.copy(ROOT / file, source / file)
        for tree in ("streamproxy", "static", "templates", "deploy"):
            shutil.copytree(
                ROOT / tree, source / tree, ignore=shutil.ignore_patterns("__pycache__")
            )
        python = interpreter()
        subprocess.run([python, "-m", "venv", str(folder / "python")], check=True)
        environment = {
            "PATH": f"{folder}/python/bin:{os.environ['PATH']}",
            **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        }
        for step in instructions(0, "RUN"):
            here = step.replace("/opt/", f"{folder}/").replace("/wheels", f"{folder}/wheels")
            done = subprocess.run(
                ["/bin/sh", "-ec", here],
                cwd=source,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        shutil.rmtree(source)
        yield folder / "streamproxy"


def interpreter() -> str:
    """Return a Python that others than its owner can run: not all may look into a home."""
    system = Path("/usr/bin/python3")
    return str(system) if os.geteuid() == 0 and system.exists() else sys.executable


def environment_of(image: Path, port: int) -> dict[str, str]:
    """Return the environment of the container, but for the port."""
    (given,) = instructions(1, "ENV")
    variables = dict(pair.split("=", 1) for pair in given.split())
    variables["PATH"] = f"{image}/bin"
    return variables | {"STREAMPROXY_PORT": str(port)}


def as_nobody() -> dict[str, Any]:
    """Return the options by which a program is started as somebody without rights."""
    if os.geteuid():
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": ()}


def command_of(image: Path, instruction: str) -> list[str]:
    """Return the command that an instruction of the image gives, here."""
    (said,) = instructions(1, instruction)
    name, *arguments = re.findall(r'"([^"]+)"', said)
    return [f"{image}/bin/{name}", *arguments]


def is_healthy(image: Path, environment: dict[str, str]) -> bool:
    """Tell what HEALTHCHECK finds."""
    check = command_of(image, "HEALTHCHECK")
    done = subprocess.run(
        check, env=environment, capture_output=True, check=False, timeout=60, **as_nobody()
    )
    return done.returncode == 0


def test_nobody_runs_it_and_it_writes_nothing(image: Path) -> None:
    environment = environment_of(image, free_port())
    files = sorted(image.rglob("*"))
    with subprocess.Popen(
        command_of(image, "ENTRYPOINT"),
        cwd="/",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **as_nobody(),
    ) as process:
        try:
            until = time.monotonic() + 120
            while not is_healthy(image, environment):
                assert time.monotonic() < until
        finally:
            process.terminate()
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert b"?token=" in out  # since it listens on more than loopback
    assert b"GET /health" in err
    assert not is_healthy(image, environment)
    assert sorted(image.rglob("*")) == files
    assert not Path("/stream.log").exists()


def test_all_extras_of_the_image_are_there(image: Path) -> None:
    code = "import streamproxy.access.rates, redis, itsdangerous, aiohttp_socks"
    subprocess.run([image / "bin" / "python", "-W", "error", "-c", code], cwd="/", check=True)


@pytest.mark.parametrize("name", ["requirements", "build"])
def test_every_package_of_a_lock_has_its_version_and_hashes(name: str) -> None:
    text = (ROOT / "deploy" / f"{name}.lock").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[a-z0-9-]+==\S+ ", line), line
        assert "--hash=sha256:" in line


def test_dockerfile_is_free_of_what_hadolint_knows() -> None:
    hadolint = shutil.which("hadolint") or shutil.which(
        "hadolint", path=Path(sys.executable).parent
    )
    if hadolint is None:
        missing("hadolint")
    assert hadolint is not None
    done = subprocess.run(
        [hadolint, "-"], input=DOCKERFILE, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_names_what_is_there() -> None:
    composed = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    services = composed["services"]
    config = (ROOT / "deploy" / "nginx.conf").read_text()
    instances = {name for name in services if name.startswith("streamproxy")}
    assert set(re.findall(r"server (streamproxy-\d+):5000", config)) == instances
    for name, service in services.items():
        for needed in service.get("depends_on", {}):
            assert "healthcheck" in services[needed] or needed in instances, (name, needed)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in composed["volumes"] or source in {"./nginx.conf", "./tls"}
    for name in instances:
        assert services[name]["read_only"]
        given = services[name]["environment"]
        known = {f"STREAMPROXY_{field.name.upper()}" for field in fields(Settings)}
        assert given.keys() <= known
        Settings.from_environment({key: filled_in(value) for key, value in given.items()})


def filled_in(value: str) -> str:
    """Return a value of a compose file in a shell that sets nothing but the token."""
    return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", lambda found: found[1] or "token", value)
