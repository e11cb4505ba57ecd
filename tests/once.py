"""What takes long to make, and is the same for all processes of pytest-xdist."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_GIVE_UP_S = 300


def common_folder(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the run that all of its processes have."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Let the first process that asks for a folder make it, and the others wait for it.

    Where making it fails, or skips the test, the next one tries.
    """
    begun, unfinished = (folder.with_name(folder.name + end) for end in ("-begun", "-unfinished"))
    give_up_at = time.monotonic() + _GIVE_UP_S
    while not folder.exists():
        try:
            begun.mkdir()
        except FileExistsError:
            assert time.monotonic() < give_up_at, f"nobody makes {folder.name}"
            time.sleep(0.1)
            continue
        try:
            if not folder.exists():  # it may have been finished just now
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            begun.rmdir()
    return folder
