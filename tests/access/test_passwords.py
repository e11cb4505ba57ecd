"""Passwords: what is kept of them, and the file that they are kept in."""

from pathlib import Path

import pytest

from streamproxy.access.passwords import (
    PasswordHash,
    hash_password,
    is_user_name,
    parse_users,
    read_users,
)
from streamproxy.errors import SettingsError

# RFC 7914, section 12, the second vector, in the form in which it is kept.
RFC_7914 = (
    "$scrypt$ln=10,r=8,p=16$TmFDbA"
    "$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA"
)


def test_vector_of_the_rfc_matches() -> None:
    # Its salt is "NaCl": 4 bytes, shorter than we take, so that it is checked by hand here.
    known = PasswordHash.parse(RFC_7914.replace("$TmFDbA$", f"${'A' * 22}$"))
    kept = PasswordHash(known.log_cost, known.block_size, known.parallelism, b"NaCl", known.key)

    assert kept.matches("password")
    assert not kept.matches("Password")


@pytest.mark.parametrize("password", ["correct horse", "", "a:b", "pässwörd", "x" * 1000, "\udc80"])
def test_password_matches_its_hash_and_no_other_does(password: str) -> None:
    kept = PasswordHash.parse(hash_password(password))

    assert kept.matches(password)
    assert not kept.matches(password + "x")


def test_one_password_has_another_hash_each_time() -> None:
    assert hash_password("same") != hash_password("same")


def test_hash_shows_neither_itself_nor_the_password() -> None:
    text = hash_password("correct horse")

    assert "correct" not in text
    assert text not in repr(PasswordHash.parse(text))
    assert str(PasswordHash.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "$2b$12$abcdefghijklmnopqrstuv",
        "$scrypt$ln=14,r=8,p=5$AAAAAAAAAAAAAAAAAAAAAA$short",
        "$scrypt$ln=0,r=8,p=1$" + "A" * 22 + "$" + "A" * 43,
        "$scrypt$ln=14,r=0,p=1$" + "A" * 22 + "$" + "A" * 43,
        "$scrypt$ln=14,r=8,p=0$" + "A" * 22 + "$" + "A" * 43,
        # 2 GiB for one check: a hash that stops the server.
        "$scrypt$ln=21,r=8,p=1$" + "A" * 22 + "$" + "A" * 43,
        "$scrypt$ln=99,r=99,p=99$" + "A" * 22 + "$" + "A" * 43,
    ],
)
def test_hash_that_cannot_be_checked_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hash"):
        PasswordHash.parse(text)


HASH = "$scrypt$ln=4,r=8,p=1$" + "A" * 22 + "$" + "A" * 43


def test_users_file_takes_comments_and_empty_lines() -> None:
    users = parse_users(f"# people\n\nanna:{HASH}\n  bob b.:{HASH}  \n#carl:{HASH}\n")

    assert list(users) == ["anna", "bob b."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("anna", "line 1: give name:hash"),
        (f"\n\n:{HASH}", "line 3: give name:hash"),
        (f"anna:{HASH}\nanna:{HASH}", "line 2: this name has a line already"),
        ("anna:s3cret", "line 1: not a hash of scrypt; use streamproxy hash-password"),
        (f"{'a' * 65}:{HASH}", "line 1: give name:hash"),
    ],
)
def test_mistake_in_users_file_names_its_line_and_not_what_stands_there(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "users").write_text(text)

    with pytest.raises(SettingsError) as caught:
        read_users(str(tmp_path / "users"))

    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_users_file_that_is_missing_or_no_text_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("none", "binary"):
        with pytest.raises(SettingsError, match="users_file: "):
            read_users(str(tmp_path / name))


def test_users_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "users").write_bytes(b"\xef\xbb\xbfanna:" + HASH.encode())

    assert set(read_users(str(tmp_path / "users"))) == {"anna"}


def test_users_file_without_users_locks_nobody_out_and_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("# nobody yet\n\n")

    with pytest.raises(SettingsError, match="has no users"):
        read_users(str(tmp_path / "users"))


def test_no_users_file_is_no_users() -> None:
    assert read_users("") == {}


@pytest.mark.parametrize("name", ["", "a:b", "a\nb", " anna", "#anna", "\x85", "a" * 65])
def test_name_that_could_be_read_in_two_ways_is_none(name: str) -> None:
    assert not is_user_name(name)
