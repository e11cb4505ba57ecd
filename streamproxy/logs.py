"""Where log records go: the only module that configures logging.

Only the program itself calls configure_logging, on its own or under gunicorn.
"""

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from streamproxy.log_formats import FORMATTERS, LOGGED_ID, hide_requests
from streamproxy.log_outputs import SharedStream, open_file
from streamproxy.settings import Settings

# Seconds that records wait for others to be written with: so that a disk is asked fifty
# times a second at most, not three times for each request.
_GATHERING = 0.02
# Records that may wait for a slow disk; whoever logs beyond them waits too, none is lost.
_MAX_WAITING = 10_000


class _Record(logging.LogRecord):
    """A record of what the formatters here show, and of nothing that takes time to find out.

    Measured: a third of what the standard one costs, three times for each request.
    """

    # What nobody here asks for.
    pathname = filename = module = ""
    lineno = 0
    relativeCreated = 0.0  # noqa: N815
    funcName: Any = None  # noqa: N815
    process = processName = thread = threadName = None  # noqa: N815
    exc_text: Any = None

    def __init__(  # noqa: PLR0917  # the signature is logging's
        self,
        name: str,
        level: int,
        pathname: str,  # noqa: ARG002
        lineno: int,  # noqa: ARG002
        msg: object,
        args: Any,  # noqa: ANN401
        exc_info: Any,  # noqa: ANN401
        func: str | None = None,  # noqa: ARG002
        sinfo: str | None = None,
    ) -> None:
        self.name, self.levelno, self.levelname = name, level, logging.getLevelName(level)
        is_mapping = args and len(args) == 1 and isinstance(args[0], dict)
        self.msg, self.args = msg, (args[0] or args) if is_mapping else args
        self.exc_info, self.stack_info = exc_info, sinfo
        self.created = time.time()
        self.msecs = self.created % 1 * 1000


class GatheringHandler(logging.Handler):
    """Formats and writes records in a thread of its own, as many at a time as have gathered.

    Neither the format nor a slow disk delays a stream. What waits is written when the
    process ends, whichever way it ends in order: logging flushes every handler then.

    :param outputs: handlers that get the text of some records as one.
    """

    def __init__(self, outputs: Sequence[logging.Handler]) -> None:
        super().__init__()
        self._outputs = outputs
        self._waiting: deque[logging.LogRecord] = deque()
        self._is_waiting = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._write_for_ever, name="log", daemon=True).start()

    def handle(self, record: logging.LogRecord) -> bool:
        """Leave a record to the thread, as it is, with the id that the thread would not see."""
        record.request_id = LOGGED_ID.get()
        self._waiting.append(record)
        if not self._is_waiting.is_set():
            self._is_waiting.set()
        elif len(self._waiting) > _MAX_WAITING:
            self.flush()
        return True

    def _write_for_ever(self) -> None:
        while True:
            self._is_waiting.wait()
            time.sleep(_GATHERING)
            self._is_waiting.clear()  # first: what comes from now on sets it again
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        with self._writing:
            lines: list[str] = []
            for _ in range(len(self._waiting)):
                record = self._waiting.popleft()
                try:
                    if self.filter(record):
                        lines.append(self.format(record))
                except Exception:  # noqa: BLE001  # one bad record must not end the log
                    self.handleError(record)
            if not lines:
                return
            text = logging.makeLogRecord({"msg": "\n".join(lines)})
            for output in self._outputs:
                with suppress(Exception):  # one that is broken must not silence the others
                    output.handle(text)


def collect_little() -> None:
    """Collect for a record only what our formats show.

    The rest costs as much as all of it (the logging HOWTO, section "Optimization"). This is for
    a process in which nobody else logs: gunicorn's format has the process.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001  # the HOWTO's own way
    logging.setLogRecordFactory(_Record)


def configure_logging(settings: Settings, *, in_thread: bool = True) -> None:
    """Log to the console, and to the file that the settings name; to nothing else any more.

    :param in_thread: whether a thread writes. A process that will fork must have none.
    :raises SettingsError: the file cannot be written.
    """
    # None: whoever started the program has closed it.
    outputs: list[logging.Handler] = [] if sys.stderr is None else [SharedStream(sys.stderr)]
    if settings.log_file != "-":
        outputs.append(open_file(settings.log_file))
    handlers: Sequence[logging.Handler] = [GatheringHandler(outputs)] if in_thread else outputs
    root = logging.getLogger()
    root.setLevel(settings.log_level)
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        handler.setFormatter(FORMATTERS[settings.log_format]())
        handler.addFilter(hide_requests)
        root.addHandler(handler)
