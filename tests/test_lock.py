"""Who comes in where the program listens on more than loopback; what it prints of that."""

import re
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar
from program import begun, outcome, run, running

HASH = "$scrypt$ln=4,r=8,p=1$" + "A" * 22 + "$" + "A" * 43


async def status_of(address: str, client: ClientSession) -> int:
    async with client.get(address) as got:
        return got.status


async def test_token_is_made_and_printed_where_others_can_connect(tmp_path: Path) -> None:
    async with begun("--host", "0.0.0.0", "--port", "0", cwd=tmp_path) as process:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=([\w-]{32})$", line.strip())
        assert found, line
        address = found[0].partition("?")[0]
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as client:
            assert await status_of(address, client) == 401
            assert await status_of(found[0], client) == 200
            assert await status_of(address, client) == 200  # by the cookie
        process.terminate()
        _, _, err = await outcome(process)
    assert found[1] not in err + (tmp_path / "stream.log").read_text()


async def test_token_is_another_one_each_time(tmp_path: Path) -> None:
    lines = set()
    for _ in range(2):
        async with begun("--host", "0.0.0.0", "--port", "0", cwd=tmp_path) as process:
            assert process.stdout is not None
            lines.add((await process.stdout.readline()).decode().partition("token=")[2])
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--host", "0.0.0.0", "--no-auth"], 200),
        (["--host", "127.0.0.1"], 200),
        (["--host", "::1"], 200),
        (["--host", "localhost"], 200),
        (["--host", "127.0.0.1", "--access-token", "s3cret"], 401),
        (["--host", "0.0.0.0", "--access-token", "s3cret"], 401),
        (["--host", "0.0.0.0", "--users-file", "users"], 401),
        (["--host", "0.0.0.0", "--signing-key", "0123456789abcdef"], 401),
        (["--host", "127.0.0.1", "--signing-key", "0123456789abcdef"], 401),
    ],
)
async def test_no_token_is_made_where_the_owner_says_who_may(
    tmp_path: Path, arguments: list[str], status: int
) -> None:
    (tmp_path / "users").write_text(f"anna:{HASH}\n")
    async with running(*arguments, cwd=tmp_path) as (process, address):
        async with ClientSession() as client:
            assert await status_of(address, client) == status
        process.terminate()
        _, out, err = await outcome(process)
    assert "token=" not in out + err
    assert "s3cret" not in out + err


async def test_acl_without_tokens_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "acl.toml").write_text("[default]\nmax_streams = 2\n")
    arguments = ("--host", "0.0.0.0", "--acl-file", "acl.toml")
    async with running(*arguments, cwd=tmp_path) as (_, address), ClientSession() as client:
        assert await status_of(address, client) == 401


OPEN = "may use this proxy"


@pytest.mark.parametrize(
    ("arguments", "is_warned"),
    [
        ([], False),
        (["--trusted-proxy", "127.0.0.1"], True),
        (["--server-name", "films.example"], True),
        (["--server-name", "films.example", "--no-auth"], False),
        (["--server-name", "films.example", "--access-token", "0123456789abcdef"], False),
        (["--host", "0.0.0.0", "--no-auth"], True),
    ],
)
async def test_owner_is_told_where_others_come_in_unasked(
    tmp_path: Path, arguments: list[str], is_warned: bool
) -> None:
    async with running(*arguments, cwd=tmp_path) as (process, _):
        process.terminate()
        _, _, err = await outcome(process)
    assert (OPEN in err) == is_warned


async def test_short_token_is_warned_of(tmp_path: Path) -> None:
    async with running("--access-token", "s3cret", cwd=tmp_path) as (process, _):
        process.terminate()
        _, _, err = await outcome(process)
    assert "WARNING - access_token: shorter than 16 characters" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--users-file", "none"], "users_file: 'none': No such file or directory"),
        (["--acl-file", "bad.toml"], "acl_file: 'bad.toml': line 2: default.max_streams: -1 is"),
        (["--no-auth", "--access-token", "s3cret"], "auth: False (--no-auth) contradicts"),
        (["--access-token", "two words"], "access_token: the value is not allowed; give letters"),
    ],
)
async def test_lock_that_does_not_hold_ends_the_start(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "bad.toml").write_text("[default]\nmax_streams = -1\n")
    status, out, err = await run("--port", "0", "--log-file", "-", *arguments, cwd=tmp_path)
    assert (status, out) == (2, "")
    assert message in err
    assert "two words" not in err
    assert err.count("\n") == 1
