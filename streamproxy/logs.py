"""Where log records go and how they look: the only module that configures logging.

Only the program itself calls configure_logging, on its own or under gunicorn. A service that
embeds the proxy has a logging configuration of its own: our records then hold no secrets, but
they do hold text from strangers (paths, names). TextFormatter and JsonFormatter make that safe
on any handler; hide_requests, as a filter of the handler, keeps aiohttp from quoting what it
could not read.
"""

import json
import logging
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from streamproxy.log_outputs import SharedStream, open_file
from streamproxy.settings import Settings

# No line of a traceback can be taken for the first line of a record.
_INDENT = "    "

# Characters that could begin a line, move a terminal's cursor, turn the direction of
# writing, or not be written at all: C0, DEL, C1, the separators of lines and paragraphs,
# the bidirectional controls, and lone surrogates.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# The second net under "secrets are never logged". All of them take linear time.
_QUERY = re.compile(r"\?\S+")
_USERINFO = re.compile(r"://[^\s/?]*@")
_SECRET = re.compile(
    r"((?:token|sig|signature|password|secret)(?:=|%3d)|\b(?:bearer|basic) +)[^\s&]+",
    re.IGNORECASE,
)
# The last letters of the words that stand before a secret and an equals sign.
_ENDS = "ngedt"
# The levels of logging, and the severities of syslog that they are.
_SEVERITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_MAX_CHAIN = 20  # exceptions that led to one another
# Seconds that records wait for others to be written with: so that a disk is asked fifty
# times a second at most, not three times for each request.
_GATHERING = 0.02
# Records that may wait for a slow disk; whoever logs beyond them waits too, none is lost.
_MAX_WAITING = 10_000


class _Clock(logging.Formatter):
    """Formats the time of records, which come many in a second: each second once."""

    _shown = (0, "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  # logging's name
        """Return the time to the millisecond."""
        second, shown = self._shown
        if second != int(record.created):
            second = int(record.created)
            shown = time.strftime(datefmt or self.default_time_format, self.converter(second))
            self._shown = second, shown
        return f"{shown},{int(record.msecs):03d}"


class TextFormatter(_Clock):
    """Format a record as one line, and what explains it as indented lines below."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        message = clean_line(_message_of(record))
        line = f"{self.formatTime(record)} - {record.name} - {record.levelname} - {message}"
        if not (record.exc_info or record.stack_info):
            return line
        return f"\n{_INDENT}".join([line, *_details_of(record, self)])


class JsonFormatter(_Clock):
    """Format a record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, object] = {
            "time": self.formatTime(record),
            "logger": record.name,
            "level": record.levelname,
            "message": clean_line(_message_of(record)),
        }
        entry |= _facts_of(record)
        if details := _details_of(record, self):
            entry["exception"] = "\n".join(details)
        return json.dumps(entry, ensure_ascii=False)


class JournalFormatter(logging.Formatter):
    """Format a record for systemd's journal, which knows the time itself.

    Source: sd-daemon(3): how severe a line is stands at its beginning.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        severity = next((s for level, s in _SEVERITIES if record.levelno >= level), 7)
        first = f"{record.name}: {clean_line(_message_of(record))}"
        lines = [first, *(_INDENT + line for line in _details_of(record, self))]
        return "\n".join(f"<{severity}>{line}" for line in lines)


_FORMATTERS: dict[str, type[logging.Formatter]] = {
    "text": TextFormatter,
    "json": JsonFormatter,
    "journal": JournalFormatter,
}


def clean_line(text: str) -> str:
    r"""Return *text* as one line that deceives nobody and holds no secret.

    Control characters become escapes such as ``\x0a``; queries and credentials of URLs,
    and what stands where a token does, become an ellipsis.
    """
    if not _is_suspect(text):
        return text
    # First the escapes: else a secret would be cut at a line break inside it.
    text = _CONTROLS.sub(_escape, text)
    return _SECRET.sub(r"\1…", _QUERY.sub("?…", _USERINFO.sub("://…@", text)))


def _is_suspect(text: str) -> bool:
    """Tell whether anything in a text may have to be replaced, which nearly never is so.

    Measured: a third of the time of one expression that would tell it.
    """
    if not text.isascii() or not text.isprintable() or "?" in text or "@" in text or "%3" in text:
        return True
    lower = text.lower()
    if "bearer" in lower or "basic" in lower:
        return True
    return any(part[-1:] in _ENDS for part in lower.split("=")[:-1])


def _escape(control: re.Match[str]) -> str:
    code = ord(control[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _message_of(record: logging.LogRecord) -> str:
    """Return the message, also where its arguments do not fit.

    Otherwise logging would write them to standard error, as they are.
    """
    try:
        return record.getMessage()
    except Exception as exc:  # noqa: BLE001  # an argument's __str__ can raise anything
        text = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        return f"{text} (its arguments do not fit: {type(exc).__name__})"


def _facts_of(record: logging.LogRecord) -> dict[str, object]:
    """Return what a record says beside its message, for programs to read: its *facts*."""
    facts: Mapping[str, object] = getattr(record, "facts", {})
    return {
        name: clean_line(value) if isinstance(value, str) else value
        for name, value in facts.items()
        if value is not None
    }


def _details_of(record: logging.LogRecord, formatter: logging.Formatter) -> list[str]:
    """Return the lines of the traceback and of the stack that come with a record."""
    parts = [] if not record.exc_info else [formatter.formatException(record.exc_info)]
    if record.stack_info:
        parts.append(record.stack_info)
    return [clean_line(line) for part in parts for line in part.split("\n")]


def hide_requests(record: logging.LogRecord) -> bool:
    """Drop the details of malformed HTTP: they quote it, so maybe a token (a filter)."""
    if not record.exc_info:
        return True
    error = record.exc_info[1]
    for _ in range(_MAX_CHAIN):
        if error is None:
            break
        if type(error).__module__ == "aiohttp.http_exceptions":
            record.msg = f"{_message_of(record)}: {type(error).__name__}"
            record.args = record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            break
        error = error.__cause__ or error.__context__
    return True


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
        """Leave a record to the thread, as it is."""
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
    outputs: list[logging.Handler] = [SharedStream(sys.stderr)]
    if settings.log_file != "-":
        outputs.append(open_file(settings.log_file))
    handlers: Sequence[logging.Handler] = [GatheringHandler(outputs)] if in_thread else outputs
    root = logging.getLogger()
    root.setLevel(settings.log_level)
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        handler.setFormatter(_FORMATTERS[settings.log_format]())
        handler.addFilter(hide_requests)
        root.addHandler(handler)
