"""Where log records go and how they look: the only module that configures logging."""

import json
import logging
import sys
from logging.handlers import RotatingFileHandler

from streamproxy.errors import SettingsError
from streamproxy.settings import Settings

_TEXT_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
_MAX_FILE_SIZE = 10 * 2**20  # bytes, of one file
_KEPT_FILES = 5


class JsonFormatter(logging.Formatter):
    """Format a record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": self.formatTime(record),
            "logger": record.name,
            "level": record.levelname,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def _hide_request_line(record: logging.LogRecord) -> bool:
    """Drop the details of a malformed request: they hold its first bytes, so maybe a token."""
    error = record.exc_info[0] if record.exc_info else None
    if error is not None and error.__module__ == "aiohttp.http_exceptions":
        record.msg = f"{record.msg}: {error.__name__}"
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def configure_logging(settings: Settings) -> None:
    """Log to the console, and to the file that the settings name.

    :raises SettingsError: the file cannot be written.
    """
    formatter = (
        JsonFormatter() if settings.log_format == "json" else logging.Formatter(_TEXT_FORMAT)
    )
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if settings.log_file != "-":
        handlers.append(_open_file(settings.log_file))
    # Neither format shows these, and collecting them costs as much as the rest of a record
    # (the logging HOWTO, section "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.setLevel(settings.log_level)
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    logging.getLogger("aiohttp.server").addFilter(_hide_request_line)


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
