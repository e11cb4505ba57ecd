"""`streamproxy sign` and `streamproxy hash-password`, as people and scripts use them."""

import os
import pty
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from subprocesses import clean_environment

from streamproxy.access.passwords import parse_users
from streamproxy.access.signing import LinkSigner
from streamproxy.errors import InvalidSignature

KEY = "0123456789abcdef"
LINK = "https://media.example/film.mp4?token=a+b%20c"


def run(*arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "streamproxy", *arguments],
        input=given,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that tells what is wrong."""
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("streamproxy ")
    return line


class TestSign:
    def test_prints_a_link_that_verifies(self) -> None:
        base = "https://proxy.example/video/"
        options = ("--ttl", "2h", "--client", "203.0.113.0/24", "--base", base)
        done = run("sign", LINK, *options, STREAMPROXY_SIGNING_KEY=f"{KEY},fedcba9876543210")
        assert (done.returncode, done.stderr) == (0, "")
        signed = urlsplit(done.stdout.strip())
        assert f"{signed.scheme}://{signed.netloc}{signed.path}" == f"{base}stream"
        query = parse_qs(signed.query, strict_parsing=True)
        assert query["url"] == [LINK]
        signer, now = LinkSigner([KEY]), time.time()
        signer.verify(LINK, query["sig"][0], "203.0.113.7", now + 7190)
        with pytest.raises(InvalidSignature):
            signer.verify(LINK, query["sig"][0], "198.51.100.1", now)

    def test_key_of_the_command_line_wins(self) -> None:
        key = "fedcba9876543210"
        done = run("sign", LINK, "--ttl", "60", "--signing-key", key, STREAMPROXY_SIGNING_KEY=KEY)
        assert done.stdout.startswith("/stream?url=https%3A%2F%2F")
        (signature,) = parse_qs(urlsplit(done.stdout.strip()).query)["sig"]
        LinkSigner([key]).verify(LINK, signature, None, time.time())

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ((LINK,), "--ttl"),
            (("--ttl", "2h"), "URL"),
            ((LINK, "--ttl", "2 fortnights"), "--ttl"),
            ((LINK, "--ttl", "0"), "--ttl"),
            ((LINK, "--ttl", "367d"), "--ttl"),
            ((LINK, "--ttl", "2h", "--client", "everybody"), "--client"),
            ((LINK, "--ttl", "2h", "--client", "203.0.113.7/24"), "--client"),
            ((LINK, "--ttl", "2h", "--base", "proxy.example"), "--base"),
            ((LINK, "--ttl", "2h", "--base", "https://proxy.example/?x"), "--base"),
            ((LINK, "--ttl", "2h", "--base", "https://proxy.example/#x"), "--base"),
            ((LINK, "--ttl", "2h", "--bases", "x"), "--bases"),
            (("media.example/film.mp4", "--ttl", "2h"), "https://"),
            (("ftp://media.example/film.mp4", "--ttl", "2h"), "ftp:"),
        ],
    )
    def test_mistake_is_one_line_that_names_it(
        self, arguments: tuple[str, ...], named: str
    ) -> None:
        assert named in refused(run("sign", *arguments, STREAMPROXY_SIGNING_KEY=KEY))

    def test_without_a_key_it_says_where_to_give_one(self) -> None:
        line = refused(run("sign", LINK, "--ttl", "2h"))
        assert "STREAMPROXY_SIGNING_KEY" in line

    def test_key_that_is_too_short_is_not_shown(self) -> None:
        line = refused(run("sign", LINK, "--ttl", "2h", STREAMPROXY_SIGNING_KEY="too-short"))
        assert "signing_key" in line
        assert "too-short" not in line


class TestHashPassword:
    @pytest.mark.parametrize("end", ["\n", "\r\n", ""])
    def test_line_is_one_of_a_users_file(self, end: str) -> None:
        done = run("hash-password", "ann", given=f"pass word é{end}")
        assert (done.returncode, done.stderr) == (0, "")
        users = parse_users(done.stdout)
        assert list(users) == ["ann"]
        assert users["ann"].matches("pass word é")
        assert not users["ann"].matches("pass word")

    def test_without_a_name_it_prints_the_hash_alone(self) -> None:
        done = run("hash-password", given="secret\n")
        assert parse_users(f"ann:{done.stdout}")["ann"].matches("secret")

    @pytest.mark.parametrize("name", ["a:b", "", "a\nb", "x" * 65])
    def test_name_that_cannot_stand_in_the_file_is_refused(self, name: str) -> None:
        assert "name" in refused(run("hash-password", name, given="secret\n"))

    @pytest.mark.parametrize("given", ["", "\n"])
    def test_empty_password_is_refused(self, given: str) -> None:
        assert "no password" in refused(run("hash-password", "ann", given=given))

    @pytest.mark.parametrize(
        ("second", "status", "shown"),
        [("secret", 0, "ann:$scrypt$"), ("secrets", 2, "not the same")],
    )
    def test_terminal_asks_twice_and_shows_nothing(
        self, second: str, status: int, shown: str
    ) -> None:
        code, seen = on_a_terminal(["hash-password", "ann"], ["secret", second])
        assert (code, shown in seen, "secret" in seen) == (status, True, False)
        assert seen.count("Password: ") == seen.count("The same again: ") == 1


def on_a_terminal(arguments: list[str], answers: list[str]) -> tuple[int, str]:
    """Run the program on a terminal, type an answer to each question; return what is seen."""
    process, terminal = pty.fork()
    if process == 0:
        command = [sys.executable, "-W", "error", "-m", "streamproxy", *arguments]
        os.execve(sys.executable, command, clean_environment())  # noqa: S606  # our own program
    seen = b""
    waiting = list(answers)
    try:
        while data := os.read(terminal, 4096):
            seen += data
            if waiting and seen.endswith(b": "):
                os.write(terminal, f"{waiting.pop(0)}\n".encode())
    except OSError:  # Linux: the end of what is on the other side
        pass
    finally:
        os.close(terminal)
    _, ended = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(ended), seen.decode()


def test_help_of_the_server_mentions_the_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "streamproxy sign, hash-password" in " ".join(done.stdout.split())


@pytest.mark.parametrize("command", ["sign", "hash-password"])
def test_each_command_has_help(command: str) -> None:
    done = run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: streamproxy {command}" in done.stdout
