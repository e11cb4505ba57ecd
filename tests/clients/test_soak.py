"""A short soak; STREAMPROXY_SOAK_REQUESTS in the environment makes it a long one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "soak.py"
REQUESTS = os.environ.get("STREAMPROXY_SOAK_REQUESTS", "6000")


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="the soak reads /proc")
def test_soak_leaves_nothing_behind() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--requests", REQUESTS],
        capture_output=True,
        text=True,
        timeout=300 + int(REQUESTS) / 50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
