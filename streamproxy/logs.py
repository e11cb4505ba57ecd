"""Where log records go and how they look: the only module that configures logging.

Only the program itself calls configure_logging. A service that embeds the proxy has a
logging configuration of its own: our records then hold no secrets, but they do hold text
from strangers (paths, names). TextFormatter and JsonFormatter make that safe on any
handler; hide_requests, as a filter of the handler, keeps aiohttp from quoting what it
could not read.
"""

import json
import logging
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler

from streamproxy.errors import SettingsError
from streamproxy.keys import LOGGED_ID
from streamproxy.settings import Settings

_MAX_FILE_SIZE = 10 * 2**20  # bytes, of one file
_KEPT_FILES = 5
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
# One search finds that a record needs none of this, as nearly all do. In place of the words
# it looks for their ends and beginnings: a quarter of the time.
_SUSPECT = re.compile(r"[^\x20-\x7e]|[?@]|[nNgGeEdDtT](?:=|%3)|[bB][aAeE][sSaA]")
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
        if request_id := _request_id_of(record):
            message += f" [{request_id}]"
        lines = [f"{self.formatTime(record)} - {record.name} - {record.levelname} - {message}"]
        return f"\n{_INDENT}".join(lines + _details_of(record, self))


class JsonFormatter(_Clock):
    """Format a record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": self.formatTime(record),
            "logger": record.name,
            "level": record.levelname,
            "message": clean_line(_message_of(record)),
        }
        if request_id := _request_id_of(record):
            entry["request_id"] = request_id
        if details := _details_of(record, self):
            entry["exception"] = "\n".join(details)
        return json.dumps(entry, ensure_ascii=False)


def clean_line(text: str) -> str:
    r"""Return *text* as one line that deceives nobody and holds no secret.

    Control characters become escapes such as ``\x0a``; queries and credentials of URLs,
    and what stands where a token does, become an ellipsis.
    """
    if _SUSPECT.search(text) is None:
        return text
    # First the escapes: else a secret would be cut at a line break inside it.
    text = _CONTROLS.sub(_escape, text)
    return _SECRET.sub(r"\1…", _QUERY.sub("?…", _USERINFO.sub("://…@", text)))


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


def _request_id_of(record: logging.LogRecord) -> str:
    """Return the id of the request that a record belongs to, or "" where to none."""
    own: str | None = getattr(record, "request_id", None)
    return LOGGED_ID.get() if own is None else own


def _details_of(record: logging.LogRecord, formatter: logging.Formatter) -> list[str]:
    """Return the lines of the traceback and of the stack that come with a record."""
    parts = [] if not record.exc_info else [formatter.formatException(record.exc_info)]
    if record.stack_info:
        parts.append(record.stack_info)
    return [clean_line(line) for part in parts for line in part.split("\n")]


def hide_requests(record: logging.LogRecord) -> bool:
    """Drop the details of malformed HTTP: they quote it, so maybe a token (a filter)."""
    error = record.exc_info[1] if record.exc_info else None
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
                output.handle(text)


def configure_logging(settings: Settings) -> None:
    """Log to the console, and to the file that the settings name.

    :raises SettingsError: the file cannot be written.
    """
    outputs: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if settings.log_file != "-":
        outputs.append(_open_file(settings.log_file))
    # Neither format shows these, and collecting them costs as much as the rest of a record
    # (the logging HOWTO, section "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001  # the HOWTO's own way
    handler = GatheringHandler(outputs)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    handler.addFilter(hide_requests)
    root = logging.getLogger()
    root.setLevel(settings.log_level)
    root.addHandler(handler)


def _open_file(path: str) -> logging.Handler:
    try:
        return RotatingFileHandler(
            path, maxBytes=_MAX_FILE_SIZE, backupCount=_KEPT_FILES, encoding="utf-8"
        )
    except OSError as exc:
        reason = exc.strerror or exc
        raise SettingsError(
            f"log_file: {path!r} cannot be written ({reason}); give a path that can be, or -"
        ) from exc
