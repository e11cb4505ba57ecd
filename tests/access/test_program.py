"""The secret that the processes of one program have in common."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import streamproxy
from streamproxy.access.program import program_secret

SHOW = "from streamproxy.access.program import program_secret; print(program_secret(b'a').hex())"


def shown_by_another_program() -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(streamproxy.__file__).parents[1])}
    command = [sys.executable, "-c", SHOW]
    return subprocess.check_output(command, env=environment, text=True).strip()


@pytest.mark.skipif(sys.platform != "linux", reason="there the kernel gives none")
def test_is_the_same_each_time_and_another_one_for_each_purpose() -> None:
    assert program_secret(b"a") == program_secret(b"a")
    assert program_secret(b"a") != program_secret(b"b")
    assert len(program_secret(b"a")) == 32


def test_is_another_one_in_each_program() -> None:
    own = program_secret(b"a").hex()
    assert len({own, shown_by_another_program(), shown_by_another_program()}) == 3
