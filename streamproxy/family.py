"""The processes that serve together, and the folder in which they meet.

Workers have the same parent, ours or gunicorn's, and else nothing in common: by its process id
they find one folder, which is our user's alone. There they share the counts of metrics, and ask
one another for the streams that run.
"""

import logging
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

# Where prometheus-client lets processes share counts.
COUNTS = "PROMETHEUS_MULTIPROC_DIR"
_NUMBER = re.compile(r"[0-9]+$")
_CAN_MEET = hasattr(os, "fork")


@contextmanager
def gathered() -> Iterator[None]:
    """Hold the folder for the processes that are forked meanwhile."""
    parent, had_counts = os.getpid(), COUNTS in os.environ
    shutil.rmtree(_path_of(parent), ignore_errors=True)  # of an older process of this id
    found_family(parent)
    try:
        yield
    finally:
        if os.getpid() == parent:
            shutil.rmtree(_path_of(parent), ignore_errors=True)
            if not had_counts:
                os.environ.pop(COUNTS, None)


def found_family(parent: int) -> None:
    """Make the folder for the processes of a parent, and let them count there from now on.

    Where that cannot be, each process knows its own streams alone, and the log says so.
    """
    _forget_dead()
    folder = _path_of(parent)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        logger.warning("%s: %s; each worker knows its own streams alone", folder, exc.strerror)
    else:
        if family_folder(parent) is not None:
            os.environ.setdefault(COUNTS, str(folder))


def family_folder(parent: int) -> Path | None:
    """Return the folder of the processes of a parent; None: there is none, or it is not ours.

    What lies there is believed: a folder that others could have filled is not.
    """
    if not _CAN_MEET:
        return None
    folder = _path_of(parent)
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
        return folder
    logger.warning("%s is not ours alone; each worker knows its own streams alone", folder)
    return None


def _path_of(parent: int) -> Path:
    return Path(tempfile.gettempdir()) / f"streamproxy-{os.geteuid()}-{parent}"


def _forget_dead() -> None:
    """Remove what parents left that were killed; gunicorn never tidies up for us."""
    for folder in Path(tempfile.gettempdir()).glob(f"streamproxy-{os.geteuid()}-*"):
        # Files bear the ids of processes, too, which may outlive their parent.
        names = [folder.name, *(path.stem for path in folder.glob("*"))]
        ids = [int(number[0]) for name in names if (number := _NUMBER.search(name))]
        if ids and not any(map(_runs, ids)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
