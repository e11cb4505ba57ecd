"""What a process needs that serves the application, whoever started it."""

import gc
import logging
import os
import sys

from streamproxy.errors import SettingsError
from streamproxy.settings import Settings
from streamproxy.upstream.clean import MAX_IDLE

if sys.platform != "win32":  # which has no such limit
    import resource

logger = logging.getLogger(__name__)

# Descriptors beside those of streams: idle connections of both kinds, and what listens, logs, waits
# for a request, looks up names.
_SPARE_DESCRIPTORS = 2 * MAX_IDLE + 256


def count_processes(settings: Settings) -> int:
    """Return how many processes are to serve.

    :raises SettingsError: several, and the system cannot fork.
    """
    number = settings.workers or _count_processors()
    if number > 1 and not hasattr(os, "fork"):
        raise SettingsError("workers: this system has no fork; give 1")
    return number


def _count_processors() -> int:
    """Return how many processors this process may run on: those of its container, say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare_process(settings: Settings) -> None:
    """Make ready for as many streams as the settings permit."""
    _keep_heap()
    _freeze_heap()
    raise_descriptor_limit(settings)


def _keep_heap() -> None:
    """Keep the C library from giving memory back, and asking for it again, with each chunk.

    Freeing one large block raises glibc's thresholds for that (mallopt(3), M_MMAP_THRESHOLD).
    Measured: 79 page faults per GiB streamed instead of up to 196,000, a quarter of the CPU.
    """
    bytes(16 * 2**20)


def _freeze_heap() -> None:
    """Leave what was made at the start, and stays, out of all collections of garbage.

    Else each full one looks at all modules again, while a viewer waits. Measured: p99 of small
    ranges over 32 connections falls to half.
    """
    gc.collect()
    gc.freeze()


def raise_descriptor_limit(settings: Settings) -> None:
    """Let the process open as many descriptors as its streams need, or say that it cannot."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * settings.max_streams + _SPARE_DESCRIPTORS if settings.max_streams else hard
    # Moving bytes within the kernel takes four more; where they are short, bytes are copied.
    wanted = needed + 4 * settings.max_streams if settings.splice else needed
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        logger.warning(
            "max_streams: %d streams need %d descriptors, but the system allows %d: "
            "raise the limit (ulimit -n), or lower max_streams",
            settings.max_streams,
            needed,
            allowed,
        )
