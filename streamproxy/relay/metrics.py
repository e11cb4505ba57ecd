"""What is counted, for Prometheus: numbers alone, nothing of a link, a host or a client.

A label takes few values, all of which stand in our own code: more would let whoever asks
fill the memory, and whoever reads learn what others watch.

With PROMETHEUS_MULTIPROC_DIR in the environment, processes share their counts by files in
that folder, and each of them can answer for all.

Source: the Prometheus text format; the documentation of prometheus-client, "Multiprocess
Mode".
"""

import asyncio
import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from streamproxy.errors import SettingsError
from streamproxy.relay.streams import Streams
from streamproxy.relay.transfer import Transfer
from streamproxy.upstream.observer import Observer

# Seconds between two looks at the streams that run, and at the event loop.
INTERVAL: Final = 1.0
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Seconds. From a neighbour in the rack to the time-outs.
_CONNECT_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_HEAD_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
_LAG_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)
_CONDITIONS = {304: "not_modified", 412: "precondition_failed"}


class Metrics(Observer):
    """The counts of one application.

    :raises SettingsError: PROMETHEUS_MULTIPROC_DIR names no folder that can be written.
    """

    def __init__(self) -> None:
        self._folder = os.environ.get(_FOLDER)
        self._registry = CollectorRegistry()
        try:
            self._make()
        except OSError as exc:
            raise SettingsError(
                f"{_FOLDER}: {self._folder!r} is not allowed; give a folder that can be written"
            ) from exc
        # What is counted since the last look. Each call of a Counter's takes a lock, and to
        # find it by its labels another one: a tenth of the CPU of a small range, together.
        self._new: defaultdict[tuple[Counter, *tuple[str | int, ...]], int] = defaultdict(int)
        self._new_times: list[tuple[Histogram, float]] = []
        if self._folder is None:
            ProcessCollector(registry=self._registry)
            GCCollector(registry=self._registry)

    def _make(self) -> None:
        options: dict[str, Any] = {"namespace": "streamproxy", "registry": self._registry}
        self._requests = Counter("requests", "Requests answered.", ["route", "code"], **options)
        self._streams = Counter("streams", "Streams ended.", ["outcome"], **options)
        self._bytes = Counter("bytes", "Bytes relayed to clients.", ["relay"], **options)
        self._refusals = Counter("refusals", "Requests refused.", ["reason"], **options)
        self._conditions = Counter(
            "conditional_requests", "Requests for streams with a condition.", ["answer"], **options
        )
        self._retries = Counter("retries", "Requests to upstreams sent again.", **options)
        self._resumes = Counter("resumes", "Bodies of upstreams gone on with.", **options)
        self._connect = Histogram(
            "upstream_connect_seconds",
            "Time for a new connection: name, TCP, TLS.",
            buckets=_CONNECT_BUCKETS,
            **options,
        )
        self._head = Histogram(
            "upstream_first_byte_seconds",
            "Time from a question to an upstream until its answer begins.",
            buckets=_HEAD_BUCKETS,
            **options,
        )
        self._lag = Histogram(
            "event_loop_lag_seconds",
            "By how much the event loop is late, looked at each second.",
            buckets=_LAG_BUCKETS,
            **options,
        )
        self._active = Gauge(
            "active_streams", "Streams that run.", multiprocess_mode="livesum", **options
        )

    def connected(self, seconds: float) -> None:
        """Count a new connection."""
        self._new_times.append((self._connect, seconds))

    def answered(self, seconds: float) -> None:
        """Count the head of an answer."""
        self._new_times.append((self._head, seconds))

    def retried(self) -> None:
        """Count a request that is sent again."""
        self._retries.inc()

    def resumed(self) -> None:
        """Count a body that is gone on with."""
        self._resumes.inc()

    def count_request(self, route: str, status: int, code: str | None, transfer: Transfer) -> None:
        """Count a request that has ended.

        :param route: the name of its route, one of ours.
        :param code: of the error that it was refused with; None: it was not.
        """
        self._new[self._requests, route, status] += 1
        if code is not None:
            self._new[self._refusals, code] += 1
        if route == "stream":
            outcome = "refused" if code is not None else transfer.outcome.value
            self._new[self._streams, outcome] += 1
            self._count_bytes(transfer)

    def count_condition(self, status: int) -> None:
        """Count a request for a stream that had a condition, by what came of it."""
        self._new[self._conditions, _CONDITIONS.get(status, "other")] += 1

    def _count_bytes(self, transfer: Transfer) -> None:
        """Count what was relayed since the last look."""
        new = transfer.bytes_sent - transfer.counted
        if new > 0 and transfer.relay is not None:
            transfer.counted += new
            self._new[self._bytes, transfer.relay] += new

    async def watch(self, streams: Streams) -> None:
        """Look at the streams that run, and at the event loop, until it is cancelled.

        A film takes hours: its bytes are counted while they go out.
        """
        loop = asyncio.get_running_loop()
        try:
            while True:
                due_at = loop.time() + INTERVAL
                await asyncio.sleep(INTERVAL)
                self._lag.observe(max(0.0, loop.time() - due_at))
                self.look_at(streams)
        finally:
            self.look_at(streams)
            self._active.set(0)

    def look_at(self, streams: Streams) -> None:
        """Count the streams that run and what they have sent, and all that is new."""
        self._active.set(len(streams))
        for running in streams.running:
            self._count_bytes(running.transfer)
        for (counter, *labels), number in self._new.items():
            counter.labels(*labels).inc(number)
        self._new.clear()
        for histogram, seconds in self._new_times:
            histogram.observe(seconds)
        self._new_times.clear()

    def render(self) -> bytes:
        """Return all counts as text, of all processes where they share them. It may block."""
        if self._folder is None:
            return generate_latest(self._registry)
        _forget_dead(Path(self._folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _forget_dead(folder: Path) -> None:
    """Forget the streams of processes that were killed, and so could not say that they end."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        # It is there, and somebody else's; or another look was faster.
        with suppress(PermissionError, FileNotFoundError):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
