"""Outputs of the log that several processes share: no line is torn, none is lost."""

import logging
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import streamproxy
from streamproxy.log_formats import JournalFormatter
from streamproxy.log_outputs import SharedFile, open_file, pieces

WRITE = """
import logging, sys
from pathlib import Path
from streamproxy.log_outputs import SharedFile
name, path, count, size = sys.argv[1:]
output = SharedFile(Path(path), max_size=int(size), kept=1000)
for number in range(int(count)):
    lines = "\\n".join(f"<{name} {number} {line} {'x' * 300}>" for line in range(50))
    output.handle(logging.makeLogRecord({"msg": lines}))
"""


def text(message: str) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message})


def contents(path: Path) -> dict[str, str]:
    return {found.name: found.read_text() for found in path.parent.glob(f"{path.name}*")}


@pytest.mark.parametrize("size", [2**30, 200_000], ids=["one file", "rotated"])
def test_processes_that_share_a_file_tear_and_lose_no_line(tmp_path: Path, size: int) -> None:
    path = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": str(Path(streamproxy.__file__).parents[1])}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, name, str(path), "100", str(size)], env=environment
        )
        for name in "abc"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    lines = [line for file in contents(path).values() for line in file.splitlines()]
    assert all(re.fullmatch(r"<[abc] \d+ \d+ x{300}>", line) for line in lines)
    assert len(set(lines)) == len(lines) == 3 * 100 * 50
    assert (len(contents(path)) > 5) == (size < 2**30)


def test_link_to_a_full_file_is_not_moved(tmp_path: Path) -> None:
    """As /dev/stdout is one, which would be gone for the whole machine."""
    path, link = tmp_path / "log", tmp_path / "stdout"
    link.symlink_to(path)
    output = SharedFile(link, max_size=10, kept=2)
    for number in range(4):
        output.handle(text(f"line {number}"))
    output.close()
    assert link.is_symlink()
    assert path.read_text() == "".join(f"line {number}\n" for number in range(4))
    assert len(list(tmp_path.iterdir())) == 2


def test_full_file_is_moved_and_the_oldest_one_goes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    output = SharedFile(path, max_size=10, kept=2)
    for number in range(4):
        output.handle(text(f"line {number}"))
    output.close()
    assert contents(path) == {"log": "line 3\n", "log.1": "line 2\n", "log.2": "line 1\n"}


def test_text_larger_than_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    output = SharedFile(path, max_size=10, kept=2)
    output.handle(text("x" * 100))
    output.close()
    assert contents(path) == {"log": "x" * 100 + "\n"}


@pytest.mark.parametrize("is_removed", [False, True], ids=["moved", "removed"])
def test_file_that_logrotate_took_away_is_opened_anew(tmp_path: Path, is_removed: bool) -> None:
    path = tmp_path / "log"
    output = SharedFile(path)
    output.handle(text("before"))
    if is_removed:
        path.unlink()
    else:
        path.rename(tmp_path / "taken")
    output.handle(text("after"))
    output.close()
    assert path.read_text() == "after\n"


def test_log_whose_folder_goes_away_closes_nobodys_connection(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "log"
    path.parent.mkdir()
    output = SharedFile(path)
    output.handle(text("before"))
    with path.open() as old:
        shutil.rmtree(path.parent)
        output.handle(text("meanwhile"))
        ours, theirs = socket.socketpair()  # a client's: it gets the lowest free numbers
        with ours, theirs:
            output.handle(text("still"))
            ours.sendall(b"film")
            assert theirs.recv(4) == b"film"
        assert old.read() == "before\nmeanwhile\nstill\n"
    path.parent.mkdir()
    output.handle(text("after"))
    output.close()
    assert path.read_text() == "after\n"


def test_file_is_found_again_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output = open_file("log")
    monkeypatch.chdir("/")
    output.handle(text("line"))
    output.close()
    assert (tmp_path / "log").read_text() == "line\n"


def test_pieces_are_whole_lines_that_fit() -> None:
    lines = ["a" * 4, "b" * 5, "ü" * 2, "c" * 30, "", "d"]
    assert list(pieces("\n".join(lines), 11)) == [
        "aaaa\nbbbbb\n",
        "üü\n",
        "c" * 30 + "\n",
        "\nd\n",
    ]


@pytest.mark.parametrize(
    ("level", "severity"),
    [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2)],
)
def test_journal_knows_how_severe_each_line_is(level: str, severity: int) -> None:
    try:
        raise ValueError("token=s3cret")
    except ValueError:
        error = sys.exc_info()
    record = logging.LogRecord(
        "some.logger", logging.getLevelNamesMapping()[level], "x", 1, "a\nb", (), error
    )
    first, *others = JournalFormatter().format(record).splitlines()
    assert first == f"<{severity}>some.logger: a\\x0ab"
    assert others[-1] == f"<{severity}>    ValueError: token=…"
    assert all(line.startswith(f"<{severity}>    ") for line in others)
