"""Who is this? Tokens, passwords and sessions, compared in constant time."""

import asyncio
import hmac
import secrets
import time
from base64 import b64decode
from collections.abc import Mapping, Sequence
from hashlib import scrypt, sha256

from streamproxy.access.identity import Identity, Kind
from streamproxy.access.passwords import PasswordHash, hash_password
from streamproxy.access.program import program_secret
from streamproxy.access.sessions import make_session, read_session
from streamproxy.access.throttle import Throttle
from streamproxy.errors import TooManyAttempts, WrongCredentials

# Checks of passwords at a time: each takes a core and 16 MiB.
_MAX_CHECKS = 2
# Those that may wait for it: some seconds' worth. Then a flood of guesses from everywhere is
# refused at once, and who is right comes through the sooner.
_MAX_WAITING = 32
_BUSY_WAIT = 2.0


def token_digest(token: str) -> str:
    """Return what is kept of a token: SHA-256, in hexadecimal.

    A token is random and long, so that nothing slower is needed (unlike for passwords).
    """
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Authenticator:
    """Finds out who somebody is, and remembers how often they were wrong.

    :param users: hashes of passwords by the name of the user.
    :param tokens: digests of tokens by the name of the token.
    :param secrets_: what sessions are signed with, the first of them; where there is none,
        a key of this program and its forks alone. Stretched, since a token may be weak.
    """

    def __init__(
        self,
        users: Mapping[str, PasswordHash],
        tokens: Mapping[str, str],
        secrets_: Sequence[str] = (),
        throttle: Throttle | None = None,
    ) -> None:
        self.users = users
        self.tokens = tokens
        self._keys = [_stretch(secret) for secret in secrets_] or [program_secret(b"sessions")]
        self._throttle = throttle or Throttle()
        self._waiting = 0
        self._checks = asyncio.Semaphore(_MAX_CHECKS)
        # Passwords found right, as a MAC under a key that nobody else has: a player sends its
        # password with every range, and scrypt is slow by design.
        self._memory: dict[str, bytes] = {}
        self._memory_key = secrets.token_bytes(32)
        # A name that is not known must take as long as one that is.
        self._nobody = PasswordHash.parse(hash_password(secrets.token_hex())) if users else None

    def challenge(self, *, with_basic: bool = True) -> str:
        """Return the WWW-Authenticate field: by what somebody can show who they are."""
        basic = 'Basic realm="streamproxy", charset="UTF-8"'
        bearer = 'Bearer realm="streamproxy"'
        return f"{basic}, {bearer}" if self.users and with_basic else bearer

    async def by_authorization(self, value: str, client: str) -> Identity:
        """Return who an Authorization field names.

        :raises WrongCredentials: it is not right.
        :raises TooManyAttempts: the client was wrong too often.
        """
        scheme, _, credentials = value.strip(" \t").partition(" ")
        match scheme.lower():
            case "bearer":
                return self.by_token(credentials.strip(" "), client)
            case "basic":
                name, password = _decode_basic(credentials)
                return await self.by_password(name, password, client)
        raise WrongCredentials("The Authorization field has no scheme that is known here.")

    def by_token(self, token: str, client: str) -> Identity:
        """Return whose token it is.

        :raises WrongCredentials, TooManyAttempts: as by_authorization.
        """
        self._throttle.check(client)
        digest = token_digest(token)
        right = [n for n, known in self.tokens.items() if hmac.compare_digest(digest, known)]
        if not right:
            self._throttle.failed(client)
            raise WrongCredentials("The token is not right.")
        return Identity(Kind.TOKEN, right[0])

    async def by_password(self, name: str, password: str, client: str) -> Identity:
        """Return the user of that name, if the password is theirs.

        :raises WrongCredentials, TooManyAttempts: as by_authorization.
        """
        self._throttle.check(client)
        if not self._remembers(name, password):
            if self._waiting >= _MAX_WAITING:
                raise TooManyAttempts(_BUSY_WAIT)
            self._waiting += 1
            try:
                await self._checks.acquire()
            finally:
                self._waiting -= 1
            try:
                # Others of this client may have failed, or this user been let in, meanwhile.
                self._throttle.check(client)
                if not self._remembers(name, password):
                    await self._check_password(name, password, client)
            finally:
                self._checks.release()
        return Identity(Kind.USER, name)

    async def _check_password(self, name: str, password: str, client: str) -> None:
        known = self.users.get(name, self._nobody)
        self._throttle.failed(client)  # until it is shown to be right: others may come meanwhile
        is_right = known is not None and await asyncio.to_thread(known.matches, password)
        if not is_right or name not in self.users:
            raise WrongCredentials("The name or the password is not right.")
        self._throttle.take_back(client)
        self._memory[name] = self._memorable(password)

    def _remembers(self, name: str, password: str) -> bool:
        return hmac.compare_digest(self._memory.get(name, b""), self._memorable(password))

    def _memorable(self, password: str) -> bytes:
        data = password.encode("utf-8", "surrogatepass")
        return hmac.digest(self._memory_key, data, "sha256")

    def by_session(self, value: str) -> Identity | None:
        """Return whose session the value of a cookie is; None: nobody's, or no longer.

        Not slowed down: nobody guesses 256 bits.
        """
        return read_session(value, self._verifier_of, self._keys, time.time())

    def begin_session(self, identity: Identity) -> str:
        """Return the value of the cookie for somebody who has just shown who they are."""
        verifier = self._verifier_of(identity) or ""
        return make_session(identity, verifier, self._keys, time.time())

    def _verifier_of(self, identity: Identity) -> str | None:
        match identity.kind:
            case Kind.USER:
                known = self.users.get(identity.name)
                return None if known is None else str(known)
            case Kind.TOKEN:
                return self.tokens.get(identity.name)
        return None


def _stretch(secret: str) -> bytes:
    """Return a key that takes 50 ms to guess once: whoever has a cookie can try offline."""
    return scrypt(secret.encode(), salt=b"streamproxy session", n=2**14, r=8, p=1, dklen=32)


def _decode_basic(credentials: str) -> tuple[str, str]:
    """Return name and password (RFC 7617); the password may hold colons."""
    try:
        text = b64decode(credentials.strip(" "), validate=True).decode("utf-8", "surrogateescape")
    except ValueError as exc:
        raise WrongCredentials("The Basic credentials cannot be read.") from exc
    name, _, password = text.partition(":")
    return name, password
