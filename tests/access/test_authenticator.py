"""Who is let in, by what; and that wrong attempts are few, also at a time."""

import asyncio
from base64 import b64encode

import pytest

from streamproxy.access.authenticator import Authenticator, token_digest
from streamproxy.access.identity import Identity, Kind
from streamproxy.access.passwords import PasswordHash, hash_password
from streamproxy.errors import TooManyAttempts, WrongCredentials

USERS = {"anna": PasswordHash.parse(hash_password("correct: horse"))}
TOKENS = {"default": token_digest("s3cret"), "kiosk": token_digest("k10sk")}
ANNA = Identity(Kind.USER, "anna")


@pytest.fixture
def authenticator() -> Authenticator:
    return Authenticator(USERS, TOKENS)


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("value", "who"),
    [
        ("Bearer s3cret", Identity(Kind.TOKEN, "default")),
        ("bearer  k10sk ", Identity(Kind.TOKEN, "kiosk")),
        (basic("anna:correct: horse"), ANNA),
    ],
)
async def test_right_credentials_name_somebody(
    authenticator: Authenticator, value: str, who: Identity
) -> None:
    assert await authenticator.by_authorization(value, "client") == who


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer s3cre",
        "Bearer s3cret2",
        "Bearer S3CRET",
        f"Bearer {TOKENS['default']}",  # what is kept is not what lets in
        "Bearer \udcff",
        "Basic",
        "Basic %%%",
        basic("anna"),
        basic("anna:"),
        basic("anna:wrong"),
        basic(":correct: horse"),
        basic("Anna:correct: horse"),
        basic("bob:correct: horse"),
        basic(f"anna:{USERS['anna']}"),
        "Basic " + b64encode(b"anna:\xff").decode(),
        "Digest s3cret",
        "s3cret",
    ],
)
async def test_wrong_credentials_name_nobody(authenticator: Authenticator, value: str) -> None:
    with pytest.raises(WrongCredentials):
        await authenticator.by_authorization(value, "client")


async def test_right_guess_tells_nothing_while_a_client_waits(
    authenticator: Authenticator,
) -> None:
    await authenticator.by_password("anna", "correct: horse", "friend")  # remembered from now on
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            authenticator.by_token("wrong", "client")

    with pytest.raises(TooManyAttempts):
        authenticator.by_token("s3cret", "client")
    with pytest.raises(TooManyAttempts):
        await authenticator.by_password("anna", "correct: horse", "client")
    assert authenticator.by_token("s3cret", "friend") == Identity(Kind.TOKEN, "default")


async def test_many_guesses_at_a_time_are_no_more_than_one_by_one(
    authenticator: Authenticator,
) -> None:
    guesses = [authenticator.by_password("anna", str(guess), "client") for guess in range(50)]

    ends = [type(end) for end in await asyncio.gather(*guesses, return_exceptions=True)]

    assert ends.count(WrongCredentials) <= 6
    assert ends.count(TooManyAttempts) >= 44


async def test_many_right_passwords_at_a_time_are_no_guesses(
    authenticator: Authenticator,
) -> None:
    requests = [authenticator.by_password("anna", "correct: horse", "client") for _ in range(30)]

    assert set(await asyncio.gather(*requests)) == {ANNA}


def test_session_begins_and_is_known_by_every_process_with_the_same_secret() -> None:
    first, second = (Authenticator(USERS, TOKENS, ["s3cret"]) for _ in range(2))

    session = first.begin_session(ANNA)

    assert second.by_session(session) == ANNA
    assert Authenticator(USERS, TOKENS, ["other"]).by_session(session) is None
    assert Authenticator(USERS, TOKENS).by_session(session) is None


def test_session_of_somebody_who_is_no_longer_known_ends() -> None:
    session = Authenticator(USERS, TOKENS, ["s3cret"]).begin_session(ANNA)

    assert Authenticator({}, TOKENS, ["s3cret"]).by_session(session) is None


def test_challenge_names_what_is_accepted(authenticator: Authenticator) -> None:
    assert authenticator.challenge().startswith("Basic ")
    assert "Bearer " in authenticator.challenge()
    assert authenticator.challenge(with_basic=False) == 'Bearer realm="streamproxy"'
    assert Authenticator({}, TOKENS).challenge() == 'Bearer realm="streamproxy"'


def test_nothing_of_it_is_shown(authenticator: Authenticator) -> None:
    assert "s3cret" not in repr(authenticator)
    assert TOKENS["default"] not in repr(authenticator)


async def test_own_success_buys_no_guesses(authenticator: Authenticator) -> None:
    refused = 0
    for guess in range(40):
        is_own = guess % 5 == 4
        try:
            if is_own:
                await authenticator.by_password("anna", "correct: horse", "client")
            else:
                authenticator.by_token(str(guess), "client")
        except TooManyAttempts:
            refused += 1
        except WrongCredentials:
            pass

    assert refused >= 33


async def test_flood_of_guesses_from_everywhere_does_not_queue_up(
    authenticator: Authenticator,
) -> None:
    guesses = [authenticator.by_password("anna", "x", str(client)) for client in range(100)]

    ends = [type(end) for end in await asyncio.gather(*guesses, return_exceptions=True)]

    assert ends.count(WrongCredentials) <= 34
    assert ends.count(TooManyAttempts) >= 66
