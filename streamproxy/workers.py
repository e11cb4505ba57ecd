"""Several processes that serve on the same sockets, and the parent that watches them.

The parent serves nobody. It forks the workers, replaces those that end or hang, hands signals on,
and speaks with systemd for all of them. Each worker tells it how it goes over a pair of
sockets, in the words of notify; if the parent dies, the workers' end of it closes, and they end.
"""

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from streamproxy.notify import ABORT, ALIVE, READY, RETIRE, STOPPING, Notifier
from streamproxy.server import END_TIME

logger = logging.getLogger(__name__)

_INTERVAL = 1.0  # seconds between two signs of life of a worker
_STUCK_AFTER = 30.0  # seconds without one: a loop blocked for so long serves nobody any more
_YOUNG = 5.0  # seconds: a worker that ends younger is replaced later each time
_MAX_WAIT = 30.0
_STOPPERS = frozenset({signal.SIGINT, signal.SIGTERM})


@dataclass(slots=True)
class _Worker:
    """A worker, as its parent knows it.

    :param generation: how many reloads there were before it; workers of an older one leave.
    """

    pid: int
    connection: socket.socket
    generation: int
    started_at: float = field(default_factory=time.monotonic)
    seen_at: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    is_leaving: bool = False
    status: str = ""


def _dismiss(worker: _Worker) -> None:
    """Let a worker finish its streams and end, with all the others."""
    worker.is_leaving = True
    with suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGTERM)


def _say(worker: _Worker, word: bytes) -> None:
    """Say RETIRE or ABORT to a worker, which may have ended meanwhile."""
    worker.is_leaving = True
    with suppress(OSError):
        worker.connection.send(word)


class Supervisor:
    """Keeps a number of workers running, until a signal ends them.

    SIGTERM and SIGINT let streams finish for shutdown_grace, a second one ends them at once.
    SIGHUP starts new workers, which read the files of the settings anew, and lets the old ones
    leave when the new ones serve. A file with a mistake changes nothing but the log.

    :param work: what a worker does: it is told whom to notify, and returns an exit status.
    :param on_ready: called once, when all workers accept connections.
    :param grace_s: seconds that streams get at the end.
    :param stuck_after_s: seconds without a sign of life, after which a worker is killed.
    """

    def __init__(
        self,
        number: int,
        work: Callable[[Notifier], int],
        notifier: Notifier,
        *,
        on_ready: Callable[[], None],
        grace_s: float,
        stuck_after_s: float = _STUCK_AFTER,
    ) -> None:
        self._number = number
        self._work = work
        self._notifier = notifier
        self._on_ready = on_ready
        self._grace_s = grace_s
        self._stuck_after_s = stuck_after_s
        self._workers: dict[int, _Worker] = {}
        self._generation = self._failures = self._exit_status = 0
        self._start_at = self._told_at = 0.0
        self._looked_at = time.monotonic()
        self._was_ready = False
        self._kill_at: float | None = None  # set when it is to stop
        self._selector = selectors.DefaultSelector()
        self._signals, self._wakeup = socket.socketpair()

    def run(self) -> int:
        """Run until all workers have ended; return the exit status. A worker returns, too."""
        for end in (self._signals, self._wakeup):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        for number in (*_STOPPERS, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(self._signals, selectors.EVENT_READ)
        while self._kill_at is None or self._workers:
            if (status := self._start_missing()) is not None:
                return status
            for key, _ in self._selector.select(_INTERVAL / 2):
                if key.fileobj is self._signals:
                    self._read_signals()
                else:
                    self._read_states(key.data)
            self._reap()
            self._end_stuck()
            self._let_old_leave()
            self._report()
        self._forget_signals()
        return self._exit_status

    def _start_missing(self) -> int | None:
        """Fork the workers that there are too few of; return a status in the worker alone."""
        if self._kill_at is not None or time.monotonic() < self._start_at:
            return None
        running = sum(worker.generation == self._generation for worker in self._workers.values())
        for _ in range(self._number - running):
            try:
                connection = self._fork()
            except OSError as exc:  # out of descriptors or processes, which may pass
                logger.error("No worker can start: %s", exc.strerror)  # noqa: TRY400  # all of it
                self._start_at = time.monotonic() + _INTERVAL
                break
            if connection is not None:
                return self._become_worker(connection)
        return None

    def _fork(self) -> socket.socket | None:
        """Start a worker; return its connection to the parent in the worker alone."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A signal to the worker must not meet the parent's handlers, which do nothing.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPERS)
        try:
            pid = os.fork()
        except OSError:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPERS)
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            ours.close()
            return theirs
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPERS)
        theirs.close()
        ours.setblocking(False)
        worker = self._workers[pid] = _Worker(pid, ours, self._generation)
        self._selector.register(ours, selectors.EVENT_READ, worker)
        return None

    def _become_worker(self, connection: socket.socket) -> int:
        """Forget what is the parent's, and work."""
        self._forget_signals()
        for number in (*_STOPPERS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPERS)
        # A terminal that closes, or kill with the group: the parent decides what that means.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # While another worker has the parent's end, the parent's death would not be seen.
        for other in self._workers.values():
            other.connection.close()
        with connection:
            return self._work(Notifier(connection, interval_s=_INTERVAL))

    def _forget_signals(self) -> None:
        signal.set_wakeup_fd(-1)
        for used in (self._selector, self._signals, self._wakeup):
            used.close()

    def _read_signals(self) -> None:
        with suppress(BlockingIOError):
            for number in self._signals.recv(4096):
                if number in _STOPPERS:
                    self._stop()
                elif number == signal.SIGHUP and self._kill_at is None:
                    logger.info("Reloading: new workers start")
                    self._generation += 1
                    self._failures, self._start_at = 0, 0.0

    def _stop(self) -> None:
        """Let all workers finish; the second time, let them end their streams at once."""
        is_first = self._kill_at is None
        if is_first:
            self._kill_at = time.monotonic() + self._grace_s + END_TIME
            end_us = round((self._grace_s + 2 * END_TIME) * 1e6)
            self._notifier.tell(STOPPING, f"EXTEND_TIMEOUT_USEC={end_us}")
        for worker in self._workers.values():
            if is_first:
                _dismiss(worker)
            else:
                _say(worker, ABORT)

    def _read_states(self, worker: _Worker) -> None:
        try:
            states = worker.connection.recv(4096).decode().split("\n")
        except (BlockingIOError, ConnectionError):
            return
        if states == [""]:  # it has ended, or is about to
            self._selector.unregister(worker.connection)
            worker.connection.close()
            return
        worker.seen_at = time.monotonic()
        worker.is_ready |= READY in states
        worker.status = next((s[7:] for s in states if s.startswith("STATUS=")), worker.status)

    def _reap(self) -> None:
        """Take leave of the workers that have ended."""
        for worker in list(self._workers.values()):
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if not pid:
                continue
            del self._workers[pid]
            if worker.connection.fileno() >= 0:
                self._selector.unregister(worker.connection)
                worker.connection.close()
            if not worker.is_leaving:
                self._mourn(worker, os.waitstatus_to_exitcode(status))

    def _mourn(self, worker: _Worker, status: int) -> None:
        """Decide what a worker's end, which nobody asked for, means for the others."""
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        logger.error("Worker %d ended %s", worker.pid, how)
        oldest = min(w.generation for w in (worker, *self._workers.values()) if not w.is_leaving)
        if worker.generation < self._generation:
            return  # those of a later reload decide
        if not worker.is_ready and oldest < self._generation:
            logger.error("Reloading failed: the old workers stay")
            self._generation = oldest
            for other in self._workers.values():
                if other.generation > oldest:
                    _dismiss(other)
                    other.generation = -1
        elif not worker.is_ready and not self._was_ready:
            self._exit_status = 1
            self._stop()
        elif time.monotonic() - worker.started_at >= _YOUNG:
            self._failures = 0
        elif worker.started_at >= self._start_at:  # else others of its time were counted
            wait = min(0.5 * 2**self._failures, _MAX_WAIT)
            self._failures += 1
            self._start_at = time.monotonic() + wait
            logger.warning("The next worker starts in %.1f s", wait)

    def _end_stuck(self) -> None:
        """Kill the workers that give no sign of life, and all that outlive the grace."""
        now = time.monotonic()
        # What stops the parent, such as docker pause, stops all: nobody could speak meanwhile.
        pause = max(0.0, now - self._looked_at - _INTERVAL)
        self._looked_at = now
        is_over = self._kill_at is not None and now > self._kill_at
        for worker in self._workers.values():
            worker.seen_at = min(now, worker.seen_at + pause)
            if is_over or now - worker.seen_at > self._stuck_after_s:
                logger.error("Worker %d hangs and is killed", worker.pid)
                worker.seen_at = now
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)

    def _let_old_leave(self) -> None:
        """Once all new workers serve, let those of before the reload finish."""
        current = [w for w in self._workers.values() if w.generation == self._generation]
        if len(current) < self._number or not all(worker.is_ready for worker in current):
            return
        if not self._was_ready:
            self._was_ready = True
            self._on_ready()
            self._notifier.tell(READY)
        for worker in self._workers.values():
            if worker.generation != self._generation and not worker.is_leaving:
                _say(worker, RETIRE)

    def _report(self) -> None:
        """Give systemd a sign of life: the parent's own, who sees to that of the workers."""
        if time.monotonic() - self._told_at < self._notifier.interval_s:
            return
        self._told_at = time.monotonic()
        streams = sum(int(w.status.split()[0]) for w in self._workers.values() if w.status)
        self._notifier.tell(ALIVE, f"STATUS={len(self._workers)} workers, {streams} streams")
