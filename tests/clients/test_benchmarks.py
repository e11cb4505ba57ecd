"""The benchmarks' clients: a number counts only if every byte behind it was right."""

import importlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SIZE = 2**20
FIRST, LENGTH = 1000, 300_000

HEAD = "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {}-{}/{}\r\n\r\n"
RIGHT = HEAD.format(LENGTH, FIRST, FIRST + LENGTH - 1, SIZE)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@contextmanager
def answering(*parts: bytes) -> Iterator[str]:
    """Answer one request with *parts*, one segment each, then close."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection, suppress(ConnectionError):  # who refuses an answer closes early
                connection.recv(65536)
                for part in parts:
                    connection.sendall(part)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/film.mp4"
        thread.join()


def changed(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def by_wire(module: Callable[[str], Any], url: str, film: Any) -> None:
    with module("reading").Wire(url, film) as wire:
        wire.fetch(FIRST, LENGTH)


def by_load(module: Callable[[str], Any], url: str, film: Any) -> None:
    connection = module("load").Connection(url, film)
    buffer = bytearray(SIZE)
    try:
        connection.ask(FIRST, LENGTH)
        while connection.left:
            connection.receive(buffer, len(buffer))
    finally:
        connection.socket.close()


@pytest.mark.parametrize("fetch", [by_wire, by_load])
def test_right_bytes_are_taken_however_they_come(module: Any, fetch: Any) -> None:
    with module("film").random_film(SIZE) as film:
        body = bytes(film.content[FIRST : FIRST + LENGTH])
        head = RIGHT.encode()
        for parts in ((head + body,), (head, body), (head[:20], head[20:] + body[:9], body[9:])):
            with answering(*parts) as url:
                fetch(module, url, film)


@pytest.mark.parametrize("fetch", [by_wire, by_load])
@pytest.mark.parametrize(
    ("head", "damage"),
    [
        pytest.param(RIGHT, lambda body: changed(body, 0), id="first byte"),
        pytest.param(RIGHT, lambda body: changed(body, LENGTH - 1), id="last byte"),
        pytest.param(RIGHT, lambda body: body[:-1], id="too short"),
        pytest.param(RIGHT, lambda body: body[1:] + b"x", id="shifted"),
        pytest.param(RIGHT.replace("206", "200"), bytes, id="status"),
        pytest.param(RIGHT.replace("bytes 1000", "bytes 1001"), bytes, id="range"),
        pytest.param(RIGHT.replace(f": {LENGTH}", ": 5"), bytes, id="length"),
    ],
)
def test_wrong_answer_is_refused(
    module: Any, fetch: Any, head: str, damage: Callable[[bytes], bytes]
) -> None:
    film_module = module("film")
    with film_module.random_film(SIZE) as film:
        body = damage(bytes(film.content[FIRST : FIRST + LENGTH]))
        with (
            answering(head.encode(), body) as url,
            pytest.raises((film_module.WrongBytes, ConnectionResetError)),
        ):
            fetch(module, url, film)
