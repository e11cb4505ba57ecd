"""The build backend: setuptools, made to build the same bytes from the same files.

A wheel of setuptools has the times that SOURCE_DATE_EPOCH says, but modes as the umask lets
them; its sdist has the times, the owners and the modes of the checkout, and the time of the
build. Here the sdist is packed anew without them, and where nobody says an epoch there is one
all the same.

Source: PEP 517 (in-tree backends); https://reproducible-builds.org/specs/source-date-epoch/.
"""

import gzip
import os
import tarfile
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = (
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
)

# The first time that a zip file, and so a wheel, can hold.
_EPOCH = int(os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800"))
# The modes in a wheel are those of the files that are made while it is built, by a process
# that does nothing else.
os.umask(0o022)


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:  # noqa: ANN401  # PEP 517
    """Build the sdist; return its name.

    GNU's format, since the other keeps a second time of each file, and owners.
    """
    name = build_meta.build_sdist(sdist_directory, config_settings)
    path = Path(sdist_directory) / name
    packed = path.with_suffix(".new")
    with (
        tarfile.open(path) as given,
        packed.open("wb") as file,
        # Neither a name nor a time in its head.
        gzip.GzipFile("", "wb", 9, file, mtime=_EPOCH) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as made,
    ):
        for member in sorted(given.getmembers(), key=lambda member: member.name):
            made.addfile(_plain(member), given.extractfile(member) if member.isfile() else None)
    packed.replace(path)
    return str(name)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return the entry of a file without what is of the machine that builds."""
    is_open = member.isdir() or member.mode & 0o100
    return member.replace(
        mtime=_EPOCH, mode=0o755 if is_open else 0o644, uid=0, gid=0, uname="", gname=""
    )
