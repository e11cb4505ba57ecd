"""Sessions: what the cookie holds, who accepts it, and until when."""

import pytest

from streamproxy.access.identity import Identity, Kind
from streamproxy.access.sessions import LIFETIME, make_session, read_session

ANNA = Identity(Kind.USER, "anna")
NOW = 1_700_000_000.0
KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def verifier_of(identity: Identity) -> str | None:
    known = {ANNA: "hash of anna", Identity(Kind.TOKEN, "anna"): "digest"}
    return known.get(identity)


def read(value: str, *keys: bytes, now: float = NOW) -> Identity | None:
    return read_session(value, verifier_of, keys or (KEY,), now)


@pytest.fixture
def session() -> str:
    return make_session(ANNA, "hash of anna", (KEY, OTHER_KEY), NOW)


def test_session_says_whose_it_is(session: str) -> None:
    assert read(session) == ANNA


def test_session_is_a_cookie_value_and_names_nobody_in_the_clear(session: str) -> None:
    assert all(char.isalnum() or char in "._-" for char in session)
    assert "anna" not in session


def test_session_ends_by_itself(session: str) -> None:
    assert read(session, now=NOW + LIFETIME - 1) == ANNA
    assert read(session, now=NOW + LIFETIME) is None


def test_session_ends_with_the_password(session: str) -> None:
    changed = {ANNA: "another hash"}

    assert read_session(session, changed.get, (KEY,), NOW) is None
    assert read_session(session, lambda _: None, (KEY,), NOW) is None


def test_keys_rotate(session: str) -> None:
    assert read(session, OTHER_KEY, KEY) == ANNA
    assert read(session, OTHER_KEY) is None


def test_no_character_of_a_session_can_be_changed(session: str) -> None:
    for position in range(len(session)):
        for char in "A0._":
            forged = session[:position] + char + session[position + 1 :]
            assert forged == session or read(forged) is None, forged


def test_session_of_a_user_is_none_of_a_token(session: str) -> None:
    assert read(session.replace("user.", "token.")) is None


@pytest.mark.parametrize(
    "value",
    ["", ".", "...", "user.YW5uYQ.99999999999.", "x" * 10_000, "user.\xff.1.2", "user.YW5uYQ.x.y"],
)
def test_nonsense_is_nobody(value: str) -> None:
    assert read(value) is None


def test_signature_beyond_ascii_is_nobody(session: str) -> None:
    assert read(session.rpartition(".")[0] + ".\xe9") is None
