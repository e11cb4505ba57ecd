"""How log records look: each safe on a line, whatever strangers put into it.

A service that embeds the proxy puts these on handlers of its own: our records hold no secrets,
but they do hold text from strangers (paths, names). hide_requests, as a filter of the handler,
keeps aiohttp from quoting what it could not read.
"""

import json
import logging
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar

# The id of the request that what runs belongs to, for logs, which see no request; "" where
# it belongs to none. Set by mark_requests.
LOGGED_ID: ContextVar[str] = ContextVar("LOGGED_ID", default="")
# No line of a traceback can be taken for the first line of a record.
_INDENT = "    "
# The logger whose lines name their request; a film has one of them.
_ACCESS = "streamproxy.middlewares.log_access"

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
        request_id = _request_id_of(record)
        if request_id and (record.name == _ACCESS or record.levelno > logging.INFO):
            message += f" [{request_id}]"
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
        if request_id := _request_id_of(record):
            entry["request_id"] = request_id
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


FORMATTERS: dict[str, type[logging.Formatter]] = {
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
