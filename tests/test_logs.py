"""What a log line looks like, whatever is logged; and what the program's own log never holds."""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp.http_exceptions import BadStatusLine
from program import outcome, running
from subprocesses import clean_environment, finish, process

from streamproxy.log_formats import JsonFormatter, TextFormatter, clean_line, hide_requests

SECRET = "s3cret-t0ken"


def record(message: object, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("some.logger", logging.INFO, "x.py", 1, message, args, exc_info)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Return *error* with a traceback."""
    try:
        raise error from cause
    except type(error) as exc:
        return exc


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a\nb", r"a\x0ab", id="line feed"),
        pytest.param("a\r\nb", r"a\x0d\x0ab", id="carriage return"),
        pytest.param("\x00\x1f", r"\x00\x1f", id="first and last of C0"),
        pytest.param("\x1b[2J", r"\x1b[2J", id="a terminal's escape"),
        pytest.param("\x7f\x80\x9f\xa0", "\\x7f\\x80\\x9f\xa0", id="delete and C1"),
        pytest.param("a\x85b", r"a\x85b", id="next line"),
        pytest.param("a\u2028b\u2029c", r"a\u2028b\u2029c", id="separators"),
        pytest.param("a\u202eb\u2066c\u200f", r"a\u202eb\u2066c\u200f", id="bidirectional"),
        pytest.param("a\udce9b", r"a\udce9b", id="a byte that is no text"),
        pytest.param("na\xefve \u6620\u753b", "na\xefve \u6620\u753b", id="other scripts stay"),
        pytest.param("a\\nb ~", "a\\nb ~", id="what is printable stays"),
        pytest.param("bytes=0-9, status 206", "bytes=0-9, status 206", id="our own words stay"),
    ],
)
def test_controls_are_escaped_and_nothing_else(text: str, expected: str) -> None:
    assert clean_line(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h/a?sig=x&b=c end", "https://h/a?… end"),
        ("GET /stream?url=http%3A%2F%2Fh HTTP/1.1", "GET /stream?… HTTP/1.1"),
        ("URL('https://h/?a=b')", "URL('https://h/?…"),
        ("https://h/?a\nb=c", "https://h/?…"),
        ("https://user:pa%20ss@h/a", "https://…@h/a"),
        ("https://user:pa#s@s@h/a", "https://…@h/a"),
        ("https://h/?a=b@c&d=e", "https://h/?…"),
        ("token=abc.def&x", "token=…&x"),
        ("ACCESS_TOKEN=abc", "ACCESS_TOKEN=…"),
        ("sig%3Dabc", "sig%3D…"),
        ("password=abc", "password=…"),
        ("Authorization: Bearer abc", "Authorization: Bearer …"),
        ("authorization: basic  YTpi", "authorization: basic  …"),
        ("is it there?", "is it there?"),
        ("https://h/a@b", "https://h/a@b"),
    ],
)
def test_secrets_are_cut(text: str, expected: str) -> None:
    assert clean_line(text) == expected


@pytest.mark.parametrize("unit", ["?", "://", "token=", "basic ", "@", "\x00", " ", "sig%3d", "/"])
def test_time_to_clean_is_in_proportion_to_the_length(unit: str) -> None:
    """A quadratic search would take minutes."""
    text = "@" + unit * (2**20 // len(unit))

    assert len(clean_line(text)) > 0


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
class TestBothFormats:
    def test_record_is_one_line(self, formatter: logging.Formatter) -> None:
        forged = "x\n2024-01-13 10:30:45,123 - root - INFO - forged\r\x85\u2028\x1b[0m\ud800"
        line = formatter.format(record("Request for: %s", forged))

        assert len(line.splitlines()) == 1
        assert all(char.isprintable() for char in line)
        assert r"x\x0a2024" in line.replace(r"\\", "\\")

    def test_no_line_of_a_traceback_looks_like_a_record(self, formatter: logging.Formatter) -> None:
        cause = raised(ValueError("a\n2024-01-13 forged\x1b https://u:p@h/?x=y"))
        error = raised(RuntimeError("b\r\n2024-01-13 forged token=abc\udce9"), cause)
        text = formatter.format(record("It failed", error=error))

        first, *rest = text.split("\n")
        assert "It failed" in first
        assert all(line.startswith("    ") for line in rest)
        if isinstance(formatter, JsonFormatter):
            assert not rest
            rest = json.loads(text)["exception"].split("\n")
        assert len(rest) > 8  # it is still a traceback
        assert any("test_no_line_of_a_traceback" in line or "raised" in line for line in rest)
        assert all(line.isprintable() for line in rest)
        whole = "\n".join(rest)
        assert r"forged\x1b https://…@h/?…" in whole
        assert r"b\x0d" in whole
        assert "abc" not in whole
        assert text.encode()

    def test_stack_is_cleaned_too(self, formatter: logging.Formatter) -> None:
        asked = record("Where")
        asked.stack_info = "Stack:\n2024-01-13 forged\r?a=b"
        text = formatter.format(asked)

        assert not any(line.startswith("2024-01-13") for line in text.split("\n"))
        assert "\r" not in text
        assert "a=b" not in text

    @pytest.mark.parametrize("args", [("x",), (1, 2, 3), ()])
    def test_arguments_that_do_not_fit_lose_no_record(
        self, formatter: logging.Formatter, args: tuple[Any, ...]
    ) -> None:
        line = formatter.format(record("%d of %d", *args))

        assert "%d of %d" in line

    def test_argument_that_cannot_be_shown_loses_no_record(
        self, formatter: logging.Formatter
    ) -> None:
        class Odd:
            def __str__(self) -> str:
                raise KeyError(SECRET)

        for line in (formatter.format(record("an %s", Odd())), formatter.format(record(Odd()))):
            assert "KeyError" in line
            assert SECRET not in line

    def test_malformed_http_is_not_quoted(self, formatter: logging.Formatter) -> None:
        for error in (
            raised(BadStatusLine(SECRET)),
            raised(RuntimeError(SECRET), raised(BadStatusLine(SECRET))),
        ):
            asked = record("100%% of %s", "it", error=error)
            assert hide_requests(asked)
            line = formatter.format(asked)
            assert "100% of it: BadStatusLine" in line
            assert "WARNING" in line
            assert SECRET not in line


def test_other_errors_keep_their_traceback() -> None:
    asked = record("It failed", error=raised(RuntimeError("why"), raised(ValueError("because"))))

    assert hide_requests(asked)
    text = TextFormatter().format(asked)
    assert "RuntimeError: why" in text
    assert "ValueError: because" in text


def test_chain_of_errors_that_goes_in_a_circle_is_looked_at_once() -> None:
    one, other = raised(ValueError("one")), raised(ValueError("other"))
    one.__cause__, other.__cause__ = other, one

    assert hide_requests(record("It failed", error=one))


# Requests as no client sends them by accident. Each holds the secret where it is not understood.
REQUESTS = {
    "over-long request line": b"GET /?token=%s%s HTTP/1.1\r\n\r\n" % (b"%s", b"x" * 200_000),
    "over-long request line without a path": b"%s%s" % (b"%s", b"x" * 300_000),
    "unknown protocol": b"GET /?token=%s HTTP/9.9\r\n\r\n",
    "no protocol": b"GET /?token=%s\r\n\r\n",
    "space in the target": b"GET /?a= token=%s HTTP/1.1\r\n\r\n",
    "bad method": b"G\x01T /?token=%s HTTP/1.1\r\n\r\n",
    "method that is a token": b"%s / HTTP/1.1\r\n\r\n",
    "bad target": b"GET http://[%s HTTP/1.1\r\nHost: h\r\n\r\n",
    "bad port in the target": b"GET http://h:%s/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "bad field name": b"GET / HTTP/1.1\r\nHost: h\r\nAuth %s: Bearer %s\r\n\r\n",
    "bad field value": b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\x00\r\n\r\n",
    "over-long field": b"GET / HTTP/1.1\r\nHost: h\r\nCookie: %s" + b"x" * 100_000 + b"\r\n\r\n",
    "field without a colon": b"GET / HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n",
    "folded field": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n %s\r\n\r\n",
    "bad length": b"POST /stream HTTP/1.1\r\nHost: h\r\nContent-Length: %s\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "bad chunk": b"POST /stream HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
    "chunk after a good one": (
        b"POST /login HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n%s\r\n\r\n"
    ),
    "bad trailer": (
        b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n%s\r\n\r\n"
    ),
    "cut body": b"POST /login HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\nsecret=%s",
    "bad coding": b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: %s\r\n\r\n",
    "unknown expectation": b"GET / HTTP/1.1\r\nHost: h\r\nExpect: %s\r\n\r\n",
    "bad cookie": b"GET / HTTP/1.1\r\nHost: h\r\nCookie: %s=\x7f%s\r\n\r\n",
    "bad upgrade": b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: %s\r\n\r\n%s",
    "link with a secret": b"GET /stream?url=http://h:22/?token=%s HTTP/1.1\r\nHost: h\r\n\r\n",
    "credentials": b"GET /stream?url=http://u:%s@h:22/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "credentials that are none": b"GET /stream?url=http://%s@h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "unknown route": b"GET /no/such?token=%s HTTP/1.1\r\nHost: h\r\n\r\n",
    "bytes of another protocol": b"\x16\x03\x01\x02\x00\x01%s",
}


async def send(port: int, request: bytes) -> None:
    """Send a request and wait until the answer has come to its end, or nothing comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    with suppress(ConnectionError):
        await writer.drain()
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 30)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_secret_of_a_malformed_request_is_nowhere_in_the_log(
    tmp_path: Path, log_format: str
) -> None:
    arguments = ("--log-level", "DEBUG", "--log-format", log_format, "--header-timeout", "2")
    environment = {"PYTHONASYNCIODEBUG": "1"}
    async with running(*arguments, cwd=tmp_path, **environment) as (process, address):
        port = int(address.rpartition(":")[2].strip("/"))
        for request in REQUESTS.values():
            await send(port, request.replace(b"%s", SECRET.encode()))
        process.terminate()
        status, _, err = await outcome(process)
    assert status == 0
    log = (tmp_path / "stream.log").read_text(encoding="utf-8")
    for text in (log, err):
        assert text.count("Error handling request") > 5  # aiohttp's own words are there
        assert SECRET not in text
        assert SECRET[1:-1] not in text
        assert "--- Logging error ---" not in text
        assert "never retrieved" not in text


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_forged_lines_cannot_be_sent(tmp_path: Path, log_format: str) -> None:
    forged = b"2024-01-13 10:30:45,123 - root - INFO - forged"
    requests = [
        b"GET /\x85%s HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\xff\xe2\x80\xa8%s HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a%%0A%s HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /stream?url=http://h:22/%%0A%s HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /stream?url=http://h:22/%%E2%%80%%AE%s HTTP/1.1\r\nHost: h\r\n\r\n",
    ]
    arguments = ("--log-format", log_format, "--log-file", "-")
    async with running(*arguments, cwd=tmp_path) as (process, address):
        port = int(address.rpartition(":")[2].strip("/"))
        for request in requests:
            await send(port, request % forged.replace(b" ", b"%20"))
        process.terminate()
        _, _, err = await outcome(process)
    assert len(err.splitlines()) >= len(requests)
    for line in err.splitlines():
        assert line.isprintable()
        assert not line.startswith("2024-01-13 10:30:45,123")
        assert "--- Logging error ---" not in line
        if log_format == "json":
            assert set(json.loads(line)) >= {"time", "logger", "level", "message"}


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_closed_standard_error_does_not_silence_the_file(
    tmp_path: Path, workers: str
) -> None:
    command = (sys.executable, "-m", "streamproxy", "--port", "0", "--workers", workers)
    async with process(
        *("/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *command),
        cwd=tmp_path,
        env=clean_environment(),
        stdout=PIPE,
    ) as silent:
        assert silent.stdout is not None
        line = await asyncio.wait_for(silent.stdout.readline(), 20)
        port = int(line.decode().rpartition(":")[2].strip("/\n"))
        await send(port, b"GET /no/such HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        silent.terminate()
        await finish(silent)
        assert silent.returncode == 0
    assert "GET /no/such" in (tmp_path / "stream.log").read_text()


def test_common_line_is_passed_on_as_the_very_same_object() -> None:
    """What is common must be cheap: one search, and no copy."""
    line = "GET /stream of https://media.example from 203.0.113.7: status 206, 10 bytes"

    assert clean_line(line) is line
